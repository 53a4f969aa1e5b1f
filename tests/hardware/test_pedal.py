"""Pedals: one contract for each kind, then what is particular to the serial line and to the keyboard."""

from __future__ import annotations

import itertools
import os
import pty
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.emulated_pedal import EmulatedPedal
from hardware.pedal import KeyboardPedal, Pedal, PedalEvent, SerialPedal
from il_robot.errors import BadInput, Fault
from il_robot.rig import PedalButtons

BUTTONS = PedalButtons(record=4, success=5, discard=6, takeover=7)


def edges(pedal: Pedal, count: int) -> list[tuple[int, bool]]:
    """The next ``count`` edges without their time."""
    found: list[PedalEvent] = []
    for _ in range(300):
        found += pedal.events(wait_s=0.1)
        if len(found) >= count:
            break
    assert all(a.time_ns <= b.time_ns for a, b in itertools.pairwise(found))
    return [(event.button, event.pressed) for event in found]


class PedalContract:
    """What every pedal keeps; a kind of pedal says how its buttons are pushed and how it is lost."""

    pedal: Pedal

    def tap(self, button: int) -> None:
        raise NotImplementedError

    def lose(self) -> None:
        raise NotImplementedError

    def test_untouched_says_nothing(self) -> None:
        assert self.pedal.events() == []

    def test_a_tap_is_press_then_release_in_order(self) -> None:
        self.tap(BUTTONS.takeover)
        self.tap(BUTTONS.record)
        taps = [(BUTTONS.takeover, True), (BUTTONS.takeover, False), (BUTTONS.record, True), (BUTTONS.record, False)]
        assert edges(self.pedal, 4) == taps
        assert self.pedal.events() == []

    def test_a_tap_while_waiting_arrives(self) -> None:
        threading.Timer(0.05, self.tap, [BUTTONS.discard]).start()
        assert edges(self.pedal, 2) == [(BUTTONS.discard, True), (BUTTONS.discard, False)]

    def test_a_lost_pedal_is_a_fault_not_silence(self) -> None:
        self.lose()
        with pytest.raises(Fault) as raised:
            edges(self.pedal, 1)
        assert "\n" not in str(raised.value)

    def test_closing_twice_is_fine(self) -> None:
        self.pedal.close()
        self.pedal.close()


class TestSerialPedal(PedalContract):
    @pytest.fixture(autouse=True)
    def plugged_in(self, tmp_path: Path) -> Iterator[None]:
        with EmulatedPedal(tmp_path / "pedal", heartbeat_s=0.02) as self.emulated:
            self.pedal = self.serial = SerialPedal(str(self.emulated.link), lost_s=2.0)
            yield
            self.pedal.close()

    def tap(self, button: int) -> None:
        self.emulated.tap(button)

    def lose(self) -> None:
        self.emulated.close()

    def test_a_silent_pedal_is_lost_too(self) -> None:
        self.emulated.mute()
        with pytest.raises(Fault, match="no heartbeat"):
            edges(self.pedal, 1)

    def test_noise_is_skipped_and_counted(self) -> None:
        self.emulated.send(b"\xff\x00boot v1\r\n+99\n+\n=zz\n\n")
        self.emulated.tap(1)
        assert edges(self.pedal, 2) == [(1, True), (1, False)]
        assert self.serial.garbled_lines == 5

    def test_an_edge_lost_on_the_wire_comes_with_the_next_heartbeat(self) -> None:
        self.emulated._held = 0b100  # the pedal is held, its edge line never arrived
        assert edges(self.pedal, 1) == [(2, True)]
        self.emulated.release(2)
        assert edges(self.pedal, 1) == [(2, False)]

    def test_a_repeated_edge_is_one_edge(self) -> None:
        self.emulated.press(3)
        self.emulated.send(b"+3\n+3\n")
        self.emulated.release(3)
        assert edges(self.pedal, 2) == [(3, True), (3, False)]

    def test_the_port_is_ours_alone(self) -> None:
        with pytest.raises(Fault, match="cannot open"):
            SerialPedal(str(self.emulated.link))


