"""What every calibration command begins with: the rig's files, the file to write, the operator."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calibration.arm import RigCalibration, load_calibration
from calibration.report import load_report
from calibration.rig_file import load_rig
from calibration.rig_folder import file_of_rig
from calibration.state import unfinished_file
from hardware.wiring import Wiring, check_wiring, load_wiring
from il_robot.errors import BadInput, Fault, nearest
from il_robot.rig import Camera, Rig
from il_robot.screen import for_screen

YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Start:
    """What a calibration begins with."""

    rig: Rig
    wiring: Wiring
    calibration: RigCalibration
    path: Path
    """The file to write."""
    unfinished: Path
    """Where it keeps what it has so far."""

    @contextlib.contextmanager
    def kept_when_interrupted(self) -> Iterator[None]:
        """Says, when Ctrl-C or a fault ends what runs in it, that nothing was lost."""
        try:
            yield
        except (KeyboardInterrupt, Fault):
            if self.unfinished.exists():
                print()
                say(f"what was captured is kept ({self.unfinished}): the same command goes on there")
            raise


def begin(rig: str, out: Path | None, part: str, afresh: bool = False) -> Start:
    """Reads a rig's files, before an arm loses its torque. Raises BadInput, also when nothing can be written."""
    described = load_rig(rig)
    if described.simulated:
        raise BadInput(f"rig {rig} is simulated: it has nothing to calibrate")
    wiring, calibration = load_wiring(described, rig)
    path = out or file_of_rig(rig, "calibration.yaml")
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise BadInput(f"{path}: cannot be written; a file in a folder that exists and that you may write to is needed")
    if path.suffix not in YAML:
        raise BadInput(f"{path}: a name that ends in {' or '.join(YAML)} is needed")
    if path.exists():
        calibration = load_calibration(path)
        try:
            check_wiring(described, wiring, calibration)
        except BadInput as error:
            raise BadInput(f"{path} does not fit the rig: {error}") from None
    load_report(path)  # it will be added to
    unfinished = unfinished_file(path, part)
    if afresh:
        unfinished.unlink(missing_ok=True)
    return Start(described, wiring, calibration, path, unfinished)


def chosen_cameras(rig: Rig, names: tuple[str, ...]) -> list[Camera]:
    """The cameras called ``names``, or all. Raises BadInput."""
    known = {camera.name: camera for camera in rig.cameras}
    if not known:
        raise BadInput(f"rig {rig.name} has no cameras: there is nothing to calibrate")
    for name in names:
        if name not in known:
            raise BadInput(f"rig {rig.name} has no camera {name!r}; {nearest(name, known)}")
    return [known[name] for name in dict.fromkeys(names or known)]


def say(line: str) -> None:
    print(for_screen(line), flush=True)


def wait_for_enter(instruction: str) -> None:
    try:
        input(for_screen(f"{instruction}. Enter when done:") + " ")
    except EOFError:
        print()  # after the prompt
        raise BadInput("nobody presses Enter: a calibration needs a terminal") from None
