"""Pictures of one episode: joints with command and error, a camera strip, timing; interventions shaded.

Every function returns a matplotlib Figure made without pyplot: no window, no global state.
Axes: T steps, J joints, C cameras.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from il_robot.counted import counted
from il_robot.episodes.checks.finding import runs
from il_robot.episodes.layout import CameraInfo, Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.types import Image, Mode

_COLOURS = {"position": "#1b6ca8", "command": "#e07a1f", "error": "#b8b8b8"}
_SHADES = {Mode.HUMAN: "#f6c9c9", Mode.TRANSITION: "#f9e8b8"}
_NAMES = {Mode.HUMAN: "human drives", Mode.TRANSITION: "takeover / hand back"}
_STRIP = 8
"""Pictures per camera in the strip."""
_NARROWEST = 0.25
"""Shorter side by longer of the place that a picture gets."""


def episode_figure(episode: Episode) -> Figure:
    """Everything on one page."""
    if episode.steps == 0:
        raise BadInput(f"{episode.path}: it has no steps to draw")
    cameras = len(episode.info.cameras)
    rows = _joint_rows(episode)
    heights = [_strip_height(episode) if cameras else 0.0, 1.15 * rows + 0.8, 2.6]
    figure = Figure(figsize=(14, sum(heights) + 0.9), layout="constrained")
    figure.suptitle(_title(episode), fontsize=11, ha="left", x=0.01)
    kept = [height for height in heights if height]
    parts = list(figure.subfigures(len(kept), 1, squeeze=False, height_ratios=kept)[:, 0])
    if cameras:
        draw_cameras(parts.pop(0), episode)
    draw_joints(parts.pop(0), episode)
    draw_timing(parts.pop(0), episode)
    return figure


def joints_figure(episode: Episode) -> Figure:
    """Joint positions, commands and errors alone."""
    figure = Figure(figsize=(14, 1.15 * _joint_rows(episode) + 0.8), layout="constrained")
    draw_joints(figure, episode)
    return figure


def cameras_figure(episode: Episode) -> Figure:
    """The camera strip alone. Raises BadInput when there is no camera."""
    if not episode.info.cameras:
        raise BadInput(f"{episode.path}: it has no camera")
    figure = Figure(figsize=(14, _strip_height(episode)), layout="constrained")
    draw_cameras(figure, episode)
    return figure


def timing_figure(episode: Episode) -> Figure:
    """Period of the loop and age of every stream alone."""
    figure = Figure(figsize=(14, 2.6), layout="constrained")
    draw_timing(figure, episode)
    return figure


def save(figure: Figure, out: Path) -> None:
    """Write the picture; its kind follows from the suffix. Raises BadInput for another suffix, OSError."""
    if out.suffix.lower() not in {".png", ".pdf", ".svg"}:
        raise BadInput(f"{out}: the picture must end in .png, .pdf or .svg")
    figure.savefig(out, dpi=110)


def draw_joints(figure: Figure | SubFigure, episode: Episode) -> None:
    """One small plot per joint, an arm a column: measured, sent, and their difference as an area around the middle."""
    columns = _joint_columns(episode)
    grid = figure.subplots(_joint_rows(episode), len(columns), sharex=True, squeeze=False)
    seconds = _seconds(episode)
    error = episode.action - episode.qpos
    for c, joints in enumerate(columns):
        for r, axes in enumerate(grid[:, c]):
            if r >= len(joints):
                axes.set_visible(False)
                continue
            j = joints[r]
            joint = episode.info.joints[j]
            axes.plot(seconds, episode.action[:, j], color=_COLOURS["command"], lw=1.0)
            axes.plot(seconds, episode.qpos[:, j], color=_COLOURS["position"], lw=1.2)
            axes.set_ylabel(joint.name.replace("_", "\n", 1) + f"\n[{joint.unit}]", fontsize=7)
            axes.tick_params(labelsize=7)
            axes.margins(x=0)
            axes.locator_params(axis="y", nbins=4)
            other = axes.twinx()
            _shade(other, episode)
            other.fill_between(seconds, 0, error[:, j], color=_COLOURS["error"], alpha=0.6, lw=0)
            largest = max(float(np.nanmax(np.abs(error[:, j]), initial=0.0)), 1e-3)
            other.set_ylim(-4 * largest, 4 * largest)
            other.set_yticks([-largest, largest], [f"{-largest:.2g}", f"{largest:.2g}"])
            other.margins(x=0)
            other.tick_params(labelsize=6, colors="#808080")
            axes.set_zorder(other.get_zorder() + 1)
            axes.patch.set_visible(False)
        grid[len(joints) - 1, c].set_xlabel("time [s]", fontsize=8)
        grid[len(joints) - 1, c].tick_params(labelbottom=True)
    figure.legend(handles=_legend(episode), loc="outside upper right", ncols=5, fontsize=8, frameon=False)


def draw_cameras(figure: Figure | SubFigure, episode: Episode) -> None:
    """A row per camera: pictures at even times, the step under each; a missing frame says so."""
    steps = np.unique(np.linspace(0, episode.steps - 1, _STRIP).round().astype(int))
    names = episode.info.camera_names
    ratios = [_ratio(camera) for camera in episode.info.cameras]
    grid = figure.subplots(len(names), len(steps), squeeze=False, height_ratios=ratios)
    driven = np.isin(episode.mode, [int(mode) for mode in _SHADES])
    for r, name in enumerate(names):
        for c, t in enumerate(steps.tolist()):
            axes = grid[r, c]
            axes.set_xticks([])
            axes.set_yticks([])
            if episode.validity(name)[t] == Validity.MISSING:
                axes.text(0.5, 0.5, "missing", ha="center", va="center", fontsize=8, color="#b00020")
            else:
                axes.imshow(_thumbnail(episode.image(name, t)))
            for spine in axes.spines.values():
                spine.set(color="#d03030" if driven[t] else "#404040", linewidth=2.0 if driven[t] else 0.5)
            if r == len(names) - 1:
                axes.set_xlabel(f"{_seconds(episode)[t]:.1f} s", fontsize=7, labelpad=2)
        grid[r, 0].set_ylabel(name.removeprefix("cam_"), fontsize=8)


def draw_timing(figure: Figure | SubFigure, episode: Episode) -> None:
    """Left: time between steps. Right: how old each stream's newest data was at its step."""
    left, right = figure.subplots(1, 2)
    seconds = _seconds(episode)
    for axes in (left, right):
        _shade(axes, episode)
        axes.set_xlabel("time [s]", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.margins(x=0)
    if episode.steps > 1:
        period = np.diff(episode.step_ns) / 1e6
        left.plot(seconds[1:], period, color=_COLOURS["position"], lw=0.8)
        p99 = np.percentile(np.abs(period - 1e3 / episode.info.fps), 99)
        left.set_title(f"period: nominal {1e3 / episode.info.fps:.1f} ms, p99 deviation {p99:.2f} ms", fontsize=8)
    left.set_ylabel("between steps [ms]", fontsize=8)
    left.set_ylim(bottom=0)
    stamps = np.concatenate([episode.joint_ns, episode.camera_ns], axis=1)
    for s, stream in enumerate(episode.info.streams):
        age = (episode.step_ns - stamps[:, s]) / 1e6
        there = episode.valid[:, s] != Validity.MISSING
        right.plot(seconds, np.where(there, age, np.nan), lw=0.8, label=stream)
        missing = int((~there).sum())
        if missing:
            right.plot(seconds[~there], np.zeros(missing), "x", color="#b00020", ms=4)
    right.set_title(_losses(episode), fontsize=8)
    right.set_ylabel("age at the step [ms]", fontsize=8)
    if episode.info.streams:
        right.set_ylim(top=right.get_ylim()[1] * 1.3)
        right.legend(loc="upper left", fontsize=6, ncols=3, frameon=False)


def _strip_height(episode: Episode) -> float:
    """[inch] so that the pictures fill the width of the page."""
    return 0.3 + sum(14 / (_STRIP + 0.6) * _ratio(camera) for camera in episode.info.cameras)


def _ratio(camera: CameraInfo) -> float:
    """Height by width of the place for a camera's pictures: bounded, for a picture can be one pixel wide."""
    return min(max(camera.height / camera.width, _NARROWEST), 1 / _NARROWEST)


def _title(episode: Episode) -> str:
    info, recorded = episode.info, episode.recorded
    facts = [info.task, f"rig {info.rig}", recorded.outcome, f"{counted(episode.steps, 'step')} at {info.fps:g} Hz"]
    facts += [f"policy {info.policy}"] if info.policy else []
    facts += [f"operator {info.operator}"] if info.operator else []
    facts += [f"fault: {recorded.fault}"] if recorded.fault else []
    return f"{episode.id}   " + "  ·  ".join(fact for fact in facts if fact)


def _losses(episode: Episode) -> str:
    losses = episode.recorded.losses.values()
    missing, repeated, skipped = (
        sum(getattr(loss, name) for loss in losses) for name in ("missing", "repeated", "skipped")
    )
    return f"frames: {missing} missing, {repeated} repeated, {skipped} skipped"


def _seconds(episode: Episode) -> NDArray[np.float64]:
    return np.asarray((episode.step_ns - episode.step_ns[0]) / 1e9, np.float64)


def _joint_columns(episode: Episode) -> list[list[int]]:
    """The numbers of the joints, one list per arm (joints that share the first word of their names)."""
    columns: dict[str, list[int]] = {}
    for j, name in enumerate(episode.info.joint_names):
        arm, _, rest = name.partition("_")
        columns.setdefault(arm if rest and not rest.isdigit() else "", []).append(j)
    return list(columns.values())


def _joint_rows(episode: Episode) -> int:
    return max(len(joints) for joints in _joint_columns(episode))


def _shade(axes: Axes, episode: Episode) -> None:
    seconds = _seconds(episode)
    for mode, colour in _SHADES.items():
        for first, last in runs(episode.mode == mode):
            axes.axvspan(seconds[first], seconds[min(last + 1, episode.steps - 1)], color=colour, lw=0, zorder=0)


def _legend(episode: Episode) -> list[Line2D | Patch]:
    lines: list[Line2D | Patch] = [
        Line2D([], [], color=_COLOURS["position"], label="position"),
        Line2D([], [], color=_COLOURS["command"], label="command"),
        Patch(color=_COLOURS["error"], label="error (right axis)"),
    ]
    return lines + [Patch(color=_SHADES[mode], label=_NAMES[mode]) for mode in _SHADES if (episode.mode == mode).any()]


def _thumbnail(image: Image) -> Image:
    stride = max(1, max(image.shape[:2]) // 240)
    return image[::stride, ::stride]
