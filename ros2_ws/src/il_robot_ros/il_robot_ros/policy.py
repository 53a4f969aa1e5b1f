"""The policy node: every new observation becomes a stamped action chunk.

It predicts all the time, also while a human drives, so that it is warm when the pedal hands back; control
decides what is followed. Inference has its own process: nothing here can make a control tick late.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import simplejpeg
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from calibration.in_use import calibration_changed, calibration_digest
from calibration.rig_file import load_rig
from il_robot.errors import one_of
from il_robot.training.loaded_policy import load_policy
from il_robot.training.recipe import PRECISIONS
from il_robot.training.run_folder import WEIGHTS
from il_robot.types import Frame, Observation
from il_robot_ros import messages, process, topics
from il_robot_ros.clock import clock_of
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.joint_streams import FollowerStreams
from il_robot_ros.parameters import declare, parameter

KEPT = 10


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml")
    run: str = parameter("the run folder of the trained policy")
    weights: str = parameter("which of its weights drive: last, best", "last")
    device: str = parameter("where it computes: cpu, cuda", "cpu")
    precision: str = parameter("how precisely: fp32, bf16", "fp32")
    compile: bool = parameter("whether torch.compile makes one program of it at the start", False)


class PolicyNode:
    """Everything of the policy's process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._node = node
        self._life = life
        given = declare(node, Parameters)
        self._rig = load_rig(given.rig)
        self._time = clock_of(node)
        self._policy = load_policy(
            given.run,
            self._rig,
            given.device,
            one_of("weights", given.weights, WEIGHTS),
            one_of("precision", given.precision, PRECISIONS),
            compile=given.compile,
        )
        self._warning = calibration_changed(
            calibration_digest(self._rig, given.rig), self._policy.description.data.calibrations
        )
        if self._warning:
            node.get_logger().warning(self._warning)
        self._streams = FollowerStreams(node, self._rig)
        self._frames: dict[str, deque[Frame]] = {}
        for camera in self._policy.cameras:
            kept = self._frames[camera] = deque(maxlen=KEPT)
            node.create_subscription(CompressedImage, topics.image(camera), self._frames_into(kept), topics.NEWEST)
        node.create_subscription(String, topics.DRIVER, self._on_driver, topics.LATCHED)
        self._chunks = node.create_publisher(JointTrajectory, topics.CHUNK, topics.STREAM)
        self._forget = threading.Event()
        self._predicted = 0
        self._last_ms = 0.0
        Diagnostics(node, self._health)
        life.thread("policy", self._run)

    @staticmethod
    def _frames_into(kept: deque[Frame]) -> Callable[[CompressedImage], None]:
        def store(message: CompressedImage) -> None:
            kept.append(messages.from_image(message, 0))

        return store

    def _on_driver(self, message: String) -> None:
        """Whoever drives now: what the policy remembers belongs to another driver."""
        self._forget.set()

    def _run(self) -> None:
        seen_ns = 0
        while not self._life.stopping:
            newest = self._streams.wait_newer(seen_ns, timeout_s=0.1)
            if newest is None:
                continue
            observation = self._with_images(newest)
            if observation is None:
                continue
            if self._forget.is_set():
                self._forget.clear()
                self._policy.reset()
            else:
                self._look_back(seen_ns, observation.time_ns)
            seen_ns = newest.time_ns
            self._publish(observation)

    def _look_back(self, seen_ns: int, now_ns: int) -> None:
        """What came while it predicted belongs into the history of a policy that has one."""
        period_ns = self._rig.period_ns
        for ago in range(self._policy.inputs.history - 1, 0, -1):
            moment_ns = now_ns - ago * period_ns
            if moment_ns > seen_ns + period_ns // 2:
                between = self._streams.observation(moment_ns)
                observation = between and self._with_images(between)
                if observation is not None:
                    self._policy.observe(observation)

    def _publish(self, observation: Observation) -> None:
        began_ns = self._time.now_ns()
        chunk = self._policy.predict(observation)
        self._chunks.publish(messages.to_chunk(chunk, self._rig.joint_names))
        self._last_ms = (self._time.now_ns() - began_ns) / 1e6
        self._predicted += 1

    def _with_images(self, newest: Observation) -> Observation | None:
        """The newest moment of which joints and all needed images are there; None while a camera is silent."""
        if not all(self._frames.values()):
            return None
        kept = {camera: list(frames) for camera, frames in self._frames.items()}
        common_ns = min([newest.time_ns, *(frames[-1].time_ns for frames in kept.values())])
        observation = self._streams.observation(common_ns) if self._frames else newest
        if observation is None:
            return None
        chosen = {
            camera: next((frame for frame in reversed(frames) if frame.time_ns <= common_ns), frames[0])
            for camera, frames in kept.items()
        }
        try:
            images = {camera: simplejpeg.decode_jpeg(frame.jpeg) for camera, frame in chosen.items()}
        except ValueError as error:
            # Nothing is predicted from it: while frames are like this the policy is silent, and the followers hold.
            self._node.get_logger().error(f"a frame that is no picture: {error}", throttle_duration_sec=1.0)
            return None
        return replace(observation, images=images)

    def _health(self) -> Health:
        values = {"predictions": self._predicted, "last_ms": round(self._last_ms, 2)}
        if self._warning:
            return Health(Level.WARN, self._warning, values)
        return Health(Level.OK, f"{self._predicted} predictions", values)


def main() -> None:
    sys.exit(process.run("policy", PolicyNode, images=True))
