"""What happened when the human took over: how soon, for how long, and how hard the command moved.

Axes: T steps, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.checks.finding import runs
from il_robot.episodes.reader import Episode
from il_robot.rig import NS_PER_S
from il_robot.types import Mode


@dataclass(frozen=True)
class Takeovers:
    """All interventions of the deployed episodes."""

    episodes: int
    interventions: int
    """How often the human drove."""
    latency_ticks: int
    """Most ticks from a press of the pedal to the human driving; 0 without interventions.

    A press lies between two ticks; the later one is the first that can act on it and counts as one.
    """
    human_s: float
    """How long the human drove."""
    largest_step: float
    """Largest step of a command between two ticks, as a share of what the velocity limit allows."""
    largest_handover_step: float
    """The same at the ticks in which the driver changes."""
    successes: int


def step_shares(episode: Episode) -> NDArray[np.float64]:
    """(T,) largest step of the command since the tick before, as a share of the velocity limit; 0 at the first."""
    allowed = np.array([joint.velocity for joint in episode.info.joints]) / episode.info.fps
    shares = np.zeros(episode.steps)
    if episode.steps > 1:
        shares[1:] = (np.abs(np.diff(episode.action.astype(np.float64), axis=0)) / allowed).max(axis=1)
    return shares


def human_spans(episode: Episode) -> list[tuple[int, int]]:
    """(first, last) step of every unbroken span that the human drove."""
    return list(runs(episode.mode == Mode.HUMAN))


def latency_ticks(episode: Episode, first: int) -> int:
    """Ticks from the press to ``first``, the step at which the human began to drive."""
    begin = first
    while begin > 0 and episode.intervention[begin - 1] == episode.intervention[first]:
        begin -= 1
    return first - begin + 1


def measure_takeovers(episodes: Sequence[Episode]) -> Takeovers:
    """The interventions of ``episodes`` together."""
    spans = [(episode, *span) for episode in episodes for span in human_spans(episode)]
    drivers = [np.flatnonzero(np.diff(episode.mode)) + 1 for episode in episodes]
    shares = [step_shares(episode) for episode in episodes]
    return Takeovers(
        episodes=len(episodes),
        interventions=len(spans),
        latency_ticks=max((latency_ticks(episode, first) for episode, first, _ in spans), default=0),
        human_s=sum((last - first + 1) / episode.info.fps for episode, first, last in spans),
        largest_step=max((float(share.max(initial=0.0)) for share in shares), default=0.0),
        largest_handover_step=max(
            (float(share[at].max(initial=0.0)) for share, at in zip(shares, drivers, strict=True)), default=0.0
        ),
        successes=sum(episode.outcome == "success" for episode in episodes),
    )


def most_moved_joint(episode: Episode) -> int:
    """The arm joint that moved most under the human, or in the whole episode where no human drove."""
    human = episode.mode == Mode.HUMAN
    qpos = episode.qpos[human] if human.any() else episode.qpos
    moved = np.ptp(qpos, axis=0)
    angles = np.array([joint.unit == "rad" for joint in episode.info.joints])
    return int(np.argmax(np.where(angles, moved, -1.0) if angles.any() else moved))


def seconds(episode: Episode) -> NDArray[np.float64]:
    """(T,) time since the first step [s]."""
    since: NDArray[np.float64] = (episode.step_ns - episode.step_ns[0]) / NS_PER_S
    return since
