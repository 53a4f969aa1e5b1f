"""Which source has gone quiet: every stream the control loop lives on, with the time it may be silent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Watchdog:
    """Remembers when each source was last heard. Times are handed in; nothing is read."""

    _allowed_ns: dict[str, int] = field(default_factory=dict)
    _heard_ns: dict[str, int] = field(default_factory=dict)

    def watch(self, source: str, allowed_ns: int) -> None:
        """From now on ``source`` may be silent for ``allowed_ns`` at most."""
        self._allowed_ns[source] = allowed_ns

    def heard(self, source: str, time_ns: int) -> None:
        """``source`` spoke at that time; the last word counts, so a clock set back does not silence the dog."""
        self._heard_ns[source] = time_ns

    @property
    def never_heard(self) -> tuple[str, ...]:
        """The sources that have not spoken yet: a clean start waits for them."""
        return tuple(source for source in self._allowed_ns if source not in self._heard_ns)

    def faults(self, now_ns: int, sources: Iterable[str] | None = None) -> tuple[str, ...]:
        """One line for each source (of ``sources``, default all) that is silent for too long or ahead of this clock."""
        watched = self._allowed_ns if sources is None else {source: self._allowed_ns[source] for source in sources}
        lines = []
        for source, allowed_ns in watched.items():
            if source not in self._heard_ns:
                lines.append(f"{source}: never heard")
            elif (silent_ns := now_ns - self._heard_ns[source]) > allowed_ns:
                lines.append(f"{source}: silent for {silent_ns / 1e9:.2f} s (allowed {allowed_ns / 1e9:.2f} s)")
            elif -silent_ns > allowed_ns:
                lines.append(f"{source}: its clock is {-silent_ns / 1e9:.2f} s ahead of this one")
        return tuple(lines)
