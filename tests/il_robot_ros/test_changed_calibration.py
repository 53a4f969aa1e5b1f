"""A policy deployed on a rig whose calibration is not that of its training data: its process says so in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calibration.rig_file import load_rig
from il_robot.episodes.layout import episode_info
from il_robot.episodes.writer import EpisodeWriter
from il_robot.rig import Rig
from il_robot.sim.collect import with_cameras
from il_robot.training.train import train
from il_robot.types import Gate, Mode, Observation, Step

pytestmark = pytest.mark.ros
OLD = "a" * 64
PATIENCE_S = 60.0


def record(dataset: Path, rig: Rig, calibration: str) -> None:
    """A short episode of a rig that wanders about its start pose."""
    info = episode_info(rig, task="wander", operator="nobody", calibration=calibration)
    writer = EpisodeWriter.create(dataset, info, minimum_s=1)
    for t in range(60):
        qpos = rig.start + np.float32(0.1 * np.sin(0.1 * t))
        still = np.zeros_like(qpos)
        seen = Observation(qpos, t * rig.period_ns, still, still)
        stamps = (t * rig.period_ns,) * len(rig.arms)
        writer.append(Step(t * rig.period_ns, seen, stamps, qpos, qpos, Mode.DEMONSTRATION, 0, Gate.PASSED), {})
    writer.close("success")


def test_a_policy_says_that_the_calibration_changed(tmp_path: Path) -> None:
    rig = with_cameras(load_rig("koch"), ())
    for _ in range(2):
        record(tmp_path / "data", rig, OLD)
    train("bc", (tmp_path / "data",), out=tmp_path / "run", steps=1)
    parameters = ["-p", "rig:=koch", "-p", f"run:={tmp_path / 'run'}"]
    with subprocess.Popen(
        [sys.executable, "-m", "il_robot_ros", "policy", "--ros-args", *parameters],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "ROS_DOMAIN_ID": str(20 + os.getpid() % 80), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
    ) as policy:
        assert policy.stdout is not None
        said = policy.stdout.readline()
        policy.terminate()
        assert policy.wait(PATIENCE_S) == 0
    assert "is not the one of the policy's training data (aaaaaaaa): it may be off" in said
