"""The foot switch through real ``struct input_event`` bytes, and where there is uinput as a device of the kernel."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from test_pedal import BUTTONS, PedalContract, edges

from hardware.evdev_pedal import EV_KEY, EV_SYN, EVENT, KEYS, SYN_DROPPED, EvdevPedal, check_keys, check_meanings
from hardware.wiring import PedalWiring
from il_robot.errors import BadInput, Fault

SWITCH = {"KEY_A": BUTTONS.record, "KEY_B": BUTTONS.success, "KEY_C": BUTTONS.discard, "BTN_LEFT": BUTTONS.takeover}
UINPUT = "/dev/uinput"
CODES = {button: KEYS[key] for key, button in SWITCH.items()}


class PipedPedal(EvdevPedal):
    """Reads a pipe: all but the grab, which a pipe does not know."""

    def _take(self) -> None:
        return


class TestEvdevPedal(PedalContract):
    @pytest.fixture(autouse=True)
    def plugged_in(self, tmp_path: Path) -> Iterator[None]:
        os.mkfifo(tmp_path / "events")
        self.device = os.open(tmp_path / "events", os.O_RDWR)
        self.pedal = PipedPedal(str(tmp_path / "events"), SWITCH)
        self.kernel = os.open(tmp_path / "events", os.O_WRONLY)
        os.close(self.device)
        yield
        self.pedal.close()
        if self.kernel >= 0:
            os.close(self.kernel)

    def send(self, *events: tuple[int, int, int]) -> None:
        os.write(self.kernel, b"".join(EVENT.pack(1_700_000_000, 0, *event) for event in events))

    def tap(self, button: int) -> None:
        code = CODES[button]
        self.send((4, 4, 0x70004), (EV_KEY, code, 1), (EV_SYN, 0, 0))
        self.send((EV_KEY, code, 2), (EV_SYN, 0, 0), (EV_KEY, code, 0), (EV_SYN, 0, 0))

    def lose(self) -> None:
        os.close(self.kernel)
        self.kernel = -1

    def test_an_event_is_24_bytes_and_may_come_in_two_halves(self) -> None:
        assert EVENT.size == 24
        whole = EVENT.pack(0, 0, EV_KEY, KEYS["KEY_A"], 1)
        os.write(self.kernel, whole[:10])
        assert self.pedal.events() == []
        os.write(self.kernel, whole[10:])
        assert edges(self.pedal, 1) == [(BUTTONS.record, True)]

    def test_other_keys_and_releases_from_before_mean_nothing(self) -> None:
        self.send((EV_KEY, KEYS["KEY_Z"], 1), (EV_KEY, KEYS["KEY_A"], 0))
        self.tap(BUTTONS.success)
        assert edges(self.pedal, 2) == [(BUTTONS.success, True), (BUTTONS.success, False)]

    def test_after_an_overflow_nothing_counts_as_held(self) -> None:
        self.send((EV_KEY, KEYS["KEY_A"], 1), (EV_SYN, SYN_DROPPED, 0))
        assert edges(self.pedal, 2) == [(BUTTONS.record, True), (BUTTONS.record, False)]


class KernelSwitch:
    """A foot switch that the kernel itself plays (linux/uinput.h), as /dev/input/event*."""

    SET_EVENT, SET_KEY, SET_UP = 0x40045564, 0x40045565, 0x405C5503
    CREATE, DESTROY, NAME = 0x5501, 0x5502, 0x8040552C

    def __init__(self) -> None:
        self._uinput = os.open(UINPUT, os.O_WRONLY)
        fcntl.ioctl(self._uinput, self.SET_EVENT, EV_KEY)
        for code in CODES.values():
            fcntl.ioctl(self._uinput, self.SET_KEY, code)
        fcntl.ioctl(self._uinput, self.SET_UP, struct.pack("@HHHH80sI", 3, 1, 1, 1, b"il-robot test switch", 0))
        fcntl.ioctl(self._uinput, self.CREATE)
        name = fcntl.ioctl(self._uinput, self.NAME, bytes(64)).split(b"\0")[0].decode()
        (event,) = Path("/sys/devices/virtual/input", name).glob("event*")
        self.path = Path("/dev/input", event.name)

    def send(self, *events: tuple[int, int, int]) -> None:
        os.write(self._uinput, b"".join(EVENT.pack(0, 0, *event) for event in events))

    def unplug(self) -> None:
        if self._uinput >= 0:
            fcntl.ioctl(self._uinput, self.DESTROY)
            os.close(self._uinput)
            self._uinput = -1


@pytest.mark.skipif(not os.access(UINPUT, os.W_OK), reason="no /dev/uinput that may be written to")
class TestSwitchOfTheKernel:
    @pytest.fixture(autouse=True)
    def plugged_in(self) -> Iterator[None]:
        self.switch = KernelSwitch()
        wait_until(lambda: os.access(self.switch.path, os.R_OK))
        yield
        self.switch.unplug()

    def tap(self, button: int) -> None:
        for value in (1, 0):
            self.switch.send((EV_KEY, CODES[button], value), (EV_SYN, 0, 0))

    def test_it_is_grabbed_read_and_given_back(self) -> None:
        other = os.open(self.switch.path, os.O_RDONLY | os.O_NONBLOCK)
        pedal = EvdevPedal(str(self.switch.path), SWITCH)
        with pytest.raises(Fault, match="another program has grabbed it"):
            EvdevPedal(str(self.switch.path), SWITCH)
        self.tap(BUTTONS.record)
        assert edges(pedal, 2) == [(BUTTONS.record, True), (BUTTONS.record, False)]
        with pytest.raises(BlockingIOError):
            os.read(other, EVENT.size)
        pedal.close()
        self.tap(BUTTONS.record)
        assert len(os.read(other, 64 * EVENT.size)) == 4 * EVENT.size
        os.close(other)

    def test_it_is_lost_at_once_and_opens_again_when_it_is_back(self) -> None:
        pedal = EvdevPedal(str(self.switch.path), SWITCH)
        self.switch.send((EV_KEY, CODES[BUTTONS.takeover], 1), (EV_SYN, 0, 0))
        assert edges(pedal, 1) == [(BUTTONS.takeover, True)]
        self.switch.unplug()
        for _ in range(2):
            with pytest.raises(Fault, match="lost: no such device"):
                pedal.events(1.0)
        pedal.close()
        with pytest.raises(Fault, match="cannot open: no such device; is it plugged in"):
            EvdevPedal(str(self.switch.path), SWITCH)
        self.switch = KernelSwitch()
        wait_until(lambda: os.access(self.switch.path, os.R_OK))
        pedal = EvdevPedal(str(self.switch.path), SWITCH)
        self.tap(BUTTONS.discard)
        assert edges(pedal, 2) == [(BUTTONS.discard, True), (BUTTONS.discard, False)]
        pedal.close()

    def test_what_the_kernel_could_not_keep_holds_nothing(self) -> None:
        pedal = EvdevPedal(str(self.switch.path), SWITCH)
        self.switch.send((EV_KEY, CODES[BUTTONS.takeover], 1), (EV_SYN, 0, 0))
        assert edges(pedal, 1) == [(BUTTONS.takeover, True)]
        for _ in range(200):
            self.tap(BUTTONS.record)
        held = {BUTTONS.takeover}
        while events := pedal.events(0.2):
            for event in events:
                (held.add if event.pressed else held.discard)(event.button)
        assert held == set()
        self.tap(BUTTONS.success)
        assert edges(pedal, 2) == [(BUTTONS.success, True), (BUTTONS.success, False)]
        pedal.close()


def wait_until(holds: Callable[[], bool]) -> None:
    """Until udev has given the new device its permissions."""
    deadline_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline_s, "the device did not appear"
        time.sleep(0.01)


def test_what_is_no_input_device_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, cause in ((tmp_path / "pipe", "not an input device"), (tmp_path / "none", "no such device")):
        with pytest.raises(Fault, match=f"{path}: cannot open: .*{cause}"):
            EvdevPedal(str(path), SWITCH)


def test_wrong_keys_are_one_line() -> None:
    for keys, words in (
        ({}, "needs keys"),
        ({"KEY_AA": 0}, "no key 'KEY_AA'"),
        ({"KEY_A": 16}, r"button 16; allowed: 0\.\.15"),
    ):
        with pytest.raises(BadInput, match=words):
            check_keys(keys)
    with pytest.raises(BadInput, match="keys go with kind evdev"):
        PedalWiring("serial", "/dev/x", {"KEY_A": 0})
    with pytest.raises(BadInput, match="kind evdev needs a port"):
        PedalWiring("evdev", "", {"KEY_A": 0})


def test_key_codes_are_the_kernel_s() -> None:
    """Spot checks against linux/input-event-codes.h."""
    known = {"KEY_1": 2, "KEY_0": 11, "KEY_P": 25, "KEY_L": 38, "KEY_M": 50, "KEY_F1": 59, "KEY_F10": 68}
    assert {key: KEYS[key] for key in known} == known


def test_keys_that_do_nothing_and_a_switch_that_cannot_take_over_are_one_line() -> None:
    all_but_one = {"KEY_A": BUTTONS.record, "KEY_C": BUTTONS.success}
    with pytest.raises(BadInput, match=r"key KEY_B: button 3 means nothing in rig.yaml; allowed: 4 record, 5 success"):
        check_meanings({**all_but_one, "KEY_B": 3}, BUTTONS)
    with pytest.raises(BadInput, match=r"no key is button 7 \(takeover\); allowed: a key for 7, or takeover: null"):
        check_meanings(all_but_one, BUTTONS)
    check_meanings({**all_but_one, "KEY_B": 7}, BUTTONS)
    check_meanings(all_but_one, replace(BUTTONS, takeover=None))
