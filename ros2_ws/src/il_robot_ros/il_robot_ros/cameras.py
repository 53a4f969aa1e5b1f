"""The cameras node: every camera of a real rig in a thread of its own, its JPEG published as it came."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from calibration.rig_file import load_rig
from hardware.camera import ThreadedCamera
from hardware.rig_cameras import RigCameras
from hardware.wiring import load_wiring
from il_robot.errors import Fault
from il_robot_ros import messages, process, topics
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.parameters import declare, parameter

GIVES_WAY = 5
"""Niceness: a frame has its stamp before it is encoded and published, so arms and control come first."""


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml; hardware.yaml and calibration.yaml lie beside it")


class CamerasNode:
    """Everything of the cameras' process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._life = life
        given = declare(node, Parameters)
        rig = load_rig(given.rig)
        wiring, calibration = load_wiring(rig, given.rig)
        self._lost: dict[str, str] = {}
        self._cameras = RigCameras(rig, wiring, calibration.latency_s)
        self._publishers = {
            name: node.create_publisher(CompressedImage, topics.image(name), topics.STREAM) for name in rig.camera_names
        }
        Diagnostics(node, self._health)
        for name, camera in self._cameras.cameras.items():
            life.thread(name, self._publisher(name, camera))

    def _publisher(self, name: str, camera: ThreadedCamera) -> Callable[[], None]:
        def publish() -> None:
            sequence = -1
            while not self._life.stopping:
                try:
                    frame = camera.wait_newer(sequence, timeout_s=0.1)
                    self._lost.pop(name, None)
                except Fault as fault:
                    # It is being reopened; the recorder marks what is missing.
                    self._lost[name] = str(fault)
                    self._life.wait(0.1)
                    continue
                if frame is not None:
                    sequence = frame.sequence
                    self._publishers[name].publish(messages.to_image(name, frame))

        return publish

    def _health(self) -> Health:
        values: dict[str, object] = {}
        for name, camera in self._cameras.cameras.items():
            health = camera.health()
            values |= {f"{name}_frames": health.frames, f"{name}_skipped": health.skipped}
            values |= {f"{name}_corrupt": health.corrupt, f"{name}_reopened": health.reopened}
        if self._lost:
            return Health(Level.ERROR, "; ".join(self._lost.values()), values)
        return Health(Level.OK, "streaming", values)

    def close(self) -> None:
        self._life.join()
        self._cameras.close()


def main() -> None:
    os.nice(GIVES_WAY)
    sys.exit(process.run("cameras", CamerasNode, images=True))
