"""Looks a rig over before a session: one row a finding, each with its cure. Moves nothing and writes no register."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from rich.console import Console
from rich.text import Text

from calibration.arm import load_calibration
from calibration.rig_folder import file_of_rig
from hardware import doctor_arms, doctor_computer, doctor_devices, doctor_files, doctor_ros
from hardware.bus import REPLY_S
from hardware.findings import Row, Site, Verdict
from il_robot.screen import broken

CAMERA_SECONDS = 2.0
COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAULT: "red"}
INDENT = 9


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
        yield from doctor_ros.check()
        rig = doctor_files.read_rig(self.rig)
        if isinstance(rig, Row):
            yield rig
            return
        yield Row("rig", Verdict.OK, f"{rig.name}: {len(rig.joint_names)} joints, {len(rig.cameras)} cameras")
        if rig.simulated:
            yield Row("wiring", Verdict.OK, "the rig is simulated: it has no arms, cameras and pedal to look at")
            return
        site = doctor_files.read_site(rig, self.rig)
        if isinstance(site, Row):
            yield site
            return
        calibration = load_calibration(file_of_rig(self.rig, "calibration.yaml"))
        yield from doctor_files.check_calibration(site, calibration)
        yield from doctor_files.check_poses(site)
        if at_rest := doctor_files.lab_at_rest(site):
            yield at_rest
            return
        yield from self._devices(site)

    def _devices(self, site: Site) -> Iterator[Row]:
        with ThreadPoolExecutor() as together:  # each has a port of its own, and a silent one takes seconds
            for rows in together.map(lambda arm: list(doctor_arms.check(arm, site, self.reply_s)), site.wiring.arms):
                yield from rows
        yield from doctor_devices.check_cameras(site, self.camera_seconds)
        yield doctor_devices.check_pedal(site)


def examine(doctor: Doctor, console: Console) -> Exit:
    """Prints every finding as it is made, its cure below it; the worst verdict is the exit code."""
    counts: Counter[Verdict] = Counter()
    for row in doctor.rows():
        counts[row.verdict] += 1
        show(row, console)
    worst = max(counts)
    exits = {Verdict.OK: Exit.OK, Verdict.WARNING: Exit.WARNING, Verdict.FAULT: Exit.FAULT}
    bad = [verdict for verdict in (Verdict.FAULT, Verdict.WARNING) if counts[verdict]]
    listed = ", ".join(f"{counts[one]} {one.name.lower()}{'s' * (counts[one] > 1)}" for one in bad)
    console.print(f"rig {doctor.rig}: {listed or 'all is well'}", highlight=False, markup=False, soft_wrap=True)
    return exits[worst]


def show(row: Row, console: Console) -> None:
    """One finding; a command has a line of its own, which is never broken, so that it can be copied."""
    found = broken(f"{row.what}: {row.found}", f"{row.verdict.name.lower():<{INDENT}}", console.width)
    lines = Text(found)
    lines.stylize(COLOURS[row.verdict], 0, INDENT)
    console.print(lines, soft_wrap=True)
    if row.cure:
        console.print(Text(broken(f"cure: {row.cure}", " " * INDENT, console.width)), soft_wrap=True)
    if row.command:
        console.print(Text(f"{' ' * INDENT}  {row.command}", style="bold"), soft_wrap=True)
