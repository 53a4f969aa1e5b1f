"""The end of a run: what does not stop by itself is killed, and that is said."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from il_robot_ros import runner
from il_robot_ros.graph_process import Process

DEAF = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


class Script(Process):
    """A process of a run that does what it is told here."""

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", str(self.parameters["does"])]


def test_a_ctrl_c_while_a_process_starts_waits_until_it_can_answer(capsys: pytest.CaptureFixture[str]) -> None:
    struck = "import os, signal; [os.kill(os.getpid(), n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]; "
    waits = struck + "print(sorted(signal.sigpending()))"
    assert runner.Runner([Script("pedal", {"does": waits}, ends_run=True)]).run() == 0
    said = capsys.readouterr()
    assert all(name in said.out for name in ("SIGINT", "SIGTERM", "SIGHUP")), said
    assert not {signal.SIGINT, signal.SIGTERM} & signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_process_that_does_not_stop_is_killed_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "STOP_S", 0.2)
    monkeypatch.setattr(runner, "TERM_S", 0.2)
    run = runner.Runner([Script("arms", {"does": DEAF})])
    said = ""

    def stop_when_it_runs() -> None:
        nonlocal said
        while "deaf" not in said:
            said += capsys.readouterr().out
        os.kill(os.getpid(), signal.SIGINT)

    stopper = threading.Thread(target=stop_when_it_runs)
    stopper.start()
    assert run.run() == 1
    stopper.join()
    told = capsys.readouterr().err.splitlines()
    assert told == ["error: arms did not stop and was killed; arms that it moved hold where they are"]
