"""The emulated servo by itself: how its shaft moves, what heats it, and that the bus keeps the time of a wire."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from hardware import control_table as table
from hardware.bus import Bus
from hardware.control_table import HardwareError, Mode
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_servo import OVERLOAD_S, EmulatedServo
from hardware.emulated_shaft import TIME_CONSTANT_S, Shaft


def stiff_servo(mode: Mode = Mode.POSITION) -> EmulatedServo:
    servo = EmulatedServo(1, table.MODELS["XM430-W350"], Shaft())
    servo.set(table.OPERATING_MODE, mode)
    servo.write(table.TORQUE_ENABLE.address, b"\1")
    return servo


def go(servo: EmulatedServo, ticks: int) -> None:
    assert servo.write(table.GOAL_POSITION.address, table.encode(table.GOAL_POSITION, ticks)) == 0


def test_a_near_goal_is_approached_with_its_time_constant() -> None:
    servo = stiff_servo()
    go(servo, 2058)
    servo.shaft.step([servo], TIME_CONSTANT_S)
    assert servo.shaft.angle - 2048 == pytest.approx(10 * (1 - math.exp(-1)), rel=0.01)
    servo.shaft.step([servo], 20 * TIME_CONSTANT_S)
    assert servo.get(table.PRESENT_POSITION) == 2058


def test_a_far_goal_is_approached_at_the_velocity_limit() -> None:
    servo = stiff_servo()
    go(servo, 4000)
    servo.shaft.step([servo], 0.1)
    assert servo.get(table.PRESENT_VELOCITY) == servo.get(table.VELOCITY_LIMIT)
    assert servo.get(table.PRESENT_POSITION) - 2048 == pytest.approx(0.1 * servo.speed_limit, abs=1)


@pytest.mark.parametrize(("mode", "overloads"), [(Mode.POSITION, True), (Mode.CURRENT_BASED_POSITION, False)])
def test_what_pushes_against_a_stop_overloads_unless_its_current_is_limited(mode: Mode, overloads: bool) -> None:
    servo = stiff_servo(mode)
    servo.set(table.GOAL_CURRENT, 200)
    servo.shaft.stops = (0.0, 2048.0)
    go(servo, 4000)
    for _ in range(int(OVERLOAD_S / 0.1) + 2):
        servo.shaft.step([servo], 0.1)
    assert bool(servo.get(table.HARDWARE_ERROR_STATUS) & HardwareError.OVERLOAD) is overloads
    assert bool(servo.get(table.TORQUE_ENABLE)) is not overloads
    assert overloads or servo.get(table.PRESENT_CURRENT) == 200


@pytest.mark.parametrize("baud", [57_600, 1_000_000])
def test_no_answer_is_faster_than_its_bytes_on_the_wire(tmp_path: Path, baud: int) -> None:
    ids = list(range(1, 10))
    code = {"Baud_Rate": table.BAUD_CODES[baud]}
    chain = [{"id": i, "model": "XM430-W350", "registers": code} for i in ids]
    with EmulatedBus(chain, tmp_path / "arm", baud) as emulated:
        bus = Bus(emulated.port, baud, reply_s=0.2)
        took_s = []
        for _ in range(5):
            began_s = time.monotonic()
            assert bus.sync_read(ids, table.PRESENT_CURRENT, table.PRESENT_POSITION) is not None
            took_s.append(time.monotonic() - began_s)
        bus.close()
    on_the_wire = (14 + len(ids)) + (8 + len(ids) * (10 + 4))  # bytes asked, bytes answered
    assert min(took_s) > on_the_wire * 10 / baud
