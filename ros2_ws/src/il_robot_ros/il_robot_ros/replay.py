"""The replay node: a policy that predicts what a recorded episode did.

In simulation it first puts the cube where it lay at the episode's first step. The episode's executed actions
are then sent from the moment the policy drives; while it does not, in a hold say, the next ones wait.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from calibration.rig_file import load_rig
from il_robot.episodes.reader import Episode
from il_robot.types import ActionChunk, Floats, Observation
from il_robot_ros import messages, process, topics
from il_robot_ros.before_start import check_replayable
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.joint_streams import FollowerStreams
from il_robot_ros.parameters import declare, parameter

CHUNK = 25
NEAR_M = 0.005
"""An object that lies this near to where it lay is where it lay."""


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml")
    episode: str = parameter("the episode (a folder *.zarr)")


class ReplayNode:
    """Everything of the replay's process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._node = node
        self._life = life
        given = declare(node, Parameters)
        self._rig = load_rig(given.rig)
        episode = Episode(Path(given.episode))
        check_replayable(episode, self._rig)
        self._actions = episode.action
        self._cube = episode.objects["cube"][0] if self._rig.simulated and "cube" in episode.objects else None
        self._streams = FollowerStreams(node, self._rig)
        self._began_ns: int | None = None
        self._driver = ""
        self._chunks = node.create_publisher(JointTrajectory, topics.CHUNK, topics.STREAM)
        self._places = node.create_publisher(PoseStamped, topics.PLACE_CUBE, topics.NEWEST)
        node.create_subscription(String, topics.DRIVER, self._on_driver, topics.LATCHED)
        Diagnostics(node, lambda: Health(Level.OK, "replaying" if self._began_ns else "waiting"))
        life.thread("replay", self._run)

    def _on_driver(self, message: String) -> None:
        self._driver = message.data

    def _run(self) -> None:
        seen_ns = 0
        while not self._life.stopping:
            observation = self._streams.wait_newer(seen_ns, timeout_s=0.1)
            if observation is None:
                continue
            passed_ns, seen_ns = observation.time_ns - seen_ns, observation.time_ns
            if self._driver == "idle":
                self._began_ns = None  # between episodes: the next one begins at the first row again
            elif self._began_ns is not None and self._driver != "robot":
                self._began_ns += passed_ns  # what it could not do meanwhile comes afterwards: nothing is cut short
            if self._began_ns is None and not self._placed(observation):
                continue
            if self._driver == "robot" and self._began_ns is None:
                self._began_ns = observation.time_ns
            self._chunks.publish(messages.to_chunk(self._chunk(observation.time_ns), self._rig.joint_names))

    def _placed(self, observation: Observation) -> bool:
        """Whether the object lies where it lay; asks for it when not. Until then control waits for a policy."""
        if self._cube is None:
            return True
        if np.abs(observation.objects["cube"][:3] - self._cube[:3]).max() < NEAR_M:
            return True
        self._places.publish(messages.to_pose(observation.time_ns, self._cube))
        return False

    def _chunk(self, time_ns: int) -> ActionChunk:
        """The next rows from that moment on; the first one again and again before, the last one after."""
        elapsed_ns = 0 if self._began_ns is None else time_ns - self._began_ns
        first = round(elapsed_ns / self._rig.period_ns)
        rows = first + np.arange(CHUNK) if self._began_ns is not None else np.zeros(CHUNK, np.int64)
        qpos: Floats = self._actions[np.minimum(rows, len(self._actions) - 1)]
        return ActionChunk(qpos, time_ns, self._rig.period_ns)


def main() -> None:
    sys.exit(process.run("replay", ReplayNode))
