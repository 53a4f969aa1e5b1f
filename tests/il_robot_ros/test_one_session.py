"""One session in a ROS domain: a second one is refused, and what it says all the same gets into no episode."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
import simplejpeg
from rclpy.context import Context
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Joy
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from calibration.rig_file import load_rig
from il_robot.episodes.dataset import episode_folders
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.types import Floats, Frame, Gate, Mode, Observation, Step
from il_robot_ros import messages, one_session, topics
from il_robot_ros.graph_process import Process
from il_robot_ros.one_session import claim_session
from il_robot_ros.process import Life
from il_robot_ros.recorder import RecorderNode
from il_robot_ros.sole_sources import SoleSources

pytestmark = pytest.mark.ros
KOCH = (Process("arms", {"rig": "koch"}),)
PATIENCE_S = 60.0
OURS, THEIRS = 60, 200
"""How bright the pictures are."""


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = Context()
    rclpy.init(args=["--ros-args", "-p", "rig:=koch"], context=context, signal_handler_options=SignalHandlerOptions.NO)
    yield context
    context.try_shutdown()


def test_a_second_session_is_refused_as_long_as_the_first_one_lasts(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_session, "LOOK_S", 0.05)
    domain = os.environ["ROS_DOMAIN_ID"]
    refused = rf"another session runs in ROS domain {domain} on this computer: process {os.getpid()} \(.*python"
    with claim_session(KOCH):
        with pytest.raises(BadInput, match=refused):
            claim_session(KOCH)
        for _ in range(200):  # more than the kernel keeps waiting
            with pytest.raises(BadInput, match=f"another session runs in ROS domain {domain} on this computer"):
                claim_session(KOCH)
    claim_session(KOCH).close()


def test_whoever_publishes_what_a_session_does_keeps_it_from_starting(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_session, "LOOK_S", 30.0)  # on a busy computer nodes find each other late
    node = Node("usb_cam", context=context)
    node.create_publisher(CompressedImage, topics.image("cam_front"), topics.STREAM)
    with pytest.raises(BadInput, match="node usb_cam publishes /cam_front/image_raw/compressed; end it first"):
        claim_session(KOCH)


@pytest.mark.parametrize("executor", [SingleThreadedExecutor, EventsExecutor])
def test_while_another_publishes_too_nothing_is_handed_on(context: Context, executor: Callable[..., Executor]) -> None:
    heard: list[str] = []
    hearer, one, two = (Node(name, context=context) for name in ("hearer", "one", "two"))
    spinning = executor(context=context)
    spinning.add_node(hearer)
    sources = SoleSources(hearer)
    sources.subscribe(String, "/said", lambda message: heard.append(message.data), topics.STREAM)
    first = one.create_publisher(String, "/said", topics.STREAM)

    def say_until(said: dict[str, Publisher], comes: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not comes():
            assert time.monotonic() < deadline_s, (sources.rival, heard)
            for word, publisher in said.items():
                publisher.publish(String(data=word))
            spin()

    def spin() -> None:
        until_s = time.monotonic() + 0.01
        while time.monotonic() < until_s:
            spinning.spin_once(timeout_sec=0.005)

    say_until({"first": first}, lambda: len(heard) > 3)
    second = two.create_publisher(String, "/said", topics.STREAM)
    say_until({"second": second, "first": first}, lambda: bool(sources.rival))
    assert sources.rival.startswith("another process publishes /said in ROS domain ")
    before = len(heard)
    for _ in range(20):
        first.publish(String(data="first"))
        second.publish(String(data="second"))
        spin()
    assert len(heard) == before
    two.destroy_publisher(second)
    say_until({"first": first}, lambda: len(heard) > before)
    assert set(heard[before:]) == {"first"}
    third = two.create_publisher(String, "/said", topics.STREAM)
    say_until({"third": third}, lambda: bool(sources.rival))
    one.destroy_publisher(first)
    before = len(heard)
    until_s = time.monotonic() + 2.5  # it looks around in between: who came second stays a stranger
    say_until({"third": third}, lambda: time.monotonic() > until_s)
    assert sources.rival and len(heard) == before


class Stage:
    """A recorder, and everything around it played by one node."""

    def __init__(self, context: Context, dataset: Path) -> None:
        self.rig = load_rig("koch")
        self.player = Node("player", context=context)
        self.cameras = self.publish_cameras()
        self._steps = self.player.create_publisher(JointTrajectory, topics.STEP, topics.STREAM)
        self._pedal = self.player.create_publisher(Joy, topics.PEDAL, topics.STREAM)
        self.states: list[str] = []
        self.ticks = 0
        parameters = [rclpy.Parameter("dataset", value=str(dataset))]
        self.node = Node("recorder", context=context, parameter_overrides=parameters)
        self.recorder = RecorderNode(self.node, Life())
        self.player.create_subscription(
            String, topics.RECORDER, lambda message: self.states.append(message.data), topics.LATCHED
        )
        self._executor = SingleThreadedExecutor(context=context)
        for node in (self.node, self.player):
            self._executor.add_node(node)
        self._pictures = {
            light: simplejpeg.encode_jpeg(np.full((480, 640, 3), light, np.uint8)) for light in (OURS, THEIRS)
        }

    def publish_cameras(self) -> list[Publisher]:
        names = map(topics.image, self.rig.camera_names)
        return [self.player.create_publisher(CompressedImage, name, topics.STREAM) for name in names]

    def show(self, cameras: list[Publisher], light: int) -> None:
        for publisher in cameras:
            publisher.publish(messages.to_image("", Frame(self._pictures[light], time.time_ns(), 0)))

    def press(self, button: int | None = None) -> None:
        held = [int(number == button) for number in range(4)]
        self._pedal.publish(Joy(buttons=held))

    def live_until(self, holds: Callable[[], bool], strangers: list[Publisher] | None = None) -> None:
        """Goes on, a tick every 20 ms, until that holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline_s, self.states[-3:]
            self.show(strangers or [], THEIRS)
            self.show(self.cameras, OURS)
            self._steps.publish(messages.to_step(step(self.rig.start), self.rig))
            self.ticks += 1
            self.press()
            until_s = time.monotonic() + 0.02
            while time.monotonic() < until_s:
                self._executor.spin_once(timeout_sec=0.005)


