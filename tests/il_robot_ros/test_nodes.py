"""The graph for real: separate processes over DDS, started, broken and stopped as a person would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from launched import Launched

from calibration.rig_file import load_rig
from il_robot.episodes.dataset import episode_folders
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.episodes.recovery import recover
from il_robot.sim.collect import collect, with_cameras
from il_robot.training.train import train
from il_robot.types import Gate, Mode

pytestmark = pytest.mark.ros
MAX_AGE_NS = 100_000_000
"""An older frame must be marked as missing."""


def only_episode(dataset: Path) -> Episode:
    (folder,) = episode_folders(dataset)
    return Episode(folder)


def assert_sound(episode: Episode) -> None:
    """Steps in order, and every frame either belongs to its step or is marked as missing."""
    assert episode.complete
    assert (np.diff(episode.step_ns) > 0).all()
    for camera, name in enumerate(episode.info.camera_names):
        good = episode.validity(name) != Validity.MISSING
        age_ns = (episode.step_ns - episode.camera_ns[:, camera])[good]
        assert good.any()
        assert ((age_ns >= 0) & (age_ns <= MAX_AGE_NS)).all()


def assert_nothing_left(run: Launched) -> None:
    assert run.processes() == {}
    assert not list(run.temporary.glob("il-robot-pedal-*")), "the pedal's link is left"


def test_an_episode_is_collected_and_its_replay_succeeds(tmp_path: Path) -> None:
    with Launched(tmp_path, "collect", f"dataset:={tmp_path / 'cube'}", "episodes:=1", "seed:=3") as run:
        assert run.exit_code() == 0, run.output
        assert_nothing_left(run)
        assert "Traceback" not in run.output
    demonstration = only_episode(tmp_path / "cube")
    assert demonstration.outcome == "success"
    assert_sound(demonstration)
    assert (demonstration.mode == Mode.DEMONSTRATION).all()

    with Launched(tmp_path, "replay", f"episode:={demonstration.path}", f"dataset:={tmp_path / 'again'}") as run:
        assert run.exit_code() == 0, run.output
        assert_nothing_left(run)
    replayed = only_episode(tmp_path / "again")
    assert replayed.outcome == "success", run.output
    assert_sound(replayed)
    assert (replayed.mode != Mode.HUMAN).all() and (replayed.mode == Mode.ROBOT).any()


def test_a_killed_recorder_makes_the_followers_hold_and_keeps_the_episode(tmp_path: Path) -> None:
    with Launched(tmp_path, "collect", f"dataset:={tmp_path}/cube") as run:
        run.wait_for("recording ")
        time.sleep(2)
        os.kill(run.process("recorder"), signal.SIGKILL)
        assert run.exit_code() == 1, run.output
        assert_nothing_left(run)
    errors = [line for line in run.output.splitlines() if line.startswith("error: ")]
    assert errors == ["error: recorder was killed (signal 9); the run ends"]
    assert "HOLD: recorder: silent" in run.output
    (folder,) = episode_folders(tmp_path / "cube")
    assert recover(folder).state == "recovered"
    episode = Episode(folder)
    assert episode.steps > 10
    assert_sound(episode)


def test_a_killed_policy_makes_the_followers_hold_and_the_episode_is_kept(tmp_path: Path) -> None:
    collect(tmp_path / "states", with_cameras(load_rig("sim"), ()), episodes=2)
    train("act", (tmp_path / "states",), out=tmp_path / "run", steps=2, history=3)
    chunks = ("execution:=receding", "execute:=5")
    with Launched(tmp_path, "deploy", f"policy:={tmp_path}/run", f"dataset:={tmp_path}/cube", *chunks) as run:
        run.wait_for("recording ")
        time.sleep(2)
        os.kill(run.process("policy"), signal.SIGKILL)
        assert run.exit_code() == 1, run.output
        assert_nothing_left(run)
    assert "error: policy was killed (signal 9); the run ends" in run.output
    assert "HOLD: policy: silent" in run.output
    episode = only_episode(tmp_path / "cube")
    assert_sound(episode)
    driven = np.flatnonzero((episode.gate & Gate.FAULT) == 0)
    held = episode.action[driven[-1] + 1 :]
    assert len(held), "the last step was not held"
    assert np.ptp(held, axis=0).max() == 0, "a follower was moved while it should hold"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_stopping_the_launcher_ends_everything_and_keeps_the_open_episode(tmp_path: Path, number: int) -> None:
    with Launched(tmp_path, "collect", f"dataset:={tmp_path}/cube") as run:
        run.wait_for("recording ")
        time.sleep(1)
        os.kill(run.process("pedal"), signal.SIGSTOP)  # a suspended process must not outlive the run, nor delay its end
        # That its terminal was closed goes to every process, as Ctrl-C does; a SIGTERM to the launcher alone.
        (os.killpg if number == signal.SIGHUP else os.kill)(run.launcher.pid, number)
        assert run.exit_code() == 0, run.output
        assert_nothing_left(run)
    assert "Traceback" not in run.output and "error: " not in run.output
    episode = only_episode(tmp_path / "cube")
    assert episode.outcome == "unmarked"
    assert episode.steps > 5
    assert_sound(episode)


def test_a_process_that_refuses_its_input_ends_the_run_with_2_before_control_starts(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with Launched(tmp_path, "deploy", f"dataset:={tmp_path}/cube", f"policy:={tmp_path}") as run:
        assert run.exit_code() == 2, run.output
        assert_nothing_left(run)
    assert f"policy | error: {tmp_path}/config.json: not the configuration of an il-robot policy" in run.output
    assert "Traceback" not in run.output
    assert "control starts" not in run.output


def test_the_weights_that_were_asked_for_are_the_ones_that_drive(tmp_path: Path) -> None:
    collect(tmp_path / "states", with_cameras(load_rig("sim"), ()), episodes=1)
    train("bc", (tmp_path / "states",), out=tmp_path / "run", steps=1, batch=4)
    (tmp_path / "run/checkpoint/best.safetensors").write_bytes(b"none")
    given = (f"dataset:={tmp_path}/cube", f"policy:={tmp_path}/run", "weights:=best")
    with Launched(tmp_path, "deploy", *given) as run:
        assert run.exit_code() == 2, run.output
        assert_nothing_left(run)
    assert f"policy | error: {tmp_path}/run/checkpoint/best.safetensors: damaged" in run.output
    assert "control starts" not in run.output


def test_a_machine_that_cannot_draw_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "no_such_gl")
    with Launched(tmp_path, "collect", f"dataset:={tmp_path}/cube") as run:
        assert run.exit_code() == 2, run.output
        assert_nothing_left(run)
    assert "error: MuJoCo cannot draw without a screen (MUJOCO_GL no_such_gl" in run.output
    assert "apt-get install" in run.output
    assert "Traceback" not in run.output


def test_whoever_stops_reading_the_output_ends_the_run_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    with subprocess.Popen(
        [sys.executable, "-m", "il_robot.cli", "launch", "deploy", f"dataset:={tmp_path}/cube", f"policy:={tmp_path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
    ) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.close()
        told = run.stderr.read()
    assert run.returncode == 1, told
    assert "BrokenPipeError" not in told and "Traceback" not in told
