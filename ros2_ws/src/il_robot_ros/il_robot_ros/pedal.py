"""The pedal node: a real device (serial, keyboard) to ``sensor_msgs/Joy``.

Every edge is published at once, and the state of all buttons five times a second, so that a lost pedal is
noticed by whoever depends on it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, fields

from rclpy.node import Node
from sensor_msgs.msg import Joy

from calibration.rig_file import load_rig
from hardware.pedal import KeyboardPedal, Pedal, SerialPedal
from hardware.wiring import load_wiring
from il_robot.errors import BadInput, Fault
from il_robot_ros import process, topics
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.parameters import declare, parameter

PARTING_S = 0.5
"""How long a lost pedal waits for the run to end before it is a fault."""


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml")
    device: str = parameter("rig (what hardware.yaml names), keyboard, or the path of a serial port", "rig")
    wait_s: float = parameter("how long a serial port may take to appear at the start [s]", 10.0)


class PedalNode:
    """Everything of the pedal process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._node = node
        self._life = life
        given = declare(node, Parameters)
        self._buttons = load_rig(given.rig).pedal
        self._held = [0] * (1 + max(getattr(self._buttons, field.name) for field in fields(self._buttons)))
        self._edges = 0
        self._pedal = self._open(given)
        self._publisher = node.create_publisher(Joy, topics.PEDAL, topics.STREAM)
        Diagnostics(node, lambda: Health(Level.OK, f"pedal on {given.device}", {"edges": self._edges}))
        node.create_timer(0.2, self._publish)
        life.thread("pedal", self._run)

    def _open(self, given: Parameters) -> Pedal:
        device = given.device
        if device == "rig":
            wired = load_wiring(load_rig(given.rig), given.rig)[0].pedal
            device = wired.port if wired.kind == "serial" else wired.kind
        if device == "keyboard":
            return KeyboardPedal(self._buttons)
        if not device.startswith("/"):
            raise BadInput(f"pedal: device {device!r}; allowed: rig, keyboard, or a serial port (/dev/...)")
        patience_s = time.monotonic() + given.wait_s
        while True:
            try:
                return SerialPedal(device)
            except Fault:
                if time.monotonic() > patience_s or self._life.stopping:
                    raise
                time.sleep(0.1)

    def _run(self) -> None:
        try:
            self._read()
        except Fault:
            # A pedal that goes when the whole run ends is no fault.
            if not self._life.wait(PARTING_S):
                raise

    def _read(self) -> None:
        while not self._life.stopping:
            for event in self._pedal.events(wait_s=0.05):
                self._edges += 1
                if event.button < len(self._held):
                    self._held[event.button] = int(event.pressed)
                    self._publish()

    def _publish(self) -> None:
        message = Joy(buttons=self._held)
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def close(self) -> None:
        self._life.join()
        self._pedal.close()


def main() -> None:
    sys.exit(process.run("pedal", PedalNode))
