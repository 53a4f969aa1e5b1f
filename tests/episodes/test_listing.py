"""Findings that come again and again are one line; nothing is lost by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import info_of, record

from il_robot.cli import main
from il_robot.episodes.checks.finding import Finding
from il_robot.episodes.checks.listing import FEW, listed

FINDINGS = st.lists(
    st.builds(
        Finding,
        episode=st.sampled_from("abcdef"),
        stream=st.sampled_from(["cam_high", "steps"]),
        kind=st.just("gap"),
        text=st.integers(20, 99).map(lambda ms: f"nothing for {ms} ms"),
        first=st.integers(0, 9) | st.none(),
    ),
    max_size=30,
)


@given(FINDINGS)
def test_few_are_told_one_by_one_and_many_are_counted(findings: list[Finding]) -> None:
    lines = list(listed(findings))
    for stream in ("cam_high", "steps"):
        of = [finding for finding in findings if finding.stream == stream]
        if len(of) <= FEW:
            assert all(str(finding) in lines for finding in of)
        else:
            (line,) = (line for line in lines if line.startswith(f"{stream}: "))
            episodes = list(dict.fromkeys(finding.episode for finding in of))
            assert f": {len(of)} times such in {len(episodes)} episode" in line
            named = line.rpartition(": ")[2].removesuffix(" ...").split(", ")
            worst = max(of, key=lambda finding: finding.text)
            assert (
                line.startswith(str(worst).replace(f"{worst.episode}{worst.at} ", "")) and named[0][0] == worst.episode
            )
            assert named[0] == f"{worst.episode}{worst.at}"
            assert [name[0] for name in named[1:]] == [name for name in episodes if name != worst.episode][: FEW - 1]
            assert line.endswith(" ...") == (len(episodes) > FEW)
    assert len(lines) == sum(
        1 if n > FEW else n for n in (sum(f.stream == s for f in findings) for s in ("cam_high", "steps"))
    )


def test_one_thing_wrong_with_every_episode_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"2026_{number}" for number in range(5)]
    for name in names:
        (record(tmp_path, info_of(cameras=()), 3, episode_id=name) / "action" / "c" / "0" / "0").unlink()
    (line, end), every = validated(tmp_path, capsys), validated(tmp_path, capsys, "--all")
    assert line.startswith("action: ") and line.endswith("5 times such in 5 episodes: 2026_0, 2026_1, 2026_2 ...")
    assert end == "5 episodes: 5 faults in 5 of them; --all lists each"
    assert [told.split()[0] for told in every[:-1]] == names and every[-1] == "5 episodes: 5 faults in 5 of them"
    assert len(json.loads("".join(validated(tmp_path, capsys, "--json")))) == 5


def validated(dataset: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    assert main(["dataset", "validate", str(dataset), *options]) == 1
    return capsys.readouterr().out.splitlines()
