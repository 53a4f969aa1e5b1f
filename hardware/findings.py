"""What the doctor says: a row a finding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


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
