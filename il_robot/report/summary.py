"""The figures of a report, and those worth reading first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from il_robot.counted import counted
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.summary import DatasetSummary, summarise
from il_robot.report.evaluated import Evaluated
from il_robot.report.frames import CameraFrames, measure_cameras, skew_ms
from il_robot.report.loop import LATE_MS, LoopTiming, measure_loop
from il_robot.report.sources import Loaded, Trained
from il_robot.report.takeover import Takeovers, measure_takeovers
from il_robot.training.journal import steps_done

LATENCY_TICKS = 2
"""The human must drive within so many ticks of the press."""
ROUNDING = 1e-4
"""A float32 command may exceed the limit by this share."""


@dataclass(frozen=True)
class Recording:
    """One dataset."""

    name: str
    """``collected``, ``replayed`` or ``deployed``."""
    held: DatasetSummary
    loop: LoopTiming | None
    """None where nothing was recorded in real time."""
    cameras: tuple[CameraFrames, ...]
    skew_ms: float | None

    @property
    def lost(self) -> int:
        return sum(camera.lost for camera in self.cameras)

    @property
    def frames(self) -> int:
        return sum(camera.steps for camera in self.cameras)

    @property
    def successes(self) -> int:
        return self.held.outcomes.get("success", 0)


@dataclass(frozen=True)
class Training:
    """A training run in figures."""

    policy: str
    steps: int
    """Done."""
    asked_steps: int
    episodes: int
    """Trained on."""
    validation_episodes: int
    """Kept out of training, to measure it by."""
    loss: float | None
    """Newest logged."""
    validation: float | None
    cpu_s: float | None


@dataclass(frozen=True)
class Summary:
    """Every figure of the report."""

    recordings: tuple[Recording, ...]
    training: Training | None
    evaluation: Evaluated | None
    takeovers: Takeovers | None
    problems: tuple[str, ...]
    """One line for each source that is there and cannot be used."""
    out: Path
    """The page."""

    @property
    def size_bytes(self) -> int:
        return sum(recording.held.size_bytes for recording in self.recordings)


@dataclass(frozen=True)
class Headline:
    """One of the figures to read first."""

    label: str
    value: str
    note: str
    good: bool | None
    """Whether it is within its bound; None where there is no bound or no figure."""


def summarise_loop(loaded: Loaded, out: Path) -> Summary:
    """Measure everything that was loaded."""
    datasets = {"collected": loaded.demonstrations, "replayed": loaded.replays, "deployed": loaded.corrections}
    return Summary(
        recordings=tuple(_recording(name, dataset) for name, dataset in datasets.items() if dataset is not None),
        training=None if loaded.trained is None else _training(loaded.trained),
        evaluation=loaded.evaluated,
        takeovers=None if loaded.corrections is None else measure_takeovers(loaded.corrections.episodes),
        problems=tuple(loaded.problems),
        out=out,
    )


def _recording(name: str, dataset: Dataset) -> Recording:
    episodes = dataset.episodes
    return Recording(
        name, summarise(dataset.path), measure_loop(episodes), measure_cameras(episodes), skew_ms(episodes)
    )


def _training(trained: Trained) -> Training:
    def newest(key: str) -> float | None:
        return next((float(line[key]) for line in reversed(trained.metrics) if key in line), None)

    description = trained.description
    return Training(
        policy=description.policy,
        steps=max(map(steps_done, trained.metrics), default=0),
        asked_steps=description.recipe.steps,
        episodes=len(description.data.train),
        validation_episodes=len(description.data.validation),
        loss=newest("loss"),
        validation=newest("validation"),
        cpu_s=newest("cpu_s"),
    )


def headlines(summary: Summary) -> tuple[Headline, ...]:
    """What to read first: success, lost frames, lateness, takeover, command step."""
    return (
        _held(summary.evaluation),
        _lost(summary.recordings),
        _late(summary.recordings),
        *_takeover(summary.takeovers),
        Headline("on disk", size_text(summary.size_bytes), _minutes(summary.recordings), None),
    )


_BUSY = "; the machine was busy: they are marked as such, and nothing is shifted"


def _held(evaluation: Evaluated | None) -> Headline:
    if evaluation is None:
        return Headline("held success", "n/a", "no evaluation", None)
    held = evaluation.held
    note = f"{held.count} of {counted(held.of, 'fresh start')}; 95 % interval {held.low:.0%} to {held.high:.0%}"
    return Headline("held success", f"{held.rate:.0%}", note, None)


def _lost(recordings: tuple[Recording, ...]) -> Headline:
    frames = sum(recording.frames for recording in recordings)
    if not frames:
        return Headline("lost frames", "n/a", "nothing was recorded in real time", None)
    lost = sum(recording.lost for recording in recordings)
    note = f"of {frames:,} in real time; {_parts(recordings)}{_BUSY if lost else ''}"
    return Headline("lost frames", str(lost), note, lost == 0)


def _parts(recordings: tuple[Recording, ...]) -> str:
    return ", ".join(f"{recording.lost} {recording.name}" for recording in recordings if recording.frames)


def _late(recordings: tuple[Recording, ...]) -> Headline:
    loops = [(recording.name, recording.loop) for recording in recordings if recording.loop is not None]
    if not loops:
        return Headline("late ticks", "n/a", "nothing was recorded in real time", None)
    late = sum(loop.late + loop.missed for _, loop in loops)
    parts = ", ".join(f"{loop.late + loop.missed} {name}" for name, loop in loops)
    ticks = f"of {sum(loop.ticks for _, loop in loops):,}"
    note = f"{ticks}: more than {LATE_MS:g} ms late, or missed; {parts}{_BUSY if late else ''}"
    return Headline("late ticks", str(late), note, late == 0)


def _takeover(takeovers: Takeovers | None) -> tuple[Headline, Headline]:
    if takeovers is None:
        none = "nothing was deployed"
        return Headline("takeover", "n/a", none, None), Headline("largest command step", "n/a", none, None)
    if takeovers.interventions:
        ticks = counted(takeovers.latency_ticks, "tick")
        note = f"pedal heard to human driving, at most; {counted(takeovers.interventions, 'intervention')}"
        soon = Headline("takeover", ticks, note, takeovers.latency_ticks <= LATENCY_TICKS)
    else:
        soon = Headline("takeover", "n/a", "the human never took over", None)
    largest = takeovers.largest_step
    note = f"of the velocity limit; {takeovers.largest_handover_step:.0%} where the driver changes"
    return soon, Headline("largest command step", f"{largest:.0%}", note, largest <= 1 + ROUNDING)


def _minutes(recordings: tuple[Recording, ...]) -> str:
    episodes = sum(len(recording.held.episodes) for recording in recordings)
    minutes = sum(recording.held.minutes for recording in recordings)
    return f"{counted(episodes, 'episode')}, {minutes:.1f} minutes"


def size_text(size_bytes: int) -> str:
    """Decimal units, as disks are sold."""
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"
