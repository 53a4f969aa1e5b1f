"""The commands ``il-robot calibrate arms | grippers | cameras | latency | board``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from calibration.arm import RigCalibration, load_calibration, update_calibration
from calibration.guide import Poses
from calibration.report import report_of
from calibration.rig_file import load_rig
from calibration.rig_folder import file_of_rig
from calibration.state import ARMS, CAMERAS, GRIPPERS, LATENCY, unfinished_file
from hardware.wiring import Wiring, check_wiring, load_wiring
from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest
from il_robot.rig import Camera, Rig


def calibrate_arms(*, rig: str = "aloha", out: Path | None = None, afresh: bool = False) -> int:
    """Measure every arm's zeros, directions and gripper range, led from pose to pose.

    Interrupted, it goes on where it was when started again. Beside the calibration it writes a report.

    For example:

        il-robot calibrate arms --rig my_lab/
        il-robot calibrate arms --rig my_lab/ --out trial.yaml

    Args:
        rig: a rig's name, or its folder with hardware.yaml, calibration.yaml (the start) and poses.yaml.
        out: the file to write; without it the rig's own calibration.yaml.
        afresh: forget what an interrupted calibration left.
    """
    from hardware.calibrate_arms import calibrate_arms as calibrate

    start = _start(rig, out, ARMS, afresh)
    poses = strict_yaml.load(file_of_rig(rig, "poses.yaml"), Poses)
    with start.kept_when_interrupted():
        report = calibrate(start.rig, start.wiring, start.calibration, poses, _wait_for_enter, start.path)
    for pair, apart in report.pairs_apart.items():
        joint = max(apart, key=lambda name: apart[name])
        print(f"{pair}: leader and follower agree within {apart[joint]:.3f} rad (worst: {joint})")
    for name, arm in report.arms.items():
        if arm.sign_unproven:
            joints = ", ".join(arm.sign_unproven)
            print(f"{name}: no pose turns {joints}: which way they turn was not measured, it is as before")
    print(f"written: {start.path}, {report_of(start.path)}")
    return 0


def calibrate_cameras(
    *, rig: str = "aloha", cameras: tuple[str, ...] = (), out: Path | None = None, afresh: bool = False
) -> int:
    """Find the cameras' intrinsics from a printed ChArUco board (`il-robot calibrate board` draws it).

    Every view is kept as it is taken. Interrupted, it goes on where it was when started again.

    For example:

        il-robot calibrate cameras --rig my_lab/
        il-robot calibrate cameras --rig my_lab/ --cameras cam_high cam_low
        il-robot calibrate cameras --rig my_lab/ --cameras cam_high --afresh

    Args:
        rig: a rig's name, or its folder.
        cameras: which ones; without it all of the rig.
        out: the file to write; without it the rig's own calibration.yaml.
        afresh: forget what an interrupted calibration left of these cameras.
    """
    from calibration.board_views import CamerasProgress
    from calibration.camera import Board
    from hardware.calibrate_cameras import calibrate_cameras as calibrate
    from hardware.camera import ThreadedCamera
    from hardware.rig_cameras import source_of

    start = _start(rig, out, CAMERAS)
    chosen = _chosen(start.rig, cameras)
    if afresh:
        progress = CamerasProgress.resume(start.unfinished)
        progress.forget([settings.name for settings in chosen])
        progress.save(start.unfinished)
    wired = start.wiring.cameras
    with start.kept_when_interrupted():
        calibrate(
            chosen,
            lambda settings: ThreadedCamera(settings.name, source_of(settings, wired[settings.name])),
            {name: camera.controls for name, camera in wired.items()},
            start.calibration,
            start.path,
            _say,
            Board(),
        )
    print(f"written: {start.path}, {report_of(start.path)}")
    return 0


def calibrate_grippers(*, rig: str = "aloha", out: Path | None = None, afresh: bool = False) -> int:
    """Measure only where each gripper is closed and open; joints stay as they are.

    Interrupted, it goes on where it was when started again.

    For example:

        il-robot calibrate grippers --rig my_lab/

    Args:
        rig: a rig's name, or its folder.
        out: the file to write; without it the rig's own calibration.yaml.
        afresh: forget what an interrupted calibration left.
    """
    from hardware.calibrate_grippers import calibrate_grippers as calibrate

    start = _start(rig, out, GRIPPERS, afresh)
    with start.kept_when_interrupted():
        found = calibrate(start.rig, start.wiring, start.calibration, _wait_for_enter, start.path)
    for name, arm in found.arms.items():
        for gripper, range_ in arm.grippers.items():
            print(f"{name} {gripper}: closed at {range_.closed_ticks:.0f}, open at {range_.open_ticks:.0f} ticks")
    print(f"written: {start.path}")
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

    start = _start(rig, out, LATENCY)
    described, wiring, calibration, path = start.rig, start.wiring, start.calibration, start.path
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
    update_calibration(path, calibration, lambda now: replace(now, latency_s={**now.latency_s, **late}))
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


@dataclass(frozen=True)
class _Start:
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
        """Says, when Ctrl-C ends what runs in it, that nothing was lost."""
        try:
            yield
        except KeyboardInterrupt:
            if self.unfinished.exists():
                print(f"\nwhat was captured is kept ({self.unfinished}): the same command goes on there")
            raise


def _start(rig: str, out: Path | None, part: str, afresh: bool = False) -> _Start:
    """Reads a rig's files, before an arm loses its torque. Raises BadInput, also when nothing can be written."""
    described = load_rig(rig)
    wiring, calibration = load_wiring(described, rig)
    path = out or file_of_rig(rig, "calibration.yaml")
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise BadInput(f"{path}: cannot be written; a file in a folder that exists and that you may write to is needed")
    if path.exists():
        calibration = load_calibration(path)
        check_wiring(described, wiring, calibration)
    unfinished = unfinished_file(path, part)
    if afresh:
        unfinished.unlink(missing_ok=True)
    return _Start(described, wiring, calibration, path, unfinished)


def _chosen(rig: Rig, names: tuple[str, ...]) -> list[Camera]:
    """The cameras called ``names``, or all. Raises BadInput."""
    known = {camera.name: camera for camera in rig.cameras}
    for name in names:
        if name not in known:
            raise BadInput(f"rig {rig.name} has no camera {name!r}; {nearest(name, known)}")
    return [known[name] for name in dict.fromkeys(names or known)]


def _say(line: str) -> None:
    print(line, flush=True)


def _wait_for_enter(instruction: str) -> None:
    try:
        input(f"{instruction}. Enter when done: ")
    except EOFError:
        raise BadInput("nobody presses Enter: a calibration needs a terminal") from None
