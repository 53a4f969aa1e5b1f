"""Findings as lines to read: what is wrong with many steps or episodes in the same way is told once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

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
    return finding.stream, finding.kind, _NUMBER.sub("#", finding.text.replace(f"{finding.episode}{SUFFIX}", "#"))


def _together(same: Sequence[Finding]) -> str:
    first: dict[str, Finding] = {}
    for finding in same:
        first.setdefault(finding.episode, finding)
    example = same[0]
    named = ", ".join(f"{episode}{finding.at}" for episode, finding in list(first.items())[:FEW])
    more = " ..." if len(first) > FEW else ""
    episodes = f"{len(first)} episodes" if len(first) > 1 else "1 episode"
    return f"{example.stream}: {example.text}: {len(same)} times such in {episodes}: {named}{more}"
