"""Commands that write, killed with SIGKILL before any of their changes: whole episodes only, and started again the
result is that of a run nobody interrupted, byte for byte."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bimanual
import pytest
from recorded import files_of

from il_robot.cli import main
from il_robot.episodes.dataset import Dataset

KILLED_COMMAND = Path(__file__).with_name("killed_command.py")
KILLS = 4
"""Per command, at random; and always before the first and the last change."""
Run = Callable[[int | None, list[str]], str]


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where that is possible: a kill takes nothing from the system's cache, and fsync costs nothing there."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bimanual.dataset(tmp_path_factory.mktemp("source"), 3)


@pytest.fixture(scope="module")
def exported(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "lerobot"
    assert main(["dataset", "export", "lerobot", str(source), str(out), "--images", "jpeg"]) == 0
    return out


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs a command, killed before its n-th change if n is given; how many changes it made, or ``killed``."""
    arguments = [sys.executable, str(KILLED_COMMAND)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(kill_before: int | None, words: list[str]) -> str:
            stdin.write(json.dumps({"words": ["dataset", *words], "kill_before": kill_before}) + "\n")
            stdin.flush()
            return stdout.readline().strip()

        yield ask
        stdin.close()


def moments(changes: int, seed: int) -> list[int]:
    return sorted({0, changes - 1, *random.Random(seed).choices(range(changes), k=KILLS)})


@pytest.mark.parametrize(
    "words",
    [
        ["merge", "SOURCE", "--out", "OUT"],
        ["split", "SOURCE", "--out", "OUT", "--share", "0.5"],
        ["trim", "SOURCE", "--out", "OUT", "--margin-s", "0", "--motion", "0.1"],
        ["export", "aloha", "SOURCE", "OUT"],
        ["import", "lerobot", "EXPORTED", "OUT"],
    ],
    ids=lambda words: words[0],
)
def test_a_killed_copy_leaves_whole_episodes_and_goes_on(
    source: Path, exported: Path, tmp_path: Path, run: Run, words: list[str]
) -> None:
    def filled(out: Path) -> list[str]:
        return [{"SOURCE": str(source), "EXPORTED": str(exported), "OUT": str(out)}.get(word, word) for word in words]

    before, undisturbed = files_of(source), tmp_path / "undisturbed"
    changes = int(run(None, filled(undisturbed)))
    whole = files_of(undisturbed)
    for moment in moments(changes, seed=len(words)):
        out = tmp_path / f"killed_{moment}"
        assert run(moment, filled(out)) == "killed"
        left = {name: data for name, data in files_of(out).items() if ".part" not in name} if out.exists() else {}
        for episode in {name.split(".zarr/")[0] for name in left}:
            expected = {name for name in whole if name.split(".zarr/")[0] == episode}
            assert {name for name in left if name.split(".zarr/")[0] == episode} == expected, (moment, episode)
        assert left.items() <= whole.items()
        assert files_of(source) == before
        assert run(None, filled(out)).isdigit() or (words[0] == "export" and left == whole)
        assert files_of(out) == whole, moment
        assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("delete", [[], ["--delete"]])
def test_a_killed_prune_loses_nothing_it_was_not_told_to(
    source: Path, tmp_path: Path, run: Run, delete: list[str]
) -> None:
    before = files_of(source)
    kept = {name: data for name, data in before.items() if name.startswith("ep_0.zarr/")}
    undisturbed = shutil.copytree(source, tmp_path / "undisturbed")
    words = ["--outcome", "failure", *delete]
    changes = int(run(None, ["prune", str(undisturbed), *words]))
    whole = files_of(undisturbed)
    assert {name: data for name, data in whole.items() if not name.startswith(".")} == kept
    for moment in moments(changes, seed=len(delete)):
        dataset = shutil.copytree(source, tmp_path / f"killed_{moment}")
        assert run(moment, ["prune", str(dataset), *words]) == "killed"
        left = {name: data for name, data in files_of(dataset).items() if not name.startswith(".deleted/")}
        if not delete:
            assert {name.removeprefix(".pruned/"): data for name, data in left.items()} == before
        else:
            names = {name.split("/")[0] for name in left}
            assert left == {name: data for name, data in before.items() if name.split("/")[0] in names}
        assert run(None, ["prune", str(dataset), *words]).isdigit()
        assert files_of(dataset) == whole, moment


def test_two_commands_that_write_to_one_dataset_take_turns(source: Path, tmp_path: Path) -> None:
    parts = [tmp_path / "a", tmp_path / "b"]
    for number, part in enumerate(parts):
        for episode in Dataset(source):
            shutil.copytree(episode.path, part / f"{number}_{episode.id}.zarr")
    out = tmp_path / "out"
    with ThreadPoolExecutor() as pool:
        merges = [pool.submit(main, ["dataset", "merge", str(part), "--out", str(out)]) for part in parts]
        assert [merge.result() for merge in merges] == [0, 0]
    assert files_of(out) == {**files_of(parts[0]), **files_of(parts[1])}
