"""The page is whole, says what it lacks, and needs nothing from outside."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from driven import evaluation, modes_of, record
from rich.console import Console

from il_robot.errors import BadInput, Fault
from il_robot.report.command import report
from il_robot.report.page import write_report
from il_robot.report.sources import Sources
from il_robot.report.summary import headlines
from il_robot.report.terminal import print_summary

MS = 1_000_000


class _Page(HTMLParser):
    """Collects what a browser would load, and every id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.headings = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.headings += tag == "h2"
        for name, value in attrs:
            if name in ("src", "srcset", "data", "poster") or (name.endswith("href") and tag != "a"):
                self.loaded.append(value or "")
            if name == "id":
                self.ids.append(value or "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole loop but for the training run."""
    root = tmp_path_factory.mktemp("loop")
    record(root / "demonstrations", "a", late_ns=[0, 2 * MS] * 15)
    record(root / "demonstrations", "b", late_ns=[0] * 20, clock="simulated")
    record(root / "replays", "c", late_ns=[MS] * 20, lost=(5,))
    record(root / "corrections", "d", late_ns=[0] * 40, modes=modes_of(40, 10, 11, 25), jump_at=11)
    evaluation(root / "evaluation.json")
    return root


def _sources(root: Path) -> Sources:
    parts = ("demonstrations", "replays", "run", "evaluation.json", "corrections")
    return Sources(*(root / part for part in parts))


def test_the_page_stands_alone_and_shows_every_section(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report.html"
    summary = write_report(_sources(folder), out)
    text = out.read_text(encoding="utf-8")
    page = _Page(text)
    assert all(target.startswith(("data:", "#")) for target in page.loaded)
    assert not re.search(r"url\((?!#)|@import|<script|<link", text)
    assert len(page.ids) == len(set(page.ids))
    assert page.headings == 7
    # Two strips of 8 moments by 2 cameras, and the picture of all joints.
    assert text.count('src="data:image/jpeg') == 32
    assert text.count('src="data:image/png') == 1
    assert text.count("<svg") == 7
    assert "46 of 50 fresh starts" in text
    assert "&lt;b&gt;Ada &amp; Co&lt;/b&gt;" in text
    assert not re.search(r"#0([1-9a])(0\1){2}", text), "a stand-in colour was left in a figure"
    assert not summary.problems


def test_headlines_keep_to_their_bounds(folder: Path, tmp_path: Path) -> None:
    summary = write_report(_sources(folder), tmp_path / "report.html")
    found = {one.label: (one.value, one.good) for one in headlines(summary)}
    assert found["held success"] == ("92%", None)
    assert found["lost frames"] == ("1", False)  # One step without a frame stands for the one the camera counted.
    assert found["late ticks"] == ("0", True)
    assert found["takeover"] == ("2 ticks", True)
    assert found["largest command step"] == ("1000%", False)
    console = Console(width=200, record=True, quiet=False, file=(tmp_path / "terminal").open("w", encoding="utf-8"))
    print_summary(summary, console)
    told = console.export_text()
    assert all(f"{one.label} " in told and one.value in told for one in headlines(summary))
    assert str(summary.out) in told


def test_what_is_absent_is_said_in_its_place(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    summary = write_report(Sources(run=tmp_path / "run"), out)
    text = out.read_text(encoding="utf-8")
    assert _Page(text).headings == 7
    assert text.count('class="absent"') == 7
    assert "No demonstrations: none was given." in text
    assert f"No training run: {tmp_path / 'run'} is not there." in text
    assert {one.value for one in headlines(summary)} == {"n/a", "0.0 MB"}
    assert not summary.problems


@pytest.mark.parametrize(
    ("text", "line"),
    [("{", "not JSON"), ("[]", "not what"), ("{}", "'policy' is missing"), ('{"policy": "act"}', "'task' is missing")],
)
def test_a_source_that_cannot_be_used_is_left_out_aloud(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "evaluation.json").write_text(text, encoding="utf-8")
    (tmp_path / "run").mkdir()
    assert report(tmp_path) == 1
    summary = write_report(_sources(tmp_path), tmp_path / "report.html")
    assert len(summary.problems) == 2
    assert "not a folder that il-robot train made" in summary.problems[0]
    assert re.search(line, summary.problems[1])
    assert "\n" not in "".join(summary.problems)


def test_shares_that_cannot_be_are_refused(tmp_path: Path) -> None:
    share = {"count": 60, "of": 50, "low": 0.0, "high": 1.0}
    path = evaluation(tmp_path / "evaluation.json", held=share)
    summary = write_report(Sources(evaluation=path), tmp_path / "report.html")
    assert "60 of 50" in summary.problems[0]


def test_wrong_arguments_get_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        report(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="nothing to report on"):
        report(tmp_path)
    with pytest.raises(BadInput, match="not there"):
        report(tmp_path, run=tmp_path / "act")
    evaluation(tmp_path / "evaluation.json")
    (tmp_path / "file").touch()
    with pytest.raises(Fault, match="cannot be written"):
        report(tmp_path, out=tmp_path / "file" / "report.html")
