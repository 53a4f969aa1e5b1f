"""The folder a demo makes: an earlier demo's is kept, a stranger's is not touched, a stop leaves nothing in the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from il_robot.demo import MARK, make_anew
from il_robot.errors import BadInput


def test_the_last_demo_is_kept_and_the_one_before_goes(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    for number in range(3):
        before = make_anew(out)
        assert (before is None) == (number == 0)
        assert [path.name for path in out.iterdir()] == [MARK]
        (out / "report.html").write_text(str(number))
    assert (tmp_path / "demo.before" / "report.html").read_text() == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "demo.before"]


@pytest.mark.parametrize("name", ["demo", "demo.before"])
def test_what_no_demo_made_is_not_touched(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name / "thesis.tex"
    mine.parent.mkdir()
    mine.touch()
    with pytest.raises(BadInput, match=f"{name} exists and is not a demo's folder"):
        make_anew(tmp_path / "demo")
    assert mine.exists()


@pytest.mark.parametrize("moment", ["rename", "mkdir", "touch"])
def test_stopped_at_any_moment_the_next_demo_begins(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "demo"
    make_anew(out)
    make_anew(out)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, moment, stopped)
        with pytest.raises(KeyboardInterrupt):
            make_anew(out)
    make_anew(out)
    assert (out / MARK).is_file()


def test_stopped_while_the_oldest_is_deleted_the_next_demo_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "demo"
    make_anew(out)
    make_anew(out)
    rmtree, calls = shutil.rmtree, 0

    def stopped_half_way(folder: Path, **given: bool) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            (folder / MARK).unlink()
            (folder / "rest").touch()
            raise KeyboardInterrupt
        rmtree(folder, **given)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stopped_half_way)
        with pytest.raises(KeyboardInterrupt):
            make_anew(out)
    assert make_anew(out) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "demo.before"]
