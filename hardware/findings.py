"""What the doctor looks at, and what it says: a row a finding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from hardware.wiring import Wiring
from il_robot.rig import Rig
from il_robot.yaml_text import YamlText


class Verdict(IntEnum):
    """In order of badness."""

    OK = 0
    WARNING = 1
    FAULT = 2


@dataclass(frozen=True)
class Row:
    """One finding."""

    what: str
    verdict: Verdict
    found: str
    cure: str = ""
    """What to do; empty when all is well."""
    command: str = ""
    """That does it, or is a part of it, to be copied into a terminal."""


@dataclass(frozen=True)
class Site:
    """A rig whose files are well."""

    name: str
    """As it was given: a rig's name, or its folder."""
    rig: Rig
    wiring: Wiring
    file: YamlText
    """hardware.yaml."""

    def line(self, *place: str | int) -> str:
        """Where in hardware.yaml something stands: ``lab/hardware.yaml:12:5``."""
        return self.file.at(place)

    def servo_line(self, arm: str, servo_id: int, key: str) -> str:
        """Where a key of one servo of an arm stands, or the servo where it has no such key."""
        chain = self.wiring.chain(arm)
        number = next(at for at, servo in enumerate(chain) if servo.id == servo_id)
        return self.line("chains", self.wiring.arms[arm].chain, number, key)
