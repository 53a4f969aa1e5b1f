"""The report's figures. Each function draws one and returns it as inline SVG.

Axes: T steps, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator, PercentFormatter

from il_robot.episodes.checks.finding import runs
from il_robot.episodes.reader import Episode
from il_robot.report import svg
from il_robot.report.evaluated import Evaluated
from il_robot.report.frames import ages_ms
from il_robot.report.loop import LATE_MS, lateness_ms, period_errors_ms, real_time
from il_robot.report.takeover import human_spans, most_moved_joint, seconds, step_shares
from il_robot.types import Mode

_SHADES = {Mode.HUMAN: (svg.HUMAN, "human drives"), Mode.TRANSITION: (svg.CHANGE, "handing over")}


def lateness(groups: dict[str, Sequence[Episode]]) -> str:
    """How late the ticks of each group of real-time episodes were."""
    values = {name: np.concatenate([lateness_ms(e) for e in real_time(group)]) for name, group in groups.items()}
    edges = np.linspace(0, max(LATE_MS * 1.2, *(float(late.max()) for late in values.values())), 49)
    return _histogram(values, edges, "tick after its deadline [ms]", "lateness", LATE_MS)


def period_errors(groups: dict[str, Sequence[Episode]]) -> str:
    """How far the time between two steps was from the nominal period; the outermost bars hold all beyond them."""
    values = {name: np.concatenate([period_errors_ms(e) for e in real_time(group)]) for name, group in groups.items()}
    # Wider, and one stall would squeeze everything else into one bar.
    widest = 1e3 / next(iter(groups.values()))[0].info.fps
    values = {name: np.clip(errors, -widest, widest) for name, errors in values.items()}
    return _histogram(values, np.linspace(-widest, widest, 49), "step period less nominal [ms]", "periods", None)


def frame_ages(episodes: Sequence[Episode]) -> str:
    """How old each camera's frame was at the step that shows it."""
    chosen = real_time(episodes)
    names = dict.fromkeys(name for episode in chosen for name in episode.info.camera_names)
    values = {name: np.concatenate([ages_ms(e, name) for e in chosen if name in e.info.camera_names]) for name in names}
    widest = max(25.0, *(float(ages.max(initial=0.0)) for ages in values.values()))
    return _histogram(values, np.linspace(0, widest, 49), "frame's age at its step [ms]", "ages", None)


def _histogram(values: dict[str, Any], edges: Any, label: str, name: str, bound: float | None) -> str:
    figure = svg.new_figure(5.2, 2.9)
    axes = figure.add_subplot()
    for colour, (key, ms) in zip(svg.SERIES * 4, values.items(), strict=False):
        axes.hist(
            ms, bins=edges, histtype="step", lw=1.4, color=colour, label=f"{key.removeprefix('cam_')} ({len(ms):,})"
        )
    if bound is not None:
        axes.axvline(bound, color=svg.RED, lw=1.0, ls="--", label=f"late: {bound:g} ms")
    axes.set(xlabel=label, ylabel="count", yscale="log")
    axes.set_ylim(bottom=0.7)
    axes.legend(fontsize=8, frameon=False)
    svg.dress(axes)
    return svg.inline_svg(figure, name, f"Histogram: {label}")


def training_curve(metrics: Sequence[dict[str, Any]]) -> str:
    """Training and validation loss over the steps."""
    figure = svg.new_figure(5.2, 2.9)
    axes = figure.add_subplot()
    drawn = (("loss", svg.BLUE, "", "training"), ("validation", svg.ORANGE, "o", "validation (mean absolute error)"))
    for key, colour, marker, label in drawn:
        points = [(line["step"], line[key]) for line in metrics if key in line]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, marker=marker, ms=3, lw=1.2, label=label)
    axes.set(xlabel="training step", ylabel="loss, normalised", yscale="log")
    axes.legend(fontsize=8, frameon=False)
    svg.dress(axes)
    return svg.inline_svg(figure, "curve", "Training curve")


