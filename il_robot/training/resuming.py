"""A run that goes on (``--resume``): it is what it was, and learns from what it learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.policies.catalogue import PolicyName
from il_robot.policies.inputs import Inputs
from il_robot.training.demonstrations import Demonstrations
from il_robot.training.description import Data, Description, read_description
from il_robot.training.fingerprint import fingerprint
from il_robot.training.plan import Changes
from il_robot.training.settings import changed, settings_of, short_names, written

STEPS = "recipe.steps"
FREE = (STEPS, "recipe.threads", "recipe.workers", "recipe.accumulate")
"""What may be another from one part of a run to the next: of steps only more, accumulate only against the number of
processes."""


def resumed(run: Path, policy: PolicyName, changes: Changes, demonstrations: Demonstrations) -> Description:
    """The run in ``run``, with what may be another as ``changes`` say. Raises BadInput when anything else differs."""
    description = read_description(run)
    if description.policy != policy:
        raise BadInput(f"{run}: a run of {description.policy}, not of {policy}")
    _check_settings(run, description, changes)
    _check_data(run, description, demonstrations)
    free = {path: value for path, value in changes.settings.items() if path in FREE}
    steps, has = free.get(STEPS, description.recipe.steps), description.recipe.steps
    if steps < has:
        raise BadInput(f"--steps {steps}: the run has {has}; --resume can only add some")
    _, recipe = changed(description.network, description.recipe, free)
    return replace(description, recipe=recipe)


def _check_settings(run: Path, description: Description, changes: Changes) -> None:
    has = settings_of(description.network, description.recipe) | {
        "cameras": " ".join(camera.name for camera in description.inputs.cameras),
        "size": " ".join(sorted({f"{camera.height} {camera.width}" for camera in description.inputs.cameras})),
        "history": description.inputs.history,
        "preset": description.preset,
        "seed": description.seed,
    }
    asked = {path: value for path, value in changes.settings.items() if path not in FREE} | {
        "cameras": None if changes.cameras is None else " ".join(changes.cameras),
        "size": None if changes.size is None else " ".join(map(str, changes.size)),
        "history": changes.history,
        "preset": changes.preset if description.preset else None,
        "seed": changes.seed,
    }
    for path, value in asked.items():
        if value is not None and value != has[path]:
            name, here, there = short_names(has)[path], written(has[path]) or "none", written(value) or "none"
            raise BadInput(
                f"{run}: began with {name} {here}, not {there}: --resume goes on with the run's own configuration; "
                "only --steps may grow, and --device, --threads, --workers and --tensorboard be others"
            )


def _check_data(run: Path, description: Description, demonstrations: Demonstrations) -> None:
    data = description.data
    if data.weights != demonstrations.weights:
        weights = " ".join(f"{weight:g}" for weight in data.weights) or "none"
        raise BadInput(f"{run}: began with other --weights: {weights}")
    _check_names(run, "training", data.train, demonstrations.train)
    _check_names(run, "validation", data.validation, demonstrations.validation)
    _check_contents(run, data, demonstrations, description.inputs)


def _check_names(run: Path, what: str, began: Sequence[str], episodes: Sequence[Episode]) -> None:
    now = [episode.id for episode in episodes]
    odd = [f"with {name}, which is not among these" for name in began if name not in now]
    odd += [f"without {name}" for name in now if name not in began]
    if odd or list(began) != now:
        told = odd[0] if odd else "in another order of datasets"
        raise BadInput(f"{run}: began with other {what} episodes: {told}; start a new run in another --out")


def _check_contents(run: Path, data: Data, demonstrations: Demonstrations, inputs: Inputs) -> None:
    episodes = (*demonstrations.train, *demonstrations.validation)
    for episode, began in zip(episodes, data.fingerprints, strict=False):  # a run may know none
        if fingerprint(episode, inputs) != began:
            raise BadInput(
                f"{run}: began with other contents of {episode.path}, which was changed since; "
                "start a new run in another --out"
            )
