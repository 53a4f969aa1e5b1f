"""The graph of a real rig for real: its drivers over emulated servos, cameras and pedal, hands at the leaders."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from diagnosed import Diagnosed, diagnosed
from launched import Launched

from calibration.arm import RigCalibration
from hardware.emulated_lab import WAVE, Hands, open_lab, write_lab
from hardware.emulated_pedal import EmulatedPedal
from hardware.emulated_rig import EmulatedRig
from hardware.pattern_camera import read_frame
from il_robot.episodes.dataset import episode_folders
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.rig import Rig
from il_robot.types import Mode

pytestmark = pytest.mark.ros
LAG_STEPS = 4
"""A follower is where it was sent this much later, or as far away as the hands get in that time."""


@dataclass(frozen=True)
class Lab:
    """Emulated devices of one leader and one follower, and hands at the leader."""

    folder: Path
    rig: Rig
    calibration: RigCalibration
    emulated: EmulatedRig
    hands: Hands

    def torque(self) -> dict[str, list[int]]:
        """By arm: which servos have torque."""
        buses = self.emulated.buses.items()
        return {arm: [servo["Torque_Enable"] for servo in bus.do("state").values()] for arm, bus in buses}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    folder = tmp_path / "lab"
    write_lab("koch", folder)
    rig, wiring, calibration, emulated = open_lab(folder)
    with emulated:
        hands = Hands(rig, wiring, calibration, emulated)
        with hands.at_work():
            yield Lab(folder, rig, calibration, emulated, hands)


def test_what_hands_do_to_the_leaders_the_followers_do_and_the_episode_holds(lab: Lab, tmp_path: Path) -> None:
    clock = ("use_sim_time:=false", "speed:=1.0")
    given = (f"rig:={lab.folder}", "task:=wave", f"dataset:={tmp_path / 'data'}", "episodes:=1")
    with Launched(tmp_path, "collect", *given, clock=clock) as run, diagnosed(run) as diagnostics:
        diagnostics.until("recorder", lambda said: said["summary"] == "ready")
        lab.emulated.pedal.tap(lab.rig.pedal.record)
        run.wait_for("recording ")
        lab.emulated.pedal.tap(lab.rig.pedal.discard)  # does not count
        run.wait_for("discarded ")
        lab.emulated.pedal.tap(lab.rig.pedal.record)
        run.wait_for("recording ", times=2)
        time.sleep(4)
        lab.emulated.pedal.tap(lab.rig.pedal.success)
        run.wait_for("1 of 1 episodes saved: the run ends")
        assert run.exit_code() == 0, run.output
    end = run.output.partition("1 of 1 episodes saved")[2]
    assert "HOLD: recorder" not in end, "the recorder ends first, and the run with it"
    assert run.output.count(" registers written ") == 2, "a line an arm"
    assert " -> " not in run.output
    assert not any(any(servos) for servos in lab.torque().values())
    assert "going to sleep" in run.output
    (folder,) = episode_folders(tmp_path / "data")
    episode = Episode(folder)
    assert episode.info.calibration == lab.calibration.digest()
    assert episode.outcome == "success"
    assert (episode.mode == Mode.DEMONSTRATION).all()
    assert_motion_was_played_in(episode, lab.rig.start)
    assert_frames_are_the_camera_s(episode)


def test_teleop_refuses_a_far_leader_holds_without_its_pedal_and_sleeps_without_control(
    lab: Lab, tmp_path: Path
) -> None:
    lab.hands.aside = 0.5
    follower = lab.emulated.buses["follower_main"]
    with Launched(tmp_path, "teleop", f"rig:={lab.folder}", clock=()) as run, diagnosed(run) as diagnostics:
        run.wait_for("HOLD: control does not start: leader and follower differ by 0.")
        stood = {servo: state["Goal_Position"] for servo, state in follower.do("state").items()}
        time.sleep(0.5)
        assert {servo: state["Goal_Position"] for servo, state in follower.do("state").items()} == stood
        assert "control starts" not in run.output
        lab.hands.aside = 0.0
        run.wait_for("control starts")
        assert not any(" recorder " in command for command in run.processes().values())
        assert_latencies_are_told(diagnostics, lab.rig)
        nice = {node: os.getpriority(os.PRIO_PROCESS, run.process(node)) for node in ("arms", "control", "cameras")}
        assert nice["cameras"] > nice["arms"] == nice["control"], "cameras give way"
        shared = [node for node in ("arms", "control", "pedal") if "/dev/shm/fastrtps_" in memory_of(run.process(node))]
        assert shared == [], "a process that is killed must not take along what these wait for"
        lab.hands.aside = 0.3  # further in a moment than a follower may go
        counted = diagnostics.until("control", lambda said: int(said["gate_VELOCITY"]) > 0)
        lab.hands.aside = 0.0
        lab.emulated.pedal.close()
        run.wait_for("HOLD: pedal: silent")
        diagnostics.until("control", lambda said: int(said["gate_FAULT"]) > int(counted["gate_FAULT"]))
        lab.hands.aside = 0.8  # dropped meanwhile
        held = {servo: state["Goal_Position"] for servo, state in follower.do("state").items()}
        with EmulatedPedal(lab.folder / "devices" / "pedal"):
            run.wait_for("the pedal is back")
            run.wait_for("HOLD: leader and follower differ by 0.")
            time.sleep(0.3)
            assert {servo: state["Goal_Position"] for servo, state in follower.do("state").items()} == held
            ended = run.output.count("hold ended")
            lab.hands.aside = 0.0
            run.wait_for("hold ended", times=ended + 1)
            assert_a_killed_control_holds_then_sleeps(lab, run)


def memory_of(process: int) -> str:
    """What it has mapped."""
    return Path(f"/proc/{process}/maps").read_text()


def assert_a_killed_control_holds_then_sleeps(lab: Lab, run: Launched) -> None:
    follower = lab.emulated.buses["follower_main"]
    os.kill(run.process("control"), signal.SIGKILL)
    time.sleep(0.3)
    stood = {servo: state["Goal_Position"] for servo, state in follower.do("state").items()}
    time.sleep(0.5)
    state = follower.do("state")
    assert {servo: registers["Goal_Position"] for servo, registers in state.items()} == stood
    assert all(registers["Torque_Enable"] for registers in state.values())
    assert run.exit_code() == 1
    assert "error: control was killed (signal 9); the run ends" in run.output
    sleep = lab.emulated.wiring.arms["follower_main"].sleep
    scale = lab.calibration.arm("follower_main").for_joints(lab.rig.arms[0].joint_names, "follower_main")
    state = follower.do("state")
    lies = scale.position([registers["Present_Position"] for registers in state.values()])
    np.testing.assert_allclose(lies, sleep, atol=0.05)
    assert not any(registers["Torque_Enable"] for registers in state.values())


def assert_latencies_are_told(diagnostics: Diagnosed, rig: Rig) -> None:
    """In milliseconds, in their order, in the right order of magnitude: how fast is measured elsewhere."""
    control = diagnostics.until("control", lambda said: "leader_to_command_p50_ms" in said)
    follower = f"{rig.arms[0].follower}_leader_to_wire"
    arms = diagnostics.until("arms", lambda said: f"{follower}_p50_ms" in said)
    for said, what in ((control, "period"), (control, "leader_to_command"), (arms, follower)):
        p50, p99, worst = (float(said[f"{what}_{name}_ms"]) for name in ("p50", "p99", "max"))
        assert 0.1 < p50 <= p99 <= worst < 10_000, what
    assert float(control["period_p50_ms"]) > 2, "50 times a second"
    leader = f"{rig.arms[0].leader}_leader_to_wire_p50_ms"
    assert leader not in arms, "nothing is sent to a leader in the operator's hands"


def assert_motion_was_played_in(episode: Episode, start: np.ndarray) -> None:
    """Asked: the hands' sine in every joint. Done: the same. Seen: the followers there, a little later."""
    joints = slice(0, 5)
    moved = episode.action_asked[:, joints] - start[joints]
    assert np.ptp(moved, axis=1).max() < 0.02, "the joints of one arm move alike"
    seconds = (episode.step_ns - episode.step_ns[0]) / 1e9
    basis = np.column_stack([np.sin(0.8 * seconds), np.cos(0.8 * seconds)])
    fit, *_ = np.linalg.lstsq(basis, moved[:, 0], rcond=None)
    assert np.linalg.norm(fit) == pytest.approx(WAVE, rel=0.1)
    assert np.median(np.abs(basis @ fit - moved[:, 0])) < 0.01
    assert np.median(np.abs(episode.action - episode.action_asked)[:, joints]) < 0.01
    behind = np.abs(episode.qpos[LAG_STEPS:, joints] - episode.action[:-LAG_STEPS, joints])
    assert np.median(behind) < 0.02
    assert np.ptp(episode.qpos[:, -1]) > 0.2, "the gripper moved too"


def assert_frames_are_the_camera_s(episode: Episode) -> None:
    """The number drawn in each frame says when it was captured: it is the frame that its stamp names."""
    for number, camera in enumerate(episode.info.camera_names):
        steps = np.flatnonzero(episode.validity(camera) != Validity.MISSING)[::10]
        drawn = np.array([read_frame(episode.image(camera, int(t))) for t in steps])
        captured_ns = episode.camera_ns[steps, number]
        assert len(steps) > 5
        assert (drawn - drawn[0] == np.rint((captured_ns - captured_ns[0]) / 20e6)).all()