def milestones(evaluated: Evaluated) -> str:
    """How many fresh starts reached each milestone, with intervals."""
    rates = [*evaluated.milestones, evaluated.held]
    figure = svg.new_figure(5.2, 0.35 * len(rates) + 0.7)
    axes = figure.add_subplot()
    places = np.arange(len(rates))[::-1]
    share = np.array([rate.rate for rate in rates])
    ends = np.array([[rate.rate - rate.low for rate in rates], [rate.high - rate.rate for rate in rates]])
    axes.barh(places, share, height=0.6, color=svg.BLUE, alpha=0.75)
    axes.errorbar(share, places, xerr=np.maximum(ends, 0), fmt="none", ecolor=svg.INK, elinewidth=1.0, capsize=3)
    axes.set_yticks(places, [rate.name for rate in rates])
    axes.set_xlim(0, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("of the fresh starts, with 95 % interval")
    svg.dress(axes)
    axes.grid(visible=False, axis="y")
    return svg.inline_svg(figure, "milestones", "Share of fresh starts that reached each milestone")


def driving(episode: Episode) -> str:
    """The joint that moved most: position, action asked and sent; below, the step of the command; who drove shaded."""
    j = most_moved_joint(episode)
    joint = episode.info.joints[j]
    time = seconds(episode)
    figure = svg.new_figure(9.0, 4.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.4, 1.0])
    for axes in (upper, lower):
        _shade(axes, episode, time)
    upper.plot(time, episode.action_asked[:, j], color=svg.GREEN, lw=1.0, ls="--", label="asked by the driver")
    upper.plot(time, episode.action[:, j], color=svg.ORANGE, lw=1.2, label="sent to the follower")
    upper.plot(time, episode.qpos[:, j], color=svg.BLUE, lw=1.4, label="follower's position")
    upper.set_ylabel(f"{joint.name.replace('_', ' ')} [{joint.unit}]")
    handles = [*upper.get_legend_handles_labels()[0], *_shade_handles(episode)]
    upper.legend(handles=handles, fontsize=8, frameon=False, ncols=5, loc="lower left", bbox_to_anchor=(0, 1.0))
    lower.plot(time, step_shares(episode), color=svg.PURPLE, lw=1.0)
    lower.axhline(1.0, color=svg.RED, lw=1.0, ls="--")
    lower.set(xlabel="time [s]", ylabel="command step")
    lower.set_ylim(0, max(1.15, 1.1 * float(step_shares(episode).max())))
    lower.yaxis.set_major_formatter(PercentFormatter(1.0))
    lower.yaxis.set_major_locator(MultipleLocator(0.5))
    for axes in (upper, lower):
        axes.margins(x=0)
        svg.dress(axes)
    return svg.inline_svg(figure, "driving", f"{joint.name}: position and commands, the human's spans shaded")


def takeover_close_up(episode: Episode) -> str:
    """The ticks around the first takeover: the largest command step of any joint in each."""
    first = human_spans(episode)[0][0]
    ticks = np.arange(max(0, first - 15), min(episode.steps, first + 36))
    figure = svg.new_figure(5.2, 2.9)
    axes = figure.add_subplot()
    shares = step_shares(episode)[ticks]
    _shade(axes, episode, np.arange(episode.steps) - first - 0.5)
    axes.bar(ticks - first, shares, width=0.7, color=svg.PURPLE)
    axes.axhline(1.0, color=svg.RED, lw=1.0, ls="--", label="velocity limit")
    axes.set(xlabel="tick, 0 = the first the human drives", ylabel="largest command step")
    axes.set_xlim(ticks[0] - first - 0.5, ticks[-1] - first + 0.5)
    axes.set_ylim(0, max(1.15, 1.1 * float(shares.max())))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    svg.dress(axes)
    return svg.inline_svg(figure, "takeover", "Command steps around the takeover")


def _shade(axes: Axes, episode: Episode, places: Any) -> None:
    for mode, (colour, _) in _SHADES.items():
        for first, last in runs(episode.mode == mode):
            end = min(last + 1, episode.steps - 1)
            axes.axvspan(places[first], places[end], color=colour, alpha=0.35, lw=0, zorder=0)


def _shade_handles(episode: Episode) -> list[Patch]:
    return [
        Patch(color=c, alpha=0.35, label=text) for mode, (c, text) in _SHADES.items() if (episode.mode == mode).any()
    ]
