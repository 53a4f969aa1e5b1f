"""The pedal node: a real device (serial, foot switch, keyboard) to ``sensor_msgs/Joy``.

Every edge is published at once, and the state of all buttons five times a second, so that a lost pedal is
noticed by whoever depends on it. A pedal that is lost is silence, which makes the followers hold; it is opened again
when it is back in time, else the run ends.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass

from rclpy.node import Node
from sensor_msgs.msg import Joy

from calibration.rig_file import load_rig
from hardware.pedal import Pedal
from hardware.rig_pedal import open_pedal
from hardware.wiring import PedalWiring, load_wiring
from il_robot.errors import BadInput, Fault
from il_robot_ros import process, topics
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.parameters import declare, parameter

PARTING_S = 1.0
"""How long a lost pedal waits for the run to end before it is news: what ends a run takes its pedal with it."""


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml")
    device: str = parameter("rig (what hardware.yaml names), keyboard, or the path of a serial port", "rig")
    wait_s: float = parameter("how long a device may take to appear, at the start or when it was lost [s]", 10.0)


class PedalNode:
    """Everything of the pedal process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._node = node
        self._life = life
        given = declare(node, Parameters)
        self._buttons = load_rig(given.rig).pedal
        self._held = [0] * (1 + max(self._buttons.meanings))
        self._edges = 0
        self._publishing = threading.Lock()
        self._wait_s = given.wait_s
        self._wiring = self._wired(given)
        self._lost = ""
        self._pedal = self._open()
        self._publisher = node.create_publisher(Joy, topics.PEDAL, topics.STREAM)
        Diagnostics(node, self._health)
        node.create_timer(0.2, self._publish)
        life.thread("pedal", self._run)

    @staticmethod
    def _wired(given: Parameters) -> PedalWiring:
        if given.device == "rig":
            return load_wiring(load_rig(given.rig), given.rig)[0].pedal
        if given.device == "keyboard":
            return PedalWiring("keyboard")
        if not given.device.startswith("/"):
            raise BadInput(f"pedal: device {given.device!r}; allowed: rig, keyboard, or a serial port (/dev/...)")
        return PedalWiring("serial", given.device)

    def _open(self) -> Pedal:
        patience_s = time.monotonic() + (PARTING_S if self._wiring.kind == "keyboard" else self._wait_s)
        while True:
            try:
                return open_pedal(self._wiring, self._buttons)
            except Fault:
                if time.monotonic() > patience_s or self._life.stopping:
                    raise
                time.sleep(0.1)

    def _run(self) -> None:
        while not self._life.stopping:
            try:
                self._read()
            except Fault as fault:
                self._take_up_again(fault)

    def _take_up_again(self, lost: Fault) -> None:
        """Silent until the pedal is back. Raises Fault when it stays away; one that goes with the run is none."""
        self._lost = str(lost)
        self._pedal.close()
        if self._life.wait(PARTING_S):
            return
        self._node.get_logger().error(self._lost)
        self._held = [0] * len(self._held)
        try:
            self._pedal = self._open()
        except Fault:
            if not self._life.stopping:
                raise lost from None
        else:
            self._node.get_logger().info("the pedal is back")
            self._lost = ""

    def _read(self) -> None:
        while not self._life.stopping:
            for event in self._pedal.events(wait_s=0.05):
                self._edges += 1
                if event.button < len(self._held):
                    self._held[event.button] = int(event.pressed)
                    self._publish()

    def _publish(self) -> None:
        """One at a time: a repetition that overtook an edge would bring an old press back, which counts as another."""
        with self._publishing:
            if self._lost:
                return
            message = Joy(buttons=self._held)
            message.header.stamp = self._node.get_clock().now().to_msg()
            self._publisher.publish(message)

    def _health(self) -> Health:
        if self._lost:
            return Health(Level.ERROR, self._lost, {"edges": self._edges})
        return Health(Level.OK, f"pedal: {self._wiring.kind} {self._wiring.port}".rstrip(), {"edges": self._edges})

    def close(self) -> None:
        self._life.join()
        self._pedal.close()


def main() -> None:
    sys.exit(process.run("pedal", PedalNode))
