"""A whole rig on emulated devices: every servo bus and the pedal that its hardware.yaml names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from hardware.closing import ClosingTogether
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_pedal import EmulatedPedal
from hardware.wiring import PedalWiring, Servo, Wiring


def as_built(servos: Sequence[Servo], ticks: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """The factory-fresh chain that hardware.yaml describes, for :class:`hardware.emulated_bus.EmulatedBus`.

    Ids are set, everything else is as delivered. ``ticks`` says what main servos read at first, by joint.
    """
    chain: list[dict[str, Any]] = []
    for servo in servos:
        entry: dict[str, Any] = {"id": servo.id, "model": servo.model}
        if servo.shadow_of is not None:
            entry["on"] = servo.shadow_of
        elif ticks and servo.joint in ticks:
            entry["ticks"] = ticks[servo.joint]
        chain.append(entry)
    return chain


class EmulatedRig(ClosingTogether):
    """Starts one process for each arm's bus. Use as a context."""

    def __init__(self, wiring: Wiring, folder: Path) -> None:
        """The ports appear as ``folder/<arm>`` and ``folder/pedal``."""
        self.buses: dict[str, EmulatedBus] = {}
        """By arm."""
        self.wiring = replace(
            wiring,
            arms={name: replace(arm, port=str(folder / name)) for name, arm in wiring.arms.items()},
            pedal=PedalWiring("serial", str(folder / "pedal")),
        )
        """The given wiring with these ports."""
        with ExitStack() as opened:
            for name in wiring.arms:
                bus = EmulatedBus(as_built(wiring.chain(name)), folder / name, wiring.baud)
                self.buses[name] = opened.enter_context(bus)
            self.pedal = opened.enter_context(EmulatedPedal(folder / "pedal"))
            self._opened = opened.pop_all()

    def check(self) -> None:
        """Raises Fault that names the arm, and says why, when the process of one of its buses has ended."""
        for bus in self.buses.values():
            bus.check()
