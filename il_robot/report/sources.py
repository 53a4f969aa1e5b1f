"""What a report is made from: real files only, each of which may be absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from il_robot.episodes.dataset import Dataset
from il_robot.errors import BadInput
from il_robot.report.evaluated import Evaluated, read_evaluated

if TYPE_CHECKING:
    from il_robot.training.description import Description

T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """The paths. Where one is None or missing, the page says so in place of the section."""

    demonstrations: Path | None = None
    """Dataset that was trained on; recorded in real time, in simulation, or both."""
    replays: Path | None = None
    """Dataset of replayed episodes."""
    run: Path | None = None
    """Folder of the training run."""
    evaluation: Path | None = None
    """What ``il-robot evaluate --json`` printed."""
    corrections: Path | None = None
    """Dataset of deployed episodes, those with interventions among them."""


@dataclass(frozen=True)
class Trained:
    """A training run."""

    path: Path
    description: Description
    metrics: list[dict[str, Any]]
    """Lines of ``metrics.jsonl``."""


@dataclass
class Loaded:
    """What could be read, and in words why the rest could not."""

    demonstrations: Dataset | None = None
    replays: Dataset | None = None
    trained: Trained | None = None
    evaluated: Evaluated | None = None
    corrections: Dataset | None = None
    absent: dict[str, str] = field(default_factory=dict)
    """Name of the source -> why it is not there."""
    problems: list[str] = field(default_factory=list)
    """Sources that are there and cannot be used."""


def load(sources: Sources) -> Loaded:
    """Read what is there."""
    loaded = Loaded()
    loaded.demonstrations = _read(loaded, "demonstrations", sources.demonstrations, Dataset)
    loaded.replays = _read(loaded, "replays", sources.replays, Dataset)
    loaded.trained = _read(loaded, "run", sources.run, _trained)
    loaded.evaluated = _read(loaded, "evaluation", sources.evaluation, _evaluated)
    loaded.corrections = _read(loaded, "corrections", sources.corrections, Dataset)
    if loaded.evaluated and loaded.trained and _is_of_another_run(loaded.evaluated, loaded.trained):
        run, policy = loaded.evaluated.run or "a run", loaded.evaluated.policy
        ours = f"{loaded.trained.path} ({loaded.trained.description.policy})"
        _leave_out(loaded, "evaluation", f"{sources.evaluation}: of another run: {run} ({policy}), not {ours}")
        loaded.evaluated = None
    return loaded


def _read(loaded: Loaded, name: str, path: Path | None, read: Callable[[Path], T]) -> T | None:
    if path is None or not path.exists():
        loaded.absent[name] = "none was given" if path is None else f"{path} is not there"
        return None
    try:
        return read(path)
    except BadInput as error:
        _leave_out(loaded, name, str(error))
        return None


def _leave_out(loaded: Loaded, name: str, why: str) -> None:
    loaded.absent[name] = why
    loaded.problems.append(why)


def _is_of_another_run(evaluated: Evaluated, trained: Trained) -> bool:
    """Whether that is certain: of an older evaluation only the policy tells, for folders are moved and copied."""
    from il_robot.training.identity import identity  # brings torch along, as _trained did

    if evaluated.policy != trained.description.policy:
        return True
    return evaluated.identity not in ("", identity(trained.description))


def _trained(path: Path) -> Trained:
    # Brings torch along, which a page without a training run does not need.
    from il_robot.training.description import read_description
    from il_robot.training.journal import read_metrics

    return Trained(path, read_description(path), read_metrics(path))


def _evaluated(path: Path) -> Evaluated:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except ValueError:
        raise BadInput(f"{path}: not JSON: it must be what il-robot evaluate --json printed") from None
    return read_evaluated(data, str(path))
