"""The commands ``il-robot calibrate arms | grippers | cameras | latency | board``."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from calibration.arm import update_calibration
from calibration.guide import load_poses
from calibration.latency import Lag
from calibration.report import LatencyReport, add_to_report, load_report, report_of
from calibration.rig_folder import file_of_rig
from calibration.state import ARMS, CAMERAS, GRIPPERS, LATENCY
from hardware.calibrate_start import begin, chosen_cameras, say, wait_for_enter
from il_robot.errors import BadInput, Fault, nearest


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

    start = begin(rig, out, ARMS, afresh)
    poses = load_poses(file_of_rig(rig, "poses.yaml"), start.rig, start.calibration)
    with start.kept_when_interrupted():
        report = calibrate(start.rig, start.wiring, start.calibration, poses, wait_for_enter, start.path, say)
    for pair, apart in report.pairs_apart.items():
        joint = max(apart, key=lambda name: apart[name])
        say(f"{pair}: leader and follower agree within {apart[joint]:.3f} rad (worst: {joint})")
    for name, arm in report.arms.items():
        if arm.sign_unproven:
            joints = ", ".join(arm.sign_unproven)
            say(f"{name}: no pose turns {joints}: which way they turn was not measured, it is as before")
    say(f"written: {start.path}, {report_of(start.path)}")
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

    start = begin(rig, out, CAMERAS, afresh and not cameras)
    chosen = chosen_cameras(start.rig, cameras)
    if afresh:
        progress = CamerasProgress()
        with contextlib.suppress(BadInput):  # with what cannot be read nobody goes on
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
            say,
            Board(),
        )
    say(f"written: {start.path}, {report_of(start.path)}")
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

    start = begin(rig, out, GRIPPERS, afresh)
    with start.kept_when_interrupted():
        found = calibrate(start.rig, start.wiring, start.calibration, wait_for_enter, start.path, say)
    for name, arm in found.arms.items():
        for gripper, range_ in arm.grippers.items():
            say(f"{name} {gripper}: closed at {range_.closed_ticks:.0f}, open at {range_.open_ticks:.0f} ticks")
    say(f"written: {start.path}")
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

    Says how well it knows: parts of the recording must agree within 20 ms, and mostly do within 5. Cameras that do not
    see this arm are named, the others are written; measure those with another arm.

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
    from rich.console import Console
    from rich.progress import Progress

    from hardware.calibrate_latency import measure_latency, what_next
    from hardware.camera import ThreadedCamera
    from hardware.free_arm import free_arm
    from hardware.rig_cameras import source_of

    start = begin(rig, out, LATENCY)
    described, wiring, calibration, path = start.rig, start.wiring, start.calibration, start.path
    pairs = {name: pair for pair in described.arms for name in (pair.follower, pair.leader)}
    name = arm or described.arms[0].follower
    if name not in pairs:
        raise BadInput(f"rig {described.name} has no arm {name!r}; {nearest(name, pairs)}")
    if not 4 <= seconds <= 120:
        raise BadInput(f"--seconds {seconds:g}; allowed: 4 to 120")
    scale = calibration.arm(name).for_joints(pairs[name].joint_names, name)
    chosen, watched = chosen_cameras(described, cameras), dict[str, ThreadedCamera]()
    with contextlib.ExitStack() as opened:
        for settings in chosen:
            watched[settings.name] = ThreadedCamera(settings.name, source_of(settings, wiring.cameras[settings.name]))
            opened.callback(watched[settings.name].close)
        # Last: an arm goes limp for nothing when a camera is missing.
        freed = opened.enter_context(free_arm(name, pairs[name], wiring, scale, wait_for_enter))
        say(f"move {name} now, quickly and irregularly, for {seconds:g} s")
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal, refresh_per_second=4) as bar:
            row = bar.add_task("watching", total=seconds)
            found = measure_latency(freed, watched, seconds, lambda passed_s: bar.update(row, completed=passed_s))
        say(f"that is enough; lay {name} down, it stays without torque")
    lags = {camera: lag for camera, lag in found.items() if isinstance(lag, Lag)}
    if lags:
        late = {camera: round(lag.seconds, 4) for camera, lag in lags.items()}
        update_calibration(path, calibration, lambda now: replace(now, latency_s={**now.latency_s, **late}))
        add_to_report(path, latency={**load_report(path).latency, **_reported(name, lags)})
    for camera, lag in found.items():
        if isinstance(lag, Lag):
            how = f"within {1e3 * lag.within_s:.0f} ms (correlation {lag.correlation:.2f})"
            say(f"{camera}: {1e3 * lag.seconds:.0f} ms late, {how}")
        else:
            say(f"{camera}: not measured: {lag}")
    if lags:
        say(f"written: {path}, {report_of(path)}")
    if again := what_next(found, arm):
        raise Fault(again)
    return 0


def _reported(arm: str, lags: dict[str, Lag]) -> dict[str, LatencyReport]:
    return {
        camera: LatencyReport(arm, round(lag.seconds, 4), round(lag.within_s, 4), round(lag.correlation, 3))
        for camera, lag in lags.items()
    }


def calibrate_board(*, out: Path = Path("board.png")) -> int:
    """Draw the board on an A4 sheet to print, without scaling ("actual size"), and to glue to something flat.

    For example:

        il-robot calibrate board --out board.pdf

    Args:
        out: the file to write, .png or .pdf.
    """
    from calibration.board_sheet import write_sheet
    from calibration.camera import Board

    board = Board()
    write_sheet(out, board)
    across, down = (1e3 * n * board.square_m for n in (board.columns, board.rows))
    say(f"written: {out}: print it at actual size, then measure: the board is {across:g} mm by {down:g} mm")
    say("a little larger or smaller does no harm, as long as both sides are so by the same share: squares are square")
    return 0
