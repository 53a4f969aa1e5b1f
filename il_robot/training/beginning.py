"""What a run is told to learn from, said before its first step: how much, what is left out and why, what differs."""

from __future__ import annotations

from collections.abc import Iterator

from il_robot.counted import counted, few
from il_robot.policies.inputs import Inputs
from il_robot.training.demonstrations import Demonstrations
from il_robot.training.description import Description
from il_robot.training.loader import processes
from il_robot.training.presets import PRESETS
from il_robot.training.windows import Rows


def told_data(chosen: Demonstrations, train: Rows, validation: Rows | None, inputs: Inputs) -> Iterator[str]:
    """A line on what is learned from, and one for everything that is left out of it."""
    parts = [f"training on {_size(train)}"]
    if validation is not None:
        parts.append(f"validation on {_size(validation)}")
    else:
        parts.append("no validation: none of these episodes falls into its tenth, which their names decide")
    yield "; ".join(parts)
    for path, why in chosen.left_out.items():
        yield f"left out: {path}: {why.removeprefix(f'{path}: ').removeprefix(f'{path}/')}"
    if chosen.failures:
        yield f"left out: {counted(len(chosen.failures), 'episode')} marked a failure ({few(chosen.failures)})"
    yield from _steps_left_out("training", train)
    if validation is not None:
        yield from _steps_left_out("validation", validation)
    yield from _padded(chosen, inputs)


def _size(rows: Rows) -> str:
    return f"{counted(len(rows.episodes), 'episode')}, {len(rows.starts)} of {counted(len(rows.step_N), 'step')}"


def _steps_left_out(what: str, rows: Rows) -> Iterator[str]:
    for reason in dict.fromkeys(reason for left_out in rows.left_out for reason in left_out):
        where = {
            episode: left_out[reason]
            for episode, left_out in zip(rows.episodes, rows.left_out, strict=True)
            if reason in left_out
        }
        most = sorted(where, key=lambda episode: -where[episode])
        yield f"left out of {what}: {counted(sum(where.values()), 'step')} {reason} ({few(most)})"


def _padded(chosen: Demonstrations, inputs: Inputs) -> Iterator[str]:
    """Of co-training: what other datasets lack. A misspelt camera would be black without a word."""
    for number, path in enumerate(chosen.datasets if chosen.weights else ()):
        infos = [e.info for e, own in zip(chosen.train, chosen.dataset, strict=True) if own == number]
        for what, names, there, instead in (
            ("joint", inputs.joints, [info.joint_names for info in infos], "not in the loss"),
            ("camera", [camera.name for camera in inputs.cameras], [info.camera_names for info in infos], "black"),
            ("object", inputs.objects, [info.objects for info in infos], "taken to be at its mean"),
        ):
            lacking = [name for name in names if not all(name in known for known in there)]
            if lacking:
                one = len(lacking) == 1
                yield f"{path}: lacks {what if one else what + 's'} {', '.join(lacking)}: {instead}"


def told_recipe(description: Description) -> Iterator[str]:
    """A line for each thing that is done otherwise than the recipe or its preset says."""
    if (warm_up := _warm_up(description)) is not None:
        yield warm_up
    workers = description.recipe.workers
    if processes(workers) < workers:
        yield f"workers: {processes(workers)} instead of {workers}, one for each core"


def _warm_up(description: Description) -> str | None:
    """Where the steps are too few for the preset's warm-up: how long it is instead."""
    recipe, preset = description.recipe, description.preset
    usual = next((PRESETS[key].recipe.warm_up for key in PRESETS if key == (description.policy, preset)), None)
    if usual is None or recipe.warm_up >= usual or recipe.warm_up != recipe.steps // 10:  # that one was asked for
        return None
    return (
        f"warm-up: {recipe.warm_up} of {counted(recipe.steps, 'step')} instead of the {usual} of preset {preset}, "
        "so that the learning rate arrives in time"
    )
