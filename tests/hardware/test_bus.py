"""The bus driver, through the unmodified dynamixel-sdk, against emulated servos in another process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hardware import control_table as table
from hardware.bus import Bus
from hardware.emulated_bus import EmulatedBus
from il_robot.errors import BadInput, Fault

IDS = [1, 2, 3, 4]
FIRST, LAST = table.PRESENT_CURRENT, table.PRESENT_POSITION
CHAIN = [
    {"id": 1, "model": "XM540-W270", "ticks": 1000},
    {"id": 2, "model": "XM540-W270", "ticks": 2000, "registers": {"Drive_Mode": 1}},
    {"id": 3, "model": "XM540-W270", "on": 2, "registers": {"Secondary_ID": 2}},
    {"id": 4, "model": "XL430-W250", "ticks": 3000},
]
REPLY_S = 0.1  # patient, because test machines stall


@pytest.fixture
def emulated(tmp_path: Path) -> Iterator[EmulatedBus]:
    with EmulatedBus(CHAIN, tmp_path / "arm") as emulated:
        yield emulated


@pytest.fixture
def bus(emulated: EmulatedBus) -> Iterator[Bus]:
    bus = Bus(emulated.port, reply_s=REPLY_S)
    yield bus
    bus.close()


def positions(bus: Bus) -> dict[int, int] | None:
    found = bus.sync_read(IDS, FIRST, LAST)
    return found and {i: table.decode(LAST, data[-4:]) for i, data in found.items()}


def test_finds_who_is_there(bus: Bus) -> None:
    assert bus.ping(1) == table.MODELS["XM540-W270"].number
    assert bus.ping(4) == table.MODELS["XL430-W250"].number
    assert bus.ping(9) is None


def test_servos_that_wake_up_while_they_are_asked_are_found_together(bus: Bus, emulated: EmulatedBus) -> None:
    """Silent ones are asked in turn, again and again: one pass for all, and no less patience than for one."""
    emulated.do("mute", ids=IDS)
    awake = threading.Timer(0.3, lambda: emulated.do("unmute"))
    awake.start()
    assert sorted(bus.answering([*IDS, 9])) == IDS
    awake.join()


@pytest.mark.parametrize("fast", [True, False])
def test_reads_all_servos_at_once(bus: Bus, fast: bool) -> None:
    bus.fast_read = fast
    assert positions(bus) == {1: 1000, 2: 2000, 3: 2000, 4: 3000}
    assert bus.health.retried == 0


@pytest.mark.parametrize("stuffing", [True, False])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("fast", [True, False])
def test_values_that_look_like_a_header(tmp_path: Path, stuffing: bool, last: bool, fast: bool) -> None:
    """Current -1 and velocity -3 are FF FF FD: stuffed or not, nothing shifts."""
    with EmulatedBus(CHAIN, tmp_path / "arm", fast_stuffing=stuffing) as emulated:
        bus = Bus(emulated.port, reply_s=REPLY_S)
        bus.fast_read = fast
        servo = IDS[-1] if last else IDS[0]
        emulated.do("show", ids=[servo], registers={"Present_Current": -1, "Present_Velocity": -3})
        found = bus.sync_read(IDS, FIRST, LAST)
        assert found is not None and bus.health.retried == 0
        assert table.decode(table.PRESENT_CURRENT, found[servo][:2]) == -1
        assert table.decode(table.PRESENT_VELOCITY, found[servo][2:6]) == -3
        assert positions(bus) == {1: 1000, 2: 2000, 3: 2000, 4: 3000}
        bus.close()


def test_a_firmware_without_fast_read_is_noticed_once(bus: Bus, emulated: EmulatedBus) -> None:
    bus.close()
    bus = Bus(emulated.port, reply_s=0.02)
    emulated.do("fast_read", on=False)
    for _ in range(3):
        assert positions(bus) is not None
    assert not bus.fast_read
    retried = bus.health.retried
    assert positions(bus) is not None
    assert bus.health.retried == retried
    bus.close()


def test_a_mute_servo_is_a_counted_loss_then_a_recovery(bus: Bus, emulated: EmulatedBus) -> None:
    emulated.do("mute", ids=[3])
    assert positions(bus) is None
    assert positions(bus) is None
    assert (bus.health.lost, bus.health.consecutive_lost) == (2, 2)
    emulated.do("unmute")
    assert positions(bus) is not None
    assert (bus.health.lost, bus.health.consecutive_lost) == (2, 0)
    assert bus.fast_read


@pytest.mark.parametrize("fast", [True, False])
def test_a_corrupt_answer_is_retried(bus: Bus, emulated: EmulatedBus, fast: bool) -> None:
    bus.fast_read = fast
    emulated.do("corrupt", count=1)
    assert positions(bus) == {1: 1000, 2: 2000, 3: 2000, 4: 3000}
    assert bus.health.corrupt == bus.health.retried == 1
    emulated.do("corrupt", count=2)
    assert positions(bus) is None
    emulated.do("corrupt", count=1)
    assert bus.read(1, table.PRESENT_POSITION) == 1000


def test_a_late_answer_is_a_loss_and_never_taken_for_the_next(bus: Bus, emulated: EmulatedBus) -> None:
    emulated.do("delay", seconds=3 * REPLY_S)
    assert positions(bus) is None
    emulated.do("delay", seconds=0.0)
    assert bus.read(4, table.PRESENT_POSITION) == 3000


@pytest.mark.parametrize("late", [1.2, 1.8, 2.5])
def test_an_old_answer_is_never_taken_for_a_new_one(emulated: EmulatedBus, late: float) -> None:
    """An adapter that stalls keeps the order: the late answer comes first, from the right servo, well formed."""
    reply_s = 0.05
    bus = Bus(emulated.port, reply_s=reply_s)
    values = {table.PROFILE_VELOCITY: 7, table.PROFILE_ACCELERATION: 9, table.POSITION_P_GAIN: 11}
    for register, value in values.items():
        bus.write(1, register, value)
    emulated.do("delay", seconds=late * reply_s)
    for register, value in [*values.items(), *reversed(values.items())]:
        with contextlib.suppress(Fault):
            assert bus.read(1, register) == value
    emulated.do("delay", seconds=0.0)
    assert {register: bus.read(1, register) for register in values} == values
    bus.close()


def test_noise_before_an_answer_is_skipped(bus: Bus, emulated: EmulatedBus) -> None:
    emulated.do("noise", hex="00fffffd13")
    assert positions(bus) == {1: 1000, 2: 2000, 3: 2000, 4: 3000}


def test_two_servos_with_one_id(tmp_path: Path) -> None:
    twins = [{"id": 1, "model": "XM430-W350", "ticks": t} for t in (1111, 2987)]
    with EmulatedBus(twins, tmp_path / "arm") as emulated:
        bus = Bus(emulated.port, reply_s=0.03)
        with pytest.raises(Fault, match="two servos with one id"):
            bus.read(1, table.PRESENT_POSITION)
        bus.close()


def test_a_silent_servo_is_one_clear_line(bus: Bus) -> None:
    with pytest.raises(Fault, match=r"servo 9 does not answer \(reading ID\); check power"):
        bus.read(9, table.ID)


def test_eeprom_is_locked_under_torque(bus: Bus) -> None:
    bus.write(1, table.TORQUE_ENABLE, 1)
    with pytest.raises(Fault, match="servo 1 refuses writing 1 to Drive_Mode"):
        bus.write(1, table.DRIVE_MODE, 1)
    bus.write(1, table.TORQUE_ENABLE, 0)
    bus.write(1, table.DRIVE_MODE, 1)
    assert bus.read(1, table.DRIVE_MODE) == 1


def test_a_goal_outside_the_servos_limits_is_refused(bus: Bus) -> None:
    bus.write(1, table.MAX_POSITION_LIMIT, 3000)
    with pytest.raises(Fault, match="exceeds the limit"):
        bus.write(1, table.GOAL_POSITION, 3001)


def test_an_xl430_knows_no_current(bus: Bus) -> None:
    for register, value in ((table.GOAL_CURRENT, 100), (table.OPERATING_MODE, table.Mode.CURRENT_BASED_POSITION)):
        with pytest.raises(Fault, match="servo 4 refuses"):
            bus.write(4, register, value)


def test_a_shadow_follows_its_main_servo(bus: Bus, emulated: EmulatedBus) -> None:
    for servo in (2, 3):
        bus.write(servo, table.TORQUE_ENABLE, 1)
    bus.sync_write(table.GOAL_POSITION, {2: 2300})
    state = emulated.do("state")
    assert state[2]["Goal_Position"] == state[3]["Goal_Position"] == 2300
    assert state[2]["Present_Position"] == state[3]["Present_Position"]


def test_a_hardware_error_alerts_and_a_reboot_clears_it(bus: Bus, emulated: EmulatedBus) -> None:
    bus.write(1, table.TORQUE_ENABLE, 1)
    emulated.do("fail", ids=[1], error=int(table.HardwareError.OVERLOAD))
    positions(bus)
    assert bus.health.alerts == {1}
    assert bus.read(1, table.TORQUE_ENABLE) == 0
    with pytest.raises(Fault, match="refuses"):
        bus.write(1, table.TORQUE_ENABLE, 1)
    bus.reboot(1)
    positions(bus)
    assert bus.health.alerts == set()
    bus.write(1, table.TORQUE_ENABLE, 1)


def test_a_pulled_plug_is_a_fault(bus: Bus, emulated: EmulatedBus) -> None:
    emulated.do("unplug")
    goals = {1: 2000}
    for use in (
        lambda: positions(bus),
        lambda: bus.read(1, table.ID),
        lambda: bus.sync_write(table.GOAL_POSITION, goals),
    ):
        with pytest.raises(Fault, match="lost"):
            use()
    bus.close()
    with pytest.raises(Fault, match=r"cannot open: no such device; is it plugged in\?"):
        Bus(emulated.port)


def test_a_port_has_one_user(bus: Bus, emulated: EmulatedBus) -> None:
    with pytest.raises(Fault, match="cannot open: another program has it open"):
        Bus(emulated.port)


def test_a_value_that_does_not_fit_is_bad_input(bus: Bus) -> None:
    with pytest.raises(BadInput, match="Torque_Enable: 300 does not fit 1 unsigned bytes"):
        bus.write(1, table.TORQUE_ENABLE, 300)


def test_a_port_that_is_not_there_is_a_fault_also_after_trying_to_open_it(bus: Bus, emulated: EmulatedBus) -> None:
    emulated.do("unplug")
    with pytest.raises(Fault, match="cannot open"):
        bus.reopen()
    with pytest.raises(Fault, match="lost: its adapter went away"):
        bus.sync_read(IDS, FIRST, LAST)
    with pytest.raises(Fault, match="lost: its adapter went away"):
        bus.sync_write(table.GOAL_POSITION, {1: 1000})
    with pytest.raises(Fault, match="lost: its adapter went away"):
        bus.read(1, table.PRESENT_POSITION)


def test_what_a_stuck_port_had_not_sent_is_forgotten_with_it(bus: Bus, emulated: EmulatedBus) -> None:
    """Its servos would run after commands of long ago once it moves on."""
    bus.write(1, table.GOAL_POSITION, 0)
    os.kill(emulated.pid, signal.SIGSTOP)
    with pytest.raises(Fault, match="writing Goal_Position to 3 servos failed"):
        for goal in range(4000):
            bus.sync_write(table.GOAL_POSITION, {1: goal, 2: 1, 4: 1})
    bus.reopen()
    os.kill(emulated.pid, signal.SIGCONT)
    time.sleep(0.3)
    # A pseudo-terminal has handed over 4096 bytes by then, which a wire would have carried.
    assert emulated.do("state")[1]["Goal_Position"] < 4096 / 20


class Adapter:
    """Between a driver and its servos; while it stalls, answers lie in it."""

    def __init__(self, behind: str) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.stalls = threading.Event()
        self.gap_s = 0.0
        """Between two answers that it lets go."""
        self._ended = threading.Event()
        self._servos = serial.Serial(behind, 1_000_000, timeout=0)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        held: list[bytes] = []
        while not self._ended.is_set():
            for fd in select.select([self._master, self._servos.fd], [], [], 0.005)[0]:
                if fd == self._master:
                    os.write(self._servos.fd, os.read(fd, 4096))
                else:
                    held.append(os.read(fd, 4096))
            if held and not self.stalls.is_set():
                os.write(self._master, held.pop(0))
                self._ended.wait(self.gap_s)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._servos.close()
        os.close(self._master)
        os.close(self._slave)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("lost", [2, 3])
@pytest.mark.parametrize("gap_s", [0.0, 0.005])
def test_after_an_adapter_stalled_no_position_is_from_before(
    emulated: EmulatedBus, fast: bool, lost: int, gap_s: float
) -> None:
    """Nor when as many answers lie in it as there are lengths to tell them by, nor when they come with pauses."""
    with contextlib.closing(Adapter(emulated.port)) as adapter:
        bus = Bus(adapter.port, reply_s=0.02)
        adapter.gap_s = gap_s
        adapter.stalls.set()
        for _ in range(lost):
            bus.fast_read = fast
            assert positions(bus) is None
        emulated.do("place", ticks={"1": 1500})
        adapter.stalls.clear()
        read = [positions(bus) for _ in range(6)]
        for _ in range(500):  # a busy machine answers late, too
            if any(read):
                break
            read.append(positions(bus))
        bus.close()
    assert {found[1] for found in read if found} == {1500}
