"""The doctor's look at the files of a rig: whether they can be read and agree, and how far its calibration has come."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from calibration.arm import RigCalibration, load_calibration
from calibration.guide import load_poses
from calibration.rig_file import RIGS, load_rig, rig_names
from calibration.rig_folder import file_of_rig, folder_of_rig
from calibration.state import ARMS, CAMERAS, GRIPPERS, LATENCY, Stage, calibration_state, unfinished_file
from hardware.emulated_lab import BUILT, LOCK
from hardware.findings import Row, Site, Verdict
from hardware.wiring import load_wiring
from il_robot.errors import BadInput, near
from il_robot.rig import Rig
from il_robot.yaml_text import read_yaml

TEMPLATE = "aloha"
RIG_FILE = "rig.yaml"
_FILE = re.compile(r"(?P<file>\S.*?\.yaml)(?::(?P<line>\d+):(?P<column>\d+))?: ")


def read_rig(name: str) -> Rig | Row:
    """The rig, or the row that says why not."""
    try:
        return load_rig(name)
    except BadInput as error:
        try:
            return _no_rig(name, error)
        except OSError:  # which the error told
            return Row("rig", Verdict.FAULT, str(error), "name a folder that you may read")


def _no_rig(name: str, error: BadInput) -> Row:
    """Raises OSError where the system does not let one look."""
    if not name or not Path(name).exists():
        return Row("rig", Verdict.FAULT, str(error), *_other_name(name))
    if Path(name).is_file() and Path(name).name != RIG_FILE and Path(name).with_name(RIG_FILE).exists():
        command = f"il-robot doctor --rig {quote(str(Path(name).parent))}"
        return Row("rig", Verdict.FAULT, f"{name}: not what a rig is", "name its folder:", command)
    if Path(name).is_dir() and not Path(name, RIG_FILE).exists():
        return Row("rig", Verdict.FAULT, f"{name}: no {RIG_FILE} in it", *_copied(TEMPLATE, RIG_FILE, Path(name)))
    return Row("rig", Verdict.FAULT, str(error), _corrected(error))


def read_site(rig: Rig, name: str) -> Site | Row:
    """A rig's files, which agree, or the row that says why not."""
    folder = folder_of_rig(name)
    for file in ("hardware.yaml", "calibration.yaml"):
        if not (folder / file).is_file():
            cure, command = _copied(rig.name if rig.name in rig_names() else TEMPLATE, file, folder)
            if file == "calibration.yaml":
                cure = "begin with the numbers of a rig of that kind, then measure yours:"
                command += f" && il-robot calibrate {ARMS} --rig {quote(name)}"
            return Row(file.removesuffix(".yaml"), Verdict.FAULT, f"no {folder / file}", cure, command)
    try:
        wiring, _ = load_wiring(rig, name)
        return Site(name, rig, wiring, read_yaml(folder / "hardware.yaml"))
    except BadInput as error:
        return Row("files", Verdict.FAULT, str(error), _corrected(error))


def check_poses(site: Site) -> Iterator[Row]:
    """A row when `calibrate arms` could not begin."""
    folder = folder_of_rig(site.name)
    file = folder / "poses.yaml"
    if not file.is_file():
        rig = site.rig.name if (RIGS / site.rig.name / file.name).is_file() else TEMPLATE
        found = f"no {file}: arms cannot be calibrated"
        yield Row("poses", Verdict.WARNING, found, *_copied(rig, file.name, folder))
        return
    try:
        load_poses(file, site.rig, load_calibration(folder / "calibration.yaml"))
    except BadInput as error:
        yield Row("poses", Verdict.WARNING, f"{error}; arms cannot be calibrated", _corrected(error))


def check_calibration(site: Site, calibration: RigCalibration) -> Iterator[Row]:
    """A row for each part that is not calibrated, or one. Cameras' intrinsics are for whoever needs them."""
    stages = calibration_state(site.rig, site.name)
    command = f"il-robot calibrate {{}} --rig {quote(site.name)}"
    wrong = False
    for part in (ARMS, GRIPPERS, CAMERAS, LATENCY):
        if stages[part] is Stage.UNFINISHED:
            wrong = True
            yield _unfinished(part, site, calibration, command.format(part))
        elif stages[part] is Stage.NEVER and part in (ARMS, LATENCY):
            wrong = True
            found = "never made: the numbers are those the rig came with" if part == ARMS else "never made: taken as 0"
            yield Row(f"calibration of {part}", Verdict.WARNING, found, "measure yours:", command.format(part))
    if not wrong:
        yield Row("calibration", Verdict.OK, f"digest {calibration.digest()[:12]}")


def _unfinished(part: str, site: Site, calibration: RigCalibration, command: str) -> Row:
    """Interrupted, or made for some of the cameras only."""
    what = f"calibration of {part}"
    if unfinished_file(file_of_rig(site.name, "calibration.yaml"), part).exists():
        return Row(what, Verdict.WARNING, "unfinished", "this goes on where it was:", command)
    measured = calibration.latency_s if part == LATENCY else calibration.cameras
    done = ", ".join(name for name in site.rig.camera_names if name in measured)
    missing = [name for name in site.rig.camera_names if name not in measured]
    seen = ", with an arm that they see (--arm)" if part == LATENCY else ""
    return Row(
        what,
        Verdict.WARNING,
        f"measured: {done}; missing: {', '.join(missing)}",
        f"measure what is missing{seen}:",
        f"{command} --cameras {' '.join(missing)}",
    )


def lab_at_rest(site: Site) -> Row | None:
    """The row of an emulated lab that does not run: nothing of it can be looked at."""
    folder = site.file.path.parent
    ports = [Path(arm.port) for arm in site.wiring.arms.values()]
    if not (folder / BUILT).exists() or (all(port.exists() for port in ports) and not _left(folder / LOCK)):
        return None
    cure = "start it in another terminal, and leave it running:"
    return Row("lab", Verdict.FAULT, "this emulated lab does not run", cure, f"il-robot emulate {quote(str(folder))}")


def _left(lock: Path) -> bool:
    """Whether the process that made it is gone: what it left may lead to anybody's terminal by now."""
    try:
        file = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def _other_name(name: str) -> tuple[str, str]:
    """The cure for a rig that nobody knows, and a command."""
    folders = {path.parent.name: path.parent for path in Path(name).absolute().parent.glob("*/rig.yaml")}
    meant = near(Path(name).name, [*rig_names(), *folders])
    if not meant:
        return (
            "name one of these, or the folder of yours; a new one begins as a copy:",
            f"cp -r {RIGS / TEMPLATE} my_lab",
        )
    there = folders.get(meant[0])
    rig = str(there.relative_to(Path.cwd()) if there and there.is_relative_to(Path.cwd()) else there or meant[0])
    return "it may be this one:", f"il-robot doctor --rig {quote(rig)}"


def _copied(rig: str, file: str, folder: Path) -> tuple[str, str]:
    return f"begin with that of {rig} and put in what is yours:", f"cp {RIGS / rig / file} {quote(str(folder))}"


def _corrected(error: BadInput) -> str:
    found = _FILE.match(str(error))
    if found is None:
        return "correct the rig's files"
    line = f", line {found['line']}" if found["line"] else ""
    return f"correct {found['file']}{line}"
