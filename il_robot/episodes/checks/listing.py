"""Findings as lines to read: what is wrong with many steps or episodes in the same way is told once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from il_robot.counted import counted
from il_robot.episodes.checks.finding import Finding
from il_robot.episodes.layout import SUFFIX

FEW = 3
"""So many of a kind are told one by one, and so many episodes are named of more."""
_NUMBER = re.compile(r"\d+(\.\d+)?")


def listed(findings: Sequence[Finding]) -> Iterator[str]:
    """A line for each finding, in order; a kind that comes more than three times has one line, where it comes first."""
    kinds: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(_kind(finding), []).append(finding)
    for same in kinds.values():
        if len(same) <= FEW:
            yield from map(str, same)
        else:
            yield _together(same)


def _kind(finding: Finding) -> tuple[str, str, str]:
    """What makes two findings the same: all but the numbers in their texts."""
    return finding.stream, finding.kind, _NUMBER.sub("#", _anywhere(finding))


def _anywhere(finding: Finding) -> str:
    """The text without the episode's name."""
    return finding.text.replace(f"{finding.episode}{SUFFIX}", "#")


def _extent(finding: Finding) -> list[float]:
    """How much it is: texts of one kind differ in their numbers only, of which the first says how bad it is."""
    return [float(number[0]) for number in _NUMBER.finditer(_anywhere(finding))]


def _together(same: Sequence[Finding]) -> str:
    """The worst, and where it is; then the first of every other episode."""
    worst = max(same, key=_extent)
    first = {worst.episode: worst}
    for finding in same:
        first.setdefault(finding.episode, finding)
    named = ", ".join(f"{episode}{finding.at}" for episode, finding in list(first.items())[:FEW])
    more = " ..." if len(first) > FEW else ""
    return f"{worst.stream}: {worst.text}: {len(same)} times such in {counted(len(first), 'episode')}: {named}{more}"
