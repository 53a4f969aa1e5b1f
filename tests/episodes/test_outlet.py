"""Where exports and copies go: whole or not at all, also where the place is odd, taken at the same time, or full."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bimanual
import pytest

from il_robot.cli import main
from il_robot.episodes.conversion.outlet import appearing
from il_robot.errors import BadInput, Fault


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bimanual.dataset(tmp_path_factory.mktemp("source"))


@contextmanager
def files_of_at_most(nbytes: int) -> Iterator[None]:
    """A disk that takes no more, for this process and its children."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", ["aloha", "aloha --jpeg 90", "mcap"])
def test_a_full_disk_ends_an_export_in_one_line(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    with files_of_at_most(10_000):
        assert main(["dataset", "export", *kind.split(), str(source), str(tmp_path / "out")]) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and ": cannot be written: " in error, error
    assert "File too large" in error or "is the disk full?" in error, error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_by_a_copy(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with files_of_at_most(5_000):
        assert main(["dataset", "merge", str(source), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "File too large" in error
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("out", [".", "memory://lab/out"])
def test_a_place_that_cannot_be_replaced_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["export", "mcap", str(source), out], ["export", "lerobot", str(source), out]):
        assert main(["dataset", *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_url_of_this_machine_is_its_folder(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["dataset", "export", "mcap", str(source), f"file://{tmp_path}/bags"]) == 0
    assert main(["dataset", "merge", f"file://{source}", "--out", f"file://{tmp_path}/copy"]) == 0
    assert main(["dataset", "prune", f"file://{tmp_path}/copy", "--outcome", "success"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bags", "copy"]
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [".pruned", "ep_1.zarr"]


def test_an_import_to_a_url_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.hdf5").touch()
    assert main(["dataset", "import", "aloha", "a.hdf5", "memory://lab/out"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]


def test_two_exports_to_one_place_do_not_mix(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with appearing(out, tmp_path / "data") as part:
        (part / "first").touch()
        with pytest.raises(Fault, match="another command"), appearing(out, tmp_path / "data"):
            raise AssertionError("both write")
        (part / "second").touch()
    assert sorted(path.name for path in out.iterdir()) == ["first", "second"]
    with pytest.raises(BadInput, match="there already"), appearing(out, tmp_path / "data"):
        raise AssertionError("it would be replaced")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_kill_left_is_cleared(tmp_path: Path) -> None:
    remains = tmp_path / ".out.part"
    (remains / "folder").mkdir(parents=True)
    (remains / "folder" / "half").touch()
    (remains / "link").symlink_to(tmp_path)
    with appearing(tmp_path / "out", tmp_path / "data") as part:
        (part / "whole").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
