"""One Dynamixel bus: reads and writes registers of the servos on one serial port, and counts what gets lost.

Not thread-safe: a bus belongs to one thread.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dynamixel_sdk import COMM_RX_TIMEOUT

from hardware import control_table as table
from hardware.control_table import Register
from hardware.wire import PATIENT_S, Answer, Wire
from il_robot.errors import Fault

REPLY_S = 0.006
"""How long servos may take beyond the time on the wire. Well under a 20 ms period, well over a 1 ms USB latency."""
PATIENCE_S = 2.0
"""How long a servo may be silent at a start, where late is better than failed: longer than it takes to wake up, or a
busy machine to come round to its adapter."""
SINGLE_TRIES = 5
"""Each waits twice as long as the one before, 1.5 s in all: more questions would only leave more old answers about."""
FAST_TRIES = 3
ALERT = 0x80


@dataclass
class BusHealth:
    """What happened on a bus since it was opened."""

    reads: int = 0
    """Sync reads asked."""
    lost: int = 0
    """Sync reads that brought nothing, after the retry."""
    consecutive_lost: int = 0
    retried: int = 0
    corrupt: int = 0
    """Answers with a wrong checksum or length."""
    alerts: set[int] = field(default_factory=set)
    """Servos that report a hardware error."""


class Bus:
    """The servos on one serial port."""

    def __init__(self, port: str, baud: int = 1_000_000, reply_s: float = REPLY_S, retries: int = 1) -> None:
        """Opens the port, for this process alone. Raises Fault."""
        if baud not in table.BAUD_CODES:
            raise Fault(f"bus {port}: baud {baud} is not one the servos know; allowed: {sorted(table.BAUD_CODES)}")
        self.port = port
        self.health = BusHealth()
        self.fast_read = True
        """Whether sync reads use the fast instruction; turned off when the firmware does not know it."""
        self._retries = retries
        self._fast_failures = 0
        self._attempts = 0
        self._in_doubt: set[int] = set()
        """Servos that still owe an answer."""
        self._behind = False
        """Whether answers of before may still come, from an adapter that stalls."""
        self._wire = Wire(port, baud, reply_s)

    def reopen(self) -> None:
        """Opens the port again after it was lost. Raises Fault while it is not there."""
        self._wire.open()

    def close(self) -> None:
        """Closes the port; servos keep their torque and goal. May be called twice."""
        self._wire.close()

    def ping(self, servo_id: int) -> int | None:
        """The model number behind an id; None when nobody answers in time. Raises Fault when the port is gone."""
        return self.answering([servo_id]).get(servo_id)

    @contextlib.contextmanager
    def patiently(self, reply_s: float = PATIENT_S) -> Iterator[None]:
        """Within it, sync reads wait as long as single ones: on the way to a pose nothing is late."""
        before, self._wire.reply_s = self._wire.reply_s, max(self._wire.reply_s, reply_s)
        try:
            yield
        finally:
            self._wire.reply_s = before

    def answering(self, servo_ids: Sequence[int], patience_s: float = PATIENCE_S) -> dict[int, int]:
        """The model numbers of those that answer, by id: silent ones are asked in turn for so long, twice at least.
        Raises Fault when the port is gone.
        """
        found: dict[int, int] = {}
        rounds, until_s = 0, time.monotonic() + patience_s
        while (silent := [i for i in servo_ids if i not in found]) and (rounds < 2 or time.monotonic() < until_s):
            rounds += 1
            for servo_id in silent:
                if (answer := self._wire.ping(servo_id)).ok:
                    found[servo_id] = int.from_bytes(answer.data[:2], "little")
                else:
                    self._in_doubt.add(servo_id)
        return found

    def read(self, servo_id: int, register: Register) -> int:
        """One register of one servo. Raises Fault when it stays silent, garbled or refuses."""
        answer = self._ask(
            servo_id,
            f"reading {register.name}",
            lambda: self._wire.read(servo_id, register.address, register.size),
        )
        return table.decode(register, answer.data)

    def write(self, servo_id: int, register: Register, value: int) -> None:
        """Writes one register of one servo and waits for its consent. Raises Fault."""
        data = table.encode(register, value)
        self._ask(
            servo_id,
            f"writing {value} to {register.name}",
            lambda: self._wire.write(servo_id, register.address, data),
        )

    def reboot(self, servo_id: int) -> None:
        """Restarts a servo, which clears its hardware error; its torque goes. Raises Fault."""
        self._ask(servo_id, "rebooting", lambda: self._wire.reboot(servo_id))
        self.health.alerts.discard(servo_id)

    def sync_read(self, servo_ids: Sequence[int], first: Register, last: Register) -> dict[int, bytes] | None:
        """The bytes from ``first`` to ``last`` of all servos in one exchange, by id, in the order asked.

        None when they did not all come back after the retry: that is counted, and the caller's to judge.
        Raises Fault when the port is gone.
        """
        size = last.address + last.size - first.address
        self.health.reads += 1
        for attempt in range(self._retries + 1):
            self.health.retried += attempt > 0
            # The retry is a plain read: what breaks a fast one (stuffing, old firmware) does not break that.
            fast = self.fast_read and attempt == 0
            # 0 to 2 bytes more than needed, in turn: by its length, an attempt knows its own answers from older ones.
            self._attempts += 1
            exchange = self._wire.fast_sync_read if fast else self._wire.sync_read
            answers = exchange(servo_ids, first.address, size + self._attempts % 3)
            if answers.ok:
                self._judge_fast(fast, attempt)
                if self._behind:
                    # Whole, but perhaps to a question of before, as old as the stall is long; more may be behind it.
                    if not self._wire.catch_up(servo_ids[0]):
                        break
                    self._behind = False
                    return self.sync_read(servo_ids, first, last)
                self.health.consecutive_lost = 0
                if any(answers.errors) or self.health.alerts:
                    for servo_id, error in zip(servo_ids, answers.errors, strict=True):
                        self._note_alert(servo_id, error)
                return {i: data[:size] for i, data in zip(servo_ids, answers.data, strict=True)}
            self.health.corrupt += answers.result != COMM_RX_TIMEOUT
        self._behind = True
        self.health.lost += 1
        self.health.consecutive_lost += 1
        return None

    def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """One register of several servos at once. Servos do not confirm it. Raises Fault when the port is gone."""
        parameters = b"".join([bytes((i,)) + table.encode(register, value) for i, value in values.items()])
        answer = self._wire.sync_write(register.address, register.size, parameters)
        if not answer.ok:
            raise Fault(
                f"bus {self.port}: writing {register.name} to {len(values)} servos failed: its port takes no more"
            )

    def _judge_fast(self, fast: bool, attempt: int) -> None:
        """Three fast reads in a row that only the plain retry could replace: this firmware has no fast read."""
        if fast:
            self._fast_failures = 0
        elif self.fast_read and attempt == 1:
            self._fast_failures += 1
            self.fast_read = self._fast_failures < FAST_TRIES

    def _note_alert(self, servo_id: int, error: int) -> None:
        if error & ALERT:
            self.health.alerts.add(servo_id)
        else:
            self.health.alerts.discard(servo_id)

    def _ask(self, servo_id: int, doing: str, exchange: Callable[[], Answer]) -> Answer:
        """One exchange with one servo, retried. Raises Fault when it fails for good."""
        answer = Answer(COMM_RX_TIMEOUT)
        for number in range(SINGLE_TRIES):
            self._wire.patient_s = PATIENT_S * 2**number
            if servo_id in self._in_doubt and not self._wire.catch_up(servo_id):
                continue
            self._in_doubt.discard(servo_id)
            answer = exchange()
            if answer.ok:
                break
            self._in_doubt.add(servo_id)
            self._behind = True
        self._wire.patient_s = PATIENT_S
        if answer.result == COMM_RX_TIMEOUT:
            raise Fault(f"bus {self.port}: servo {servo_id} does not answer ({doing}); check power and cable")
        if not answer.ok:
            raise Fault(f"bus {self.port}: servo {servo_id} answers garbled ({doing}); two servos with one id?")
        self._note_alert(servo_id, answer.error)
        if answer.error & ~ALERT:
            reason = self._wire.explain(answer.error & ~ALERT)
            raise Fault(f"bus {self.port}: servo {servo_id} refuses {doing}: {reason}")
        return answer
