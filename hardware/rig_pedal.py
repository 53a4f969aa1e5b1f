"""The pedal that a rig's hardware.yaml names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from hardware.evdev_pedal import EvdevPedal
from hardware.pedal import KeyboardPedal, Pedal, SerialPedal
from hardware.wiring import PedalWiring
from il_robot.errors import BadInput
from il_robot.rig import PedalButtons


def open_pedal(wiring: PedalWiring, buttons: PedalButtons) -> Pedal:
    """Opens it. Raises Fault when it is not there, BadInput when a key of it would do nothing."""
    match wiring.kind:
        case "serial":
            return SerialPedal(wiring.port)
        case "evdev":
            _check_meanings(wiring.keys, buttons)
            return EvdevPedal(wiring.port, wiring.keys)
        case "keyboard":
            return KeyboardPedal(buttons)


def _check_meanings(keys: Mapping[str, int], buttons: PedalButtons) -> None:
    """A key for a button without a meaning would be pressed in vain, and be missed only when it is needed."""
    meanings = {button: name for name, button in asdict(buttons).items()}
    for key, button in keys.items():
        if button not in meanings:
            allowed = ", ".join(f"{number} {meanings[number]}" for number in sorted(meanings))
            raise BadInput(f"pedal: key {key}: button {button} means nothing in rig.yaml; allowed: {allowed}")
