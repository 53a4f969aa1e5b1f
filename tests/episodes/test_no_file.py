"""Where a file belongs there is a pipe, a device or what nobody may read: it is said, and costs no other episode."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import info_of, record

from il_robot.cli import main
from il_robot.episodes import location
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import JOURNAL
from il_robot.episodes.location import NO_FILE
from il_robot.episodes.reader import Episode
from il_robot.episodes.recovery import recover
from il_robot.episodes.validation import validate_dataset
from il_robot.errors import BadInput

INFO = info_of((("cam_high", 24, 32),))
FILES = ("zarr.json", "action/c/0/0", "action/zarr.json", "images/cam_high/c/0/0/0/0", JOURNAL)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    """One that never ends."""
    path.symlink_to("/dev/zero")


def plug(path: Path) -> None:
    """A socket's name is short."""
    here = Path.cwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)
    os.chdir(here)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for name in "abc":
        record(tmp_path / "data", INFO, 4, episode_id=name)
    return tmp_path / "data"


def within_seconds(what: Callable[[], object]) -> None:
    """Runs it; a reader that waits at a pipe would wait for ever."""
    running = threading.Thread(target=what, daemon=True)
    running.start()
    running.join(20)
    assert not running.is_alive(), "it hangs"


@pytest.mark.parametrize("put", [pipe, device, plug])
def test_it_is_a_fault_of_that_episode_and_of_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], put: Callable[[Path], None]
) -> None:
    dataset = tmp_path / "data"
    record(dataset, INFO, 4, episode_id="whole")
    for number, file in enumerate(FILES):
        bad = record(dataset, INFO, 4, episode_id=f"bad_{number}") / file
        bad.unlink(missing_ok=True)
        put(bad)
    found: set[str] = set()
    codes: list[int] = []

    def everything() -> None:
        found.update(finding.episode for finding in validate_dataset(dataset))
        for command in ("info", "recover"):
            main(["dataset", command, str(dataset)])
        for command in ("merge", "split"):
            codes.append(main(["dataset", command, str(dataset), "--out", str(tmp_path / command)]))

    within_seconds(everything)
    assert found == {f"bad_{number}" for number, file in enumerate(FILES) if file != JOURNAL}  # that is a remnant only
    assert codes == [1, 1]
    assert [episode.id for episode in Dataset(tmp_path / "merge")] == ["whole"]
    told = capsys.readouterr().out
    assert all(told.count(f"left out: {dataset}/bad_{number}.zarr: ") == 2 for number in range(len(FILES)))
    assert not (tmp_path / "merge" / ".part").exists()


def test_an_episode_that_is_being_recorded_into_a_pipe_is_none(tmp_path: Path) -> None:
    episode = record(tmp_path, INFO, 4, episode_id="a")
    facts = json.loads((episode / "zarr.json").read_text())
    facts["attributes"]["il_robot"]["recorded"]["complete"] = False
    (episode / "zarr.json").write_text(json.dumps(facts))
    os.mkfifo(episode / JOURNAL)

    def everything() -> None:
        for look in (recover, lambda path: Episode(path).steps):
            with pytest.raises(BadInput, match=f"{JOURNAL}: {NO_FILE}"):
                look(episode)

    within_seconds(everything)


def test_a_file_that_cannot_be_read_leaves_its_episode_out(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad sector, before its episode was copied and after."""
    whole = location.open_file

    def torn(path: Path) -> int:
        if path == dataset / "b.zarr" / FILES[3]:
            raise OSError(5, "Input/output error")
        return whole(path)

    monkeypatch.setattr(location, "open_file", torn)
    out = tmp_path / "merged"
    for _ in range(2):
        assert main(["dataset", "merge", str(dataset), "--out", str(out)]) == 1
        assert [episode.id for episode in Dataset(out)] == ["a", "c"]
    monkeypatch.undo()
    assert main(["dataset", "merge", str(dataset), "--out", str(out)]) == 0
    monkeypatch.setattr(location, "open_file", torn)  # what was copied cannot be compared any more
    assert main(["dataset", "merge", str(dataset), "--out", str(out)]) == 1
    monkeypatch.undo()
    assert validate_kinds(out) == validate_kinds(dataset)


def validate_kinds(dataset: Path) -> set[str]:
    return {finding.kind for finding in validate_dataset(dataset)}


@pytest.mark.parametrize("inside", ["", "new", "a.zarr/new"])
@pytest.mark.parametrize("command", ["merge", "trim", "split", "export mcap"])
def test_nothing_is_written_into_a_source(
    dataset: Path, capsys: pytest.CaptureFixture[str], command: str, inside: str
) -> None:
    before = sorted(dataset.rglob("*"))
    out = str(dataset / inside)
    asked = [str(dataset), out] if "export" in command else [str(dataset), "--out", out]
    assert main(["dataset", *command.split(), *asked]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {dataset / inside}") and "give another folder" in told
    assert sorted(dataset.rglob("*")) == before


def test_nothing_is_written_into_another_datasets_episode(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = record(tmp_path / "other", INFO, 4, episode_id="a")
    assert main(["dataset", "merge", str(dataset), "--out", str(other / "new")]) == 2
    assert f"lies in the episode {other}" in capsys.readouterr().err
