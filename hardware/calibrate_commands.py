"""The commands ``il-robot calibrate arms | grippers | cameras | latency | board``."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from calibration.arm import save_calibration
from calibration.guide import Poses
from calibration.report import report_of
from calibration.rig_file import load_rig
from calibration.rig_folder import file_of_rig
from hardware.wiring import load_wiring
from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest
from il_robot.rig import Camera, Rig


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
    path = _file_to_write(rig, out)
    report = calibrate(described, wiring, prior, poses, _wait_for_enter, path)
    for pair, apart in report.pairs_apart.items():
        joint = max(apart, key=lambda name: apart[name])
        print(f"{pair}: leader and follower agree within {apart[joint]:.3f} rad (worst: {joint})")
    print(f"written: {path}, {report_of(path)}")
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
    path = _file_to_write(rig, out)
    for settings in _chosen(described, cameras):
        name = settings.name
        camera = ThreadedCamera(name, source_of(settings, wiring.cameras[name]))
        try:
            found = calibrate_camera(camera, settings, Board(), print)
        finally:
            camera.close()
        calibration = replace(calibration, cameras={**calibration.cameras, name: found})
        save_calibration(path, calibration)  # after each: the next one may be interrupted
        print(f"{name}: reprojection error {found.error_px:.2f} px over {found.views} views")
    print(f"written: {path}")
    return 0


def calibrate_grippers(*, rig: str = "aloha", out: Path | None = None) -> int:
    """Measure only where each gripper is closed and open; joints stay as they are.

    For example:

        il-robot calibrate grippers --rig my_lab/

    Args:
        rig: a rig's name, or its folder.
        out: the file to write; without it the rig's own calibration.yaml.
    """
    from hardware.calibrate_grippers import calibrate_grippers as calibrate

    described = load_rig(rig)
    wiring, prior = load_wiring(described, rig)
    path = _file_to_write(rig, out)
    found = calibrate(described, wiring, prior, _wait_for_enter, path)
    for name, arm in found.arms.items():
        for gripper, range_ in arm.grippers.items():
            print(f"{name} {gripper}: closed at {range_.closed_ticks:.0f}, open at {range_.open_ticks:.0f} ticks")
    print(f"written: {path}")
    return 0


def calibrate_latency(
    *,
    rig: str = "aloha",
    arm: str | None = None,
    cameras: tuple[str, ...] = (),
    seconds: float = 10.0,
    out: Path | None = None,
) -> int:
    """Measure how late each camera's stamps are: you move an arm by hand, irregularly, where the cameras see it.

    For example:

        il-robot calibrate latency --rig my_lab/
        il-robot calibrate latency --rig my_lab/ --arm follower_left --cameras cam_left_wrist

    Args:
        rig: a rig's name, or its folder.
        arm: the arm that you move (default: the first follower).
        cameras: which cameras see it (default: all).
        seconds: how long to watch, at least 4.
        out: the file to write; without it the rig's own calibration.yaml.
    """
    from hardware.calibrate_latency import measure_latency
    from hardware.camera import ThreadedCamera
    from hardware.free_arm import free_arm
    from hardware.rig_cameras import source_of

    described = load_rig(rig)
    wiring, calibration = load_wiring(described, rig)
    path = _file_to_write(rig, out)
    pairs = {name: pair for pair in described.arms for name in (pair.follower, pair.leader)}
    name = arm or described.arms[0].follower
    if name not in pairs:
        raise BadInput(f"rig {described.name} has no arm {name!r}; {nearest(name, pairs)}")
    if not 4 <= seconds <= 120:
        raise BadInput(f"--seconds {seconds:g}; allowed: 4 to 120")
    scale = calibration.arm(name).for_joints(pairs[name].joint_names, name)
    with contextlib.ExitStack() as opened:
        freed = opened.enter_context(free_arm(name, pairs[name], wiring, scale, _wait_for_enter))
        watched = {}
        for settings in _chosen(described, cameras):
            camera = ThreadedCamera(settings.name, source_of(settings, wiring.cameras[settings.name]))
            opened.callback(camera.close)
            watched[settings.name] = camera
        print(f"move {name} now, quickly and irregularly, for {seconds:g} s", flush=True)
        found = measure_latency(freed, watched, seconds)
    late = {stream: round(lag.seconds, 4) for stream, lag in found.items()}
    save_calibration(path, replace(calibration, latency_s={**calibration.latency_s, **late}))
    for stream, lag in found.items():
        print(f"{stream}: {1e3 * lag.seconds:.0f} ms late (correlation {lag.correlation:.2f})")
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


def _file_to_write(rig: str, out: Path | None) -> Path:
    """Asked before an arm loses its torque. Raises BadInput when nothing can be written there."""
    path = out or file_of_rig(rig, "calibration.yaml")
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise BadInput(f"{path}: cannot be written; a file in a folder that exists and that you may write to is needed")
    return path


def _chosen(rig: Rig, names: tuple[str, ...]) -> list[Camera]:
    """The cameras called ``names``, or all. Raises BadInput."""
    known = {camera.name: camera for camera in rig.cameras}
    for name in names:
        if name not in known:
            raise BadInput(f"rig {rig.name} has no camera {name!r}; {nearest(name, known)}")
    return [known[name] for name in names or known]


def _wait_for_enter(instruction: str) -> None:
    try:
        input(f"{instruction}. Enter when done: ")
    except EOFError:
        raise BadInput("nobody presses Enter: a calibration needs a terminal") from None
