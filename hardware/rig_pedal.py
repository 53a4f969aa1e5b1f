"""The pedal that a rig's hardware.yaml names."""

from __future__ import annotations

from hardware.evdev_pedal import EvdevPedal
from hardware.pedal import KeyboardPedal, Pedal, SerialPedal
from hardware.wiring import PedalWiring
from il_robot.rig import PedalButtons


def open_pedal(wiring: PedalWiring, buttons: PedalButtons) -> Pedal:
    """Opens it. Raises Fault when it is not there."""
    match wiring.kind:
        case "serial":
            return SerialPedal(wiring.port)
        case "evdev":
            return EvdevPedal(wiring.port, wiring.keys)
        case "keyboard":
            return KeyboardPedal(buttons)