def step(qpos: Floats) -> Step:
    now_ns, still = time.time_ns(), np.zeros_like(qpos)
    seen = Observation(qpos, now_ns, still, still)
    return Step(now_ns, seen, (now_ns,), qpos, qpos, Mode.DEMONSTRATION, 0, Gate.PASSED)


def test_another_session_s_frames_get_into_no_episode(context: Context, tmp_path: Path) -> None:
    stage = Stage(context, tmp_path)
    stage.live_until(lambda: stage.states[-1:] == ["ready"])
    stage.press(stage.rig.pedal.record)
    stage.live_until(lambda: "recording" in stage.states)
    enough = stage.ticks + 30
    stage.live_until(lambda: stage.ticks > enough)
    strangers = stage.publish_cameras()
    refused = "refusing: another process publishes /cam_front/image_raw/compressed in ROS domain"
    stage.live_until(lambda: stage.states[-1].startswith(refused), strangers)
    told = len(stage.states)
    stage.press(stage.rig.pedal.record)
    stage.live_until(lambda: len(stage.states) > told + 3, strangers)
    assert all(state.startswith(refused) for state in stage.states[told:])
    (folder,) = episode_folders(tmp_path)
    episode = Episode(folder)
    assert episode.complete and episode.outcome == "unmarked" and episode.steps > 5
    for camera in episode.info.camera_names:
        shown = np.flatnonzero(episode.validity(camera) != Validity.MISSING)
        assert len(shown) > 5
        assert max(episode.image(camera, int(t)).max() for t in shown) < (OURS + THEIRS) / 2

    for publisher in strangers:
        stage.player.destroy_publisher(publisher)
    stage.live_until(lambda: stage.states[-1] == "ready")
    stage.press(stage.rig.pedal.record)
    stage.live_until(lambda: stage.states[-3:] == ["recording"] * 3)
    stage.recorder.close()
    assert len(episode_folders(tmp_path)) == 2
