"""Looks a rig over before a session: one row a finding, each with its cure. Moves nothing and writes no register."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from rich.console import Console
from rich.table import Table

from calibration.rig_file import load_rig
from hardware import doctor_arms, doctor_computer, doctor_devices
from hardware.bus import REPLY_S
from hardware.findings import Row, Verdict
from hardware.wiring import load_wiring
from il_robot.errors import BadInput

CAMERA_SECONDS = 2.0


class Exit(IntEnum):
    """What the command line returns."""

    OK = 0
    FAULT = 1
    WARNING = 3


@dataclass(frozen=True)
class Doctor:
    """What to look at, and how patiently."""

    rig: str
    dataset: Path
    """A folder on the disk that will be recorded to."""
    reply_s: float = REPLY_S
    camera_seconds: float = CAMERA_SECONDS

    def rows(self) -> Iterator[Row]:
        """Every finding as it is made. Never raises for what a row can say."""
        yield from doctor_computer.check(self.dataset)
        try:
            rig = load_rig(self.rig)
        except BadInput as error:
            yield Row("rig", Verdict.FAULT, str(error), "correct rig.yaml")
            return
        yield Row("rig", Verdict.OK, f"{rig.name}: {len(rig.joint_names)} joints, {len(rig.cameras)} cameras")
        if rig.simulated:
            yield Row("wiring", Verdict.OK, "the rig is simulated: it has no arms, cameras and pedal to look at")
            return
        try:
            wiring, calibration = load_wiring(rig, self.rig)
        except BadInput as error:
            yield Row("wiring", Verdict.FAULT, str(error), "correct hardware.yaml and calibration.yaml beside rig.yaml")
            return
        yield Row("calibration", Verdict.OK, f"digest {calibration.digest()[:12]}")
        with ThreadPoolExecutor() as together:  # each has a port of its own, and a silent one takes seconds
            for rows in together.map(lambda arm: list(doctor_arms.check(arm, wiring, self.reply_s)), wiring.arms):
                yield from rows
        yield from doctor_devices.check_cameras(rig, wiring, self.camera_seconds)
        yield doctor_devices.check_pedal(rig, wiring)


def examine(doctor: Doctor, console: Console) -> Exit:
    """Prints a table of all rows; the worst verdict is the exit code."""
    table = Table("what", "", "found", "cure", title=f"il-robot doctor: rig {doctor.rig}")
    colours = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAULT: "red"}
    worst = Verdict.OK
    for row in doctor.rows():
        worst = max(worst, row.verdict)
        table.add_row(row.what, f"[{colours[row.verdict]}]{row.verdict.name.lower()}[/]", row.found, row.cure)
    console.print(table)
    return {Verdict.OK: Exit.OK, Verdict.WARNING: Exit.WARNING, Verdict.FAULT: Exit.FAULT}[worst]
