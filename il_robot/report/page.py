"""Writes the report: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from il_robot import __version__
from il_robot.counted import counted
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.plot import joints_figure
from il_robot.episodes.reader import Episode
from il_robot.errors import Fault
from il_robot.report import figures
from il_robot.report.loop import LATE_MS, real_time
from il_robot.report.sources import Loaded, Sources, load
from il_robot.report.strip import Strip, strip
from il_robot.report.summary import LATENCY_TICKS, Summary, headlines, size_text, summarise_loop
from il_robot.report.takeover import human_spans, most_moved_joint

_NAMES = {"demonstrations": "collected", "replays": "replayed", "corrections": "deployed"}


@dataclass(frozen=True)
class Shown:
    """One episode in pictures."""

    id: str
    outcome: str
    steps: int
    facts: str
    strip: Strip | None


def write_report(sources: Sources, out: Path) -> Summary:
    """Measure the sources, draw them into the page ``out``, and give the figures.

    A source that is absent or cannot be used leaves its section with the reason; the latter are in
    :attr:`Summary.problems` too. Raises Fault when the page cannot be written.
    """
    loaded = load(sources)
    summary = summarise_loop(loaded, out)
    html = _template().render(
        summary=summary,
        headlines=headlines(summary),
        absent=loaded.absent,
        shown=_episodes(loaded),
        drawn=_figures(loaded),
        rig=_rig(loaded),
        sources={name: path for name, path in asdict(sources).items() if path is not None},
        version=__version__,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        late_ms=LATE_MS,
        latency_ticks=LATENCY_TICKS,
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        raise Fault(f"{out}: the report cannot be written: {error.strerror}") from None
    return summary


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "template"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["size"] = size_text
    environment.filters["counted"] = counted
    return environment.get_template("page.html")


def demonstration(dataset: Dataset) -> Episode:
    """The one to show: the first that was recorded in real time, else the first."""
    return next(iter(real_time(dataset.episodes)), dataset[0])


def deployment(dataset: Dataset) -> Episode:
    """The one to show: the first in which the human drove, else the first."""
    return next((episode for episode in dataset if human_spans(episode)), dataset[0])


def _episodes(loaded: Loaded) -> dict[str, Shown | None]:
    demonstrations, corrections = loaded.demonstrations, loaded.corrections
    return {
        "demonstration": None if demonstrations is None else _shown(demonstration(demonstrations)),
        "deployment": None if corrections is None else _shown(deployment(corrections)),
    }


def _shown(episode: Episode) -> Shown:
    info = episode.info
    facts = [f"task {info.task}" if info.task else "", f"operator {info.operator}" if info.operator else ""]
    facts += [f"{counted(episode.steps, 'step')} at {info.fps:g} Hz", f"marked {episode.outcome}"]
    return Shown(episode.id, episode.outcome, episode.steps, ", ".join(filter(None, facts)), strip(episode))


def _figures(loaded: Loaded) -> dict[str, Any]:
    """Name -> SVG or data URI; only those for which there is something to draw."""
    drawn: dict[str, Any] = {}
    datasets = {name: getattr(loaded, source) for source, name in _NAMES.items()}
    groups = {name: held.episodes for name, held in datasets.items() if held is not None and real_time(held.episodes)}
    if groups:
        drawn["lateness"] = figures.lateness(groups)
        drawn["periods"] = figures.period_errors(groups)
        every = [episode for group in groups.values() for episode in group]
        if any(episode.info.cameras for episode in every):
            drawn["ages"] = figures.frame_ages(every)
    if loaded.trained is not None and loaded.trained.metrics:
        drawn["curve"] = figures.training_curve(loaded.trained.metrics)
    if loaded.evaluated is not None:
        drawn["milestones"] = figures.milestones(loaded.evaluated)
    if loaded.corrections is not None and (episode := deployment(loaded.corrections)).steps:
        drawn["joint"] = episode.info.joints[most_moved_joint(episode)].name.replace("_", " ")
        drawn["driving"] = figures.driving(episode)
        drawn["joints"] = _joints(episode)
        if human_spans(episode):
            drawn["takeover"] = figures.takeover_close_up(episode)
    return drawn


def _joints(episode: Episode) -> str:
    png = io.BytesIO()
    joints_figure(episode).savefig(png, format="png", dpi=72)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")


def _rig(loaded: Loaded) -> str:
    """What was driven, in one line."""
    dataset = loaded.demonstrations or loaded.corrections or loaded.replays
    if dataset is None:
        return ""
    info = dataset[0].info
    cameras = ", ".join(dict.fromkeys(f"{camera.width} by {camera.height}" for camera in info.cameras))
    parts = [
        f"rig {info.rig}" if info.rig else "",
        f"{counted(len(info.followers), 'follower arm')}, {counted(len(info.joints), 'joint')}",
    ]
    parts += [
        f"{counted(len(info.cameras), 'camera')}, {cameras} pixels" if cameras else "no camera",
        f"{info.fps:g} Hz",
    ]
    return " · ".join(filter(None, parts))
