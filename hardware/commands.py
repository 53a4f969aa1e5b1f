"""The commands ``il-robot doctor``, ``il-robot emulate`` and ``il-robot calibrate arms | cameras | board``."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from tyro.conf import Positional

from calibration.arm import save_calibration
from calibration.guide import Poses
from calibration.rig_file import load_rig
from calibration.rig_folder import file_of_rig
from hardware.wiring import load_wiring
from il_robot import strict_yaml
from il_robot.errors import BadInput, Fault, nearest


def doctor(*, rig: str = "aloha", dataset: Path = Path("data")) -> int:
    """Look a rig over before a session; every finding with its cure. Moves nothing, writes no register.

    The exit code is 0 when all is well, 3 with warnings, 1 with faults.

    For example:

        il-robot doctor --rig aloha
        il-robot doctor --rig my_lab/ --dataset /mnt/fast/cube

    Args:
        rig: a rig's name, or its folder.
        dataset: where you will record to: its disk is measured.
    """
    from hardware.doctor import Doctor, examine

    console = Console()
    return int(examine(Doctor(rig, dataset), console if console.is_terminal else Console(width=160)))


def calibrate_arms(*, rig: str = "aloha", out: Path | None = None) -> int:
    """Measure every arm's zeros, directions and gripper range, led from pose to pose.

    Interrupted, it goes on where it was when started again. Beside the calibration it writes a report.

    For example:

        il-robot calibrate arms --rig my_lab/
        il-robot calibrate arms --rig my_lab/ --out trial.yaml

    Args:
        rig: a rig's name, or its folder with hardware.yaml, calibration.yaml (the start) and poses.yaml.
        out: the file to write; without it the rig's own calibration.yaml.
    """
    from hardware.calibrate_arms import calibrate_arms as calibrate

    described = load_rig(rig)
    wiring, prior = load_wiring(described, rig)
    poses = strict_yaml.load(file_of_rig(rig, "poses.yaml"), Poses)
    path = out or file_of_rig(rig, "calibration.yaml")
    report = calibrate(described, wiring, prior, poses, _wait_for_enter, path)
    for pair, apart in report.pairs_apart.items():
        joint = max(apart, key=lambda name: apart[name])
        print(f"{pair}: leader and follower agree within {apart[joint]:.3f} (worst: {joint})")
    print(f"written: {path}, {path.with_suffix('.report.yaml')}")
    return 0


def calibrate_cameras(*, rig: str = "aloha", cameras: tuple[str, ...] = (), out: Path | None = None) -> int:
    """Find the cameras' intrinsics from a printed ChArUco board (`il-robot calibrate board` draws it).

    For example:

        il-robot calibrate cameras --rig my_lab/
        il-robot calibrate cameras --rig my_lab/ --cameras cam_high cam_low

    Args:
        rig: a rig's name, or its folder.
        cameras: which ones; without it all of the rig.
        out: the file to write; without it the rig's own calibration.yaml.
    """
    from calibration.camera import Board
    from hardware.calibrate_cameras import calibrate_camera
    from hardware.camera import ThreadedCamera
    from hardware.rig_cameras import source_of

    described = load_rig(rig)
    wiring, calibration = load_wiring(described, rig)
    path = out or file_of_rig(rig, "calibration.yaml")
    known = {camera.name: camera for camera in described.cameras}
    for name in cameras or tuple(known):
        if name not in known:
            raise BadInput(f"rig {described.name} has no camera {name!r}; {nearest(name, known)}")
        camera = ThreadedCamera(name, source_of(known[name], wiring.cameras[name]))
        try:
            found = calibrate_camera(camera, known[name], Board(), print)
        finally:
            camera.close()
        calibration = replace(calibration, cameras={**calibration.cameras, name: found})
        save_calibration(path, calibration)  # after each: the next one may be interrupted
        print(f"{name}: reprojection error {found.error_px:.2f} px over {found.views} views")
    print(f"written: {path}")
    return 0


def calibrate_board(*, out: Path = Path("board.png")) -> int:
    """Draw the board to print. Print it without scaling and glue it to something flat; a square is 30 mm.

    For example:

        il-robot calibrate board --out board.png

    Args:
        out: the image to write.
    """
    import cv2

    from calibration.camera import Board

    if not cv2.imwrite(str(out), Board().draw()):
        raise BadInput(f"{out}: cannot be written; a name ending in .png in a folder that exists is needed")
    print(f"written: {out}")
    return 0


def emulate(out: Positional[Path], /, *, rig: str = "aloha") -> int:
    """Run a lab without devices: emulated servos, pedal and cameras behind the real drivers, until Ctrl-C.

    Writes a rig folder that every command takes. Hands squeeze leader grippers that come free, then move the leaders.
    The keys of this terminal are the pedal: space takes over, r records, s success, d discards.

    For example:

        il-robot emulate lab --rig aloha
        il-robot doctor --rig lab            (in another terminal)

    Args:
        out: the folder to make, or one made before.
        rig: the rig to imitate: a name, or a folder.
    """
    from hardware.emulated_lab import Hands, open_lab, write_lab
    from hardware.pedal import KeyboardPedal

    if (out / "hardware.yaml").is_file():
        (out / "devices").mkdir(exist_ok=True)  # a lab from before, perhaps calibrated since
    else:
        write_lab(rig, out)
    described, wiring, calibration, emulated = open_lab(out)
    with emulated, contextlib.ExitStack() as keyboard:
        keys: KeyboardPedal | None = None
        with contextlib.suppress(Fault):  # without a terminal nobody presses the pedal
            keys = KeyboardPedal(described.pedal)
            keyboard.callback(keys.close)

        def press() -> bool:
            for event in keys.events() if keys else ():
                (emulated.pedal.press if event.pressed else emulated.pedal.release)(event.button)
            return True

        print(f"running: rig {out}; keys are its pedal (space, r, s, d); Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            Hands(described, wiring, calibration, emulated).run(press)
    shutil.rmtree(out / "devices")
    return 0


def _wait_for_enter(instruction: str) -> None:
    input(f"{instruction}. Enter when done: ")
