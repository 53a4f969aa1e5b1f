"""ROS 2 bags: ROS's own deserialiser reads every message, with the stamps of the recording."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import bimanual
import numpy as np
import pytest
import yaml
from bimanual import MISSING, STEPS
from geometry_msgs.msg import PoseStamped
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import Int8, Int32, String, UInt8

from il_robot.cli import main
from il_robot.episodes.conversion.carried import Facts, read_facts
from il_robot.episodes.conversion.mcap_export import topic_name
from il_robot.episodes.conversion.ros_schemas import SCHEMAS
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import Validity
from il_robot.types import Frame
from il_robot_ros.messages import to_image, to_pose

TYPES = {
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/JointState": JointState,
    "geometry_msgs/msg/PoseStamped": PoseStamped,
    "std_msgs/msg/String": String,
    "std_msgs/msg/Int8": Int8,
    "std_msgs/msg/Int32": Int32,
    "std_msgs/msg/UInt8": UInt8,
}
CONTROL = ("mode", "intervention", "gate")
TOPIC = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
"""What rmw_validate_full_topic_name lets pass."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bimanual.dataset(tmp_path_factory.mktemp("source"), 1)


def messages(file: Path) -> dict[str, list[tuple[int, Any]]]:
    """Topic -> (log time, message) of every message, as ROS reads it."""
    found: dict[str, list[tuple[int, Any]]] = {}
    with file.open("rb") as stream:
        reader = make_reader(stream)
        assert reader.get_header().profile == "ros2"
        for schema, channel, message in reader.iter_messages():
            assert schema is not None and channel.message_encoding == "cdr"
            read = deserialize_message(message.data, TYPES[schema.name])
            found.setdefault(channel.topic, []).append((message.log_time, read))
    return found


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def test_every_message_is_what_was_recorded(source: Path, tmp_path: Path) -> None:
    assert main(["dataset", "export", "mcap", str(source), str(tmp_path / "bags")]) == 0
    episode = Dataset(source)[0]
    found = messages(tmp_path / "bags/ep_0.mcap")
    arms = ("follower_left", "follower_right")
    cameras = ("cam_low", "cam_high")
    joints = {f"/{arm}/{what}" for arm in arms for what in ("joint_states", "asked", "commands")}
    others = {"/objects/cube/pose", "/il_robot/facts", *(f"/control/{x}" for x in CONTROL), "/control/driver"}
    assert set(found) == joints | others | {f"/{camera}/image_raw/compressed" for camera in cameras}
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
            assert np.array_equal(np.float32(found[f"/{arm}/asked"][t][1].position), episode.action_asked[t, own])
    for t, (_, message) in enumerate(found["/objects/cube/pose"]):
        place, turn = message.pose.position, message.pose.orientation
        assert message.header.frame_id == to_pose(0, np.zeros(7, np.float32)).header.frame_id
        assert [place.x, place.y, place.z, turn.w, turn.x, turn.y, turn.z] == episode.objects["cube"][t].tolist()
    for name, values in zip(CONTROL, (episode.mode, episode.intervention, episode.gate), strict=True):
        assert [message.data for _, message in found[f"/control/{name}"]] == values.tolist()
    assert [message.data for _, message in found["/control/driver"]] == ["robot", "human", "robot"]
    ((_, facts),) = found["/il_robot/facts"]
    assert read_facts(facts.data, "bag") == Facts(episode.info, "success")
    for c, camera in enumerate(cameras):
        fresh = np.flatnonzero(episode.validity(camera) == Validity.FRESH).tolist()
        images = found[f"/{camera}/image_raw/compressed"]
        assert len(images) == len(fresh) == STEPS - 1
        for t, (_, image) in zip(fresh, images, strict=True):
            assert (image.format, stamp_of(image)) == ("jpeg", episode.camera_ns[t, c])
            assert bytes(image.data) == episode.frame_jpeg(camera, t)
            assert image.header.frame_id == to_image(camera, Frame(b"", 0, 0)).header.frame_id
    assert MISSING not in np.flatnonzero(episode.validity("cam_high") == Validity.FRESH)


def test_the_file_alone_says_all_that_rosbag2_and_foxglove_ask_for(source: Path, tmp_path: Path) -> None:
    """What MCAPStorage::read_metadata (ros2/rosbag2, jazzy) takes from the summary in place of a metadata.yaml."""
    main(["dataset", "export", "mcap", str(source), str(tmp_path / "bags")])
    episode = Dataset(source)[0]
    with (tmp_path / "bags/ep_0.mcap").open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        statistics, times, read = summary.statistics, [], 0
        assert (statistics.message_start_time, statistics.message_end_time) == tuple(episode.step_ns[[0, -1]])
        for channel in summary.channels.values():
            schema = summary.schemas[channel.schema_id]
            assert (channel.message_encoding, schema.encoding) == ("cdr", "ros2msg")
            assert schema.name in TYPES and TOPIC.fullmatch(channel.topic), channel
            assert statistics.channel_message_counts[channel.id] > 0
        offered = {c.topic: c.metadata["offered_qos_profiles"] for c in summary.channels.values() if c.metadata}
        assert offered.keys() == {"/il_robot/facts", "/control/driver"}
        for profile in offered.values():
            (said,) = yaml.safe_load(profile)
            assert (said["durability"], said["reliability"], said["depth"]) == ("transient_local", "reliable", 1)
        for schema, _, message, decoded in reader.iter_decoded_messages(log_time_order=True):
            assert schema is not None and (not hasattr(decoded, "data") or decoded.data is not None)
            times.append(message.log_time)
            read += 1
        assert read == statistics.message_count and times == sorted(times)
        assert set(np.diff(episode.step_ns)) == {20_000_000}


def test_the_definitions_are_those_of_ros() -> None:
    """Field by field as the installed packages have them, nested types included."""
    for name, text in SCHEMAS.items():
        parts = re.split(r"=+\nMSG: (\S+)\n", text)
        for kind, fields in zip([name.replace("/msg/", "/"), *parts[1::2]], parts[::2], strict=True):
            package, message = kind.split("/")
            expected = getattr(importlib.import_module(f"{package}.msg"), message).get_fields_and_field_types()
            given = {field: kind.replace("[]", "") for kind, field in (line.split() for line in fields.splitlines())}
            assert list(given) == list(expected), kind
            for field, kind_of_field in expected.items():
                plain = kind_of_field.removeprefix("sequence<").removesuffix(">")
                assert given[field].replace("float64", "double") == plain, (kind, field)


def test_names_that_ros_does_not_allow_are_replaced() -> None:
    assert topic_name("cam.wrist-2", "image_raw") == "/cam_wrist_2/image_raw"
    assert topic_name("objects", "2nd cube", "pose") == "/objects/n2nd_cube/pose"
