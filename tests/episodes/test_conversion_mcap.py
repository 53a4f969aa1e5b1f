"""ROS 2 bags: ROS's own deserialiser reads every message, with the stamps of the recording."""

from __future__ import annotations

from pathlib import Path

import bimanual
import numpy as np
import pytest
from bimanual import MISSING, STEPS
from mcap.reader import make_reader
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, JointState

from il_robot.cli import main
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import Validity

TYPES = {"sensor_msgs/msg/CompressedImage": CompressedImage, "sensor_msgs/msg/JointState": JointState}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bimanual.dataset(tmp_path_factory.mktemp("source"), 1)


def messages(file: Path) -> dict[str, list[tuple[int, CompressedImage | JointState]]]:
    """Topic -> (log time, message) of every message, as ROS reads it."""
    found: dict[str, list[tuple[int, CompressedImage | JointState]]] = {}
    with file.open("rb") as stream:
        reader = make_reader(stream)
        assert reader.get_header().profile == "ros2"
        for schema, channel, message in reader.iter_messages():
            assert schema is not None and channel.message_encoding == "cdr"
            read = deserialize_message(message.data, TYPES[schema.name])
            found.setdefault(channel.topic, []).append((message.log_time, read))
    return found


def stamp_of(message: CompressedImage | JointState) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def test_every_message_is_what_was_recorded(source: Path, tmp_path: Path) -> None:
    assert main(["dataset", "export", "mcap", str(source), str(tmp_path / "bags")]) == 0
    episode = Dataset(source)[0]
    found = messages(tmp_path / "bags/ep_0.mcap")
    arms = ("follower_left", "follower_right")
    cameras = ("cam_low", "cam_high")
    joints = {f"/{arm}/{what}" for arm in arms for what in ("joint_states", "commands")}
    assert set(found) == joints | {f"/{camera}/image_raw/compressed" for camera in cameras}
    for a, arm in enumerate(arms):
        own = slice(7 * a, 7 * a + 7)
        states, commands = found[f"/{arm}/joint_states"], found[f"/{arm}/commands"]
        assert len(states) == len(commands) == STEPS
        for t, (log_ns, state) in enumerate(states):
            assert tuple(state.name) == episode.info.joint_names[own]
            assert np.array_equal(np.float32(state.position), episode.qpos[t, own])
            assert np.array_equal(np.float32(state.velocity), episode.qvel[t, own])
            assert np.array_equal(np.float32(state.effort), episode.effort[t, own])
            assert (stamp_of(state), log_ns) == (episode.joint_ns[t, a], episode.step_ns[t])
            assert np.array_equal(np.float32(commands[t][1].position), episode.action[t, own])
            assert len(commands[t][1].velocity) == 0
    for c, camera in enumerate(cameras):
        fresh = np.flatnonzero(episode.validity(camera) == Validity.FRESH).tolist()
        images = found[f"/{camera}/image_raw/compressed"]
        assert len(images) == len(fresh) == STEPS - 1
        for t, (_, image) in zip(fresh, images, strict=True):
            assert (image.format, stamp_of(image)) == ("jpeg", episode.camera_ns[t, c])
            assert bytes(image.data) == episode.frame_jpeg(camera, t)
    assert MISSING not in np.flatnonzero(episode.validity("cam_high") == Validity.FRESH)
