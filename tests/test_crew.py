"""Work shared out: every task is done once, errors and deaths are told, and nobody is left behind."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from il_robot.crew import Crew, crew_size
from il_robot.errors import BadInput, Fault

WORKERS = pytest.mark.parametrize("workers", [1, 2])


@contextmanager
def squaring(left: Path) -> Iterator[Callable[[int], tuple[int, int]]]:
    """Number -> its square and who computed it; some numbers are trouble. Says in a file when it is put away."""

    def work(number: int) -> tuple[int, int]:
        if number < 0:
            raise BadInput(f"{number} is below 0")
        if number == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 100:
            (left / "begun").touch()
            time.sleep(60)
        return number * number, os.getpid()

    try:
        yield work
    finally:
        (left / str(os.getpid())).touch()


@contextmanager
def never_ready(left: Path) -> Iterator[Callable[[int], int]]:
    raise BadInput(f"{left} is of no use")
    yield abs


@WORKERS
def test_each_task_is_done_once_and_everybody_puts_away(tmp_path: Path, workers: int) -> None:
    with Crew[int, tuple[int, int]](workers, squaring, tmp_path) as crew:
        done = list(crew.each(range(8)))
        done += crew.each(range(8, 11))
    assert sorted(square for square, _ in done) == [number * number for number in range(11)]
    who = {process for _, process in done}
    assert len(who) <= workers and (os.getpid() in who) == (workers == 1)
    assert len(list(tmp_path.iterdir())) == workers


@WORKERS
def test_an_error_comes_through(tmp_path: Path, workers: int) -> None:
    with pytest.raises(BadInput, match=r"^-1 is below 0$"), Crew[int, object](workers, squaring, tmp_path) as crew:
        list(crew.each([1, -1, 2, 3]))
    with (
        pytest.raises(BadInput, match=r"is of no use$"),
        Crew[int, int](workers, never_ready, tmp_path) as crew_of_none,
    ):
        list(crew_of_none.each([1, 2]))


def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(Fault, match=r"^one of 2 processes that work at once ended by SIGKILL: is the memory full\?$"),
        Crew[int, object](2, squaring, tmp_path) as crew,
    ):
        list(crew.each([1, 13, 2, 3]))


def test_who_is_at_work_puts_away_when_the_others_fail(tmp_path: Path) -> None:
    since = time.monotonic()
    with pytest.raises(BadInput), Crew[int, object](2, squaring, tmp_path) as crew:
        for _ in crew.each([100, 1, -1]):
            while not (tmp_path / "begun").exists():  # or it would be ended before it is at work
                time.sleep(0.01)
    assert time.monotonic() - since < 50
    assert len(list(tmp_path.iterdir())) == 3


def test_only_the_first_one_hears_what_asks_to_end(tmp_path: Path) -> None:
    with Crew[int, tuple[int, int]](2, squaring, tmp_path) as crew:
        others = {process for _, process in crew.each(range(20, 30))}
        for process, number in itertools.product(others, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
            os.kill(process, number)
        assert len(list(crew.each(range(20, 30)))) == 10


def test_all_end_with_one_that_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from il_robot.crew import Crew; from test_crew import squaring\n"
        "if __name__ == '__main__':\n"
        "    with Crew(2, squaring, Path(sys.argv[2])) as crew:\n"
        "        print(*{who for _, who in crew.each(range(12))}, flush=True)\n"
        "        list(crew.each([100]))\n"
    )
    (tmp_path / "script.py").write_text(script)
    words = [sys.executable, str(tmp_path / "script.py"), str(Path(__file__).parent), str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        crew = first.stdout.readline().split()
        while not (tmp_path / "begun").exists():  # one of them is at work, the other waits
            time.sleep(0.01)
        first.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{process}/cmdline").exists() for process in crew) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert crew and not [process for process in crew if Path(f"/proc/{process}/cmdline").exists()]


def test_a_crew_is_as_large_as_there_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)))
    tasks = (0, 1, 5, 10, 100)
    assert [crew_size(None, count, 5) for count in tasks] == [1, 1, 1, 2, 4]
    assert [crew_size(3, count, 5) for count in tasks] == [1, 1, 3, 3, 3]
    with pytest.raises(BadInput, match="--workers 0; allowed: 1 and more"):
        crew_size(0, 5, 5)
