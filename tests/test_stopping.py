"""What ends a loop between two steps."""

from __future__ import annotations

import os
import signal

import pytest

from il_robot.stopping import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_is_asked_by_ctrl_c_by_sigterm_and_by_a_closed_terminal(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    with StopRequest(), pytest.raises(KeyboardInterrupt):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)


def test_who_asks_is_answered_once(capfd: pytest.CaptureFixture[str]) -> None:
    with StopRequest(answer="stopping") as stop:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked
    assert capfd.readouterr().err == "\nstopping\n"


def test_a_closed_terminal_is_not_answered() -> None:
    kept = os.dup(2)
    os.close(2)
    try:
        with StopRequest(answer="stopping") as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.asked
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def test_under_nohup_a_closed_terminal_is_no_matter() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.asked
    finally:
        signal.signal(signal.SIGHUP, before)