class TestKeyboardPedal(PedalContract):
    @pytest.fixture(autouse=True)
    def terminal(self) -> Iterator[None]:
        self.keys, self.screen = pty.openpty()
        self.found = termios.tcgetattr(self.screen)
        self.pedal = KeyboardPedal(BUTTONS, terminal=os.ttyname(self.screen))
        yield
        self.pedal.close()
        for end in (self.keys, self.screen):
            if end >= 0:
                os.close(end)

    def tap(self, button: int) -> None:
        key = {BUTTONS.takeover: b" ", BUTTONS.record: b"r", BUTTONS.success: b"s", BUTTONS.discard: b"d"}[button]
        os.write(self.keys, key)

    def lose(self) -> None:
        os.close(self.keys)
        self.keys = -1

    def test_other_keys_mean_nothing_and_case_does_not_matter(self) -> None:
        os.write(self.keys, b"xS\x1b[A\n")
        assert edges(self.pedal, 2) == [(BUTTONS.success, True), (BUTTONS.success, False)]

    def test_a_key_that_is_held_is_pressed_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each would hand the robot over, or back."""
        monkeypatch.setattr("hardware.pedal.REPEATED_S", 60.0)
        tap = [(BUTTONS.takeover, True), (BUTTONS.takeover, False)]
        found = []
        for _ in range(5):
            os.write(self.keys, b"  ")
            found += [(event.button, event.pressed) for event in self.pedal.events(0.02)]
        assert found == tap
        monkeypatch.setattr("hardware.pedal.REPEATED_S", 0.0)
        os.write(self.keys, b" ")
        assert edges(self.pedal, 2) == tap

    def test_the_terminal_is_put_back(self) -> None:
        assert not termios.tcgetattr(self.screen)[3] & termios.ECHO
        self.pedal.close()
        assert termios.tcgetattr(self.screen) == self.found


def test_a_missing_serial_pedal_is_one_line() -> None:
    with pytest.raises(Fault, match="/dev/no-pedal: cannot open"):
        SerialPedal("/dev/no-pedal")


def test_a_file_that_is_no_port_is_said_in_words() -> None:
    with pytest.raises(Fault, match="pedal on /dev/null: cannot open: it is not a serial port"):
        SerialPedal("/dev/null")


def test_a_port_that_went_away_is_said_in_words(tmp_path: Path) -> None:
    with EmulatedPedal(tmp_path / "pedal") as emulated:
        pedal = SerialPedal(str(emulated.link))
        emulated.close()
        with pytest.raises(Fault, match=r"pedal: lost: no answer from its adapter; was it unplugged\?"):
            edges(pedal, 1)
        pedal.close()
        with pytest.raises(Fault, match="pedal: lost: its adapter went away and is not back"):
            edges(pedal, 1)


def test_a_device_that_is_no_pedal_is_noticed() -> None:
    device, port = pty.openpty()
    os.write(device, b"GPS 1.0\n")
    with pytest.raises(Fault, match=r"no heartbeat for 0\.2 s"):
        SerialPedal(os.ttyname(port), lost_s=0.2)
    os.close(device)
    os.close(port)


def test_a_button_held_while_the_pedal_is_opened_is_no_edge(tmp_path: Path) -> None:
    with EmulatedPedal(tmp_path / "pedal") as emulated:
        emulated.press(3)
        pedal = SerialPedal(str(emulated.link))
        emulated.press(1)
        assert edges(pedal, 1) == [(1, True)]
        pedal.close()


def test_a_replugged_pedal_opens_again(tmp_path: Path) -> None:
    link = tmp_path / "pedal"
    for _ in range(2):
        with EmulatedPedal(link) as emulated:
            pedal = SerialPedal(str(link))
            emulated.tap(0)
            assert edges(pedal, 2) == [(0, True), (0, False)]
            pedal.close()
        assert not link.is_symlink()


def test_a_heartbeat_never_says_what_an_edge_has_ended(tmp_path: Path) -> None:
    """Failed on most runs while the emulated pedal read its buttons before it had the wire."""
    with EmulatedPedal(tmp_path / "pedal", heartbeat_s=0.0003) as emulated:
        pedal = SerialPedal(str(emulated.link))
        for _ in range(200):
            emulated.tap(0)
            assert edges(pedal, 2) == [(0, True), (0, False)]
        assert edges(pedal, 0) == []
        pedal.close()


def test_a_keyboard_needs_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, cause in ((tmp_path / "none", "no terminal"), (tmp_path / "file", "not a terminal")):
        with pytest.raises(Fault, match=cause):
            KeyboardPedal(BUTTONS, terminal=str(path))


def test_an_emulated_pedal_replaces_links_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(BadInput, match="not a link"):
        EmulatedPedal(tmp_path / "file")
    with EmulatedPedal(tmp_path / "pedal") as emulated, pytest.raises(BadInput, match=r"allowed: 0\.\.15"):
        emulated.press(16)
