"""A whole rig on emulated devices: every servo bus and the pedal that its hardware.yaml names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hardware.closing import ClosingTogether
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_pedal import EmulatedPedal
from hardware.servo import Servo
from hardware.wiring import PedalWiring, Wiring
from il_robot.errors import Fault


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

    @contextmanager
    def bearing_losses(self) -> Iterator[None]:
        """What is in the ``with`` may be cut short by the end of a bus's process, which is no fault then."""
        try:
            yield
        except Fault:
            if not any(bus.lost for bus in self.buses.values()):
                raise

    def plug(self, arm: str) -> None:
        """Plugs the adapter of an arm in; an arm whose process has ended is there again with servos as delivered."""
        if self.buses[arm].lost is None:
            self.buses[arm].do("plug")
            return
        self.buses[arm].close()
        wiring = self.wiring
        self.buses[arm] = EmulatedBus(as_built(wiring.chain(arm)), Path(wiring.arms[arm].port), wiring.baud)
        self._opened.enter_context(self.buses[arm])
