"""From a preset and what is changed of it to the complete description of a run."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from il_robot.errors import BadInput, nearest
from il_robot.policies.catalogue import PolicyName
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.rig import Rig
from il_robot.training.alignment import check_complete
from il_robot.training.demonstrations import Demonstrations
from il_robot.training.description import Data, Description, read_description, this_software
from il_robot.training.presets import PRESETS, Preset, PresetName
from il_robot.training.recipe import Precision, Recipe
from il_robot.training.statistics import Statistics
from il_robot.training.windows import check_chunk, gather


@dataclass(frozen=True)
class Changes:
    """What a run changes of its preset; None leaves it. Names that a recipe has too change the recipe."""

    steps: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    chunk_size: int | None = None
    cameras: tuple[str, ...] | None = None
    history: int | None = None
    shift: float | None = None
    colour: float | None = None
    imagenet: str | None = None
    threads: int | None = None
    accumulate: int | None = None
    precision: Precision | None = None
    compile: bool | None = None
    workers: int | None = None


def described(
    policy: PolicyName, preset_name: PresetName, changes: Changes, demonstrations: Demonstrations, seed: int
) -> Description:
    """A new run. Raises BadInput when the data cannot be what the preset or the changes ask for."""
    if (policy, preset_name) not in PRESETS:
        known = ", ".join(name for one, name in PRESETS if one == policy)
        raise BadInput(f"--preset {preset_name}: {policy} has no such preset; allowed: {known}")
    preset = PRESETS[policy, preset_name]
    rig = demonstrations.rig()
    inputs = _inputs(preset, rig, changes)
    if not demonstrations.weights:
        for episode in (*demonstrations.train, *demonstrations.validation):
            check_complete(episode, inputs)
    rows = gather(demonstrations.train, inputs)
    network = preset.network
    if changes.chunk_size is not None:
        network = replace(network, chunk_size=changes.chunk_size)
    check_chunk(rows, network.chunk_size)
    train, validation = demonstrations.train, demonstrations.validation
    return Description(
        policy=policy,
        network=network,
        inputs=inputs,
        statistics=Statistics.of(rows.state_NS[rows.starts], rows.action_NJ[rows.starts], inputs.least_spread),
        rig=rig,
        recipe=_recipe(preset.recipe, changes),
        seed=seed,
        data=Data(
            datasets=tuple(map(str, demonstrations.datasets)),
            train=tuple(episode.id for episode in train),
            validation=tuple(episode.id for episode in validation),
            task=train[0].info.task,
            weights=demonstrations.weights,
            calibrations=tuple(sorted({episode.info.calibration for episode in train} - {""})),
        ),
        software=this_software(),
    )


def resumed(run: Path, policy: PolicyName, demonstrations: Demonstrations, changes: Changes) -> Description:
    """The run in ``run``, with more steps if ``changes`` say so. Raises BadInput when anything else differs."""
    description = read_description(run)
    if description.policy != policy:
        raise BadInput(f"{run}: a run of {description.policy}, not of {policy}")
    if replace(changes, steps=None) != Changes():
        raise BadInput("--resume goes on with the run's own configuration: leave all settings but --steps away")
    if description.data.train != tuple(episode.id for episode in demonstrations.train):
        raise BadInput(f"{run}: began with other episodes than these: start a new run")
    if description.data.weights != demonstrations.weights:
        weights = " ".join(f"{weight:g}" for weight in description.data.weights) or "none"
        raise BadInput(f"{run}: began with other --weights: {weights}")
    if changes.steps is None:
        return description
    if changes.steps < description.recipe.steps:
        raise BadInput(f"--steps {changes.steps}: the run has {description.recipe.steps}; --resume can only add some")
    return replace(description, recipe=replace(description.recipe, steps=changes.steps))


def _recipe(recipe: Recipe, changes: Changes) -> Recipe:
    shares = {name: value for name in ("shift", "colour") if (value := getattr(changes, name)) is not None}
    asked: dict[str, Any] = {
        field.name: value
        for field in fields(Recipe)
        if field.name != "augmentation" and (value := getattr(changes, field.name, None)) is not None
    }
    return replace(recipe, augmentation=replace(recipe.augmentation, **shares), **asked)


def _inputs(preset: Preset, rig: Rig, changes: Changes) -> Inputs:
    asked, history = changes.cameras, preset.history if changes.history is None else changes.history
    if asked is None:
        asked = {"none": (), "first": rig.camera_names[:1], "all": rig.camera_names}[preset.cameras]
        if preset.cameras != "none" and not asked:
            raise BadInput("the dataset has no camera, which this preset needs; use --preset tiny")
    for name in asked:
        if name not in rig.camera_names:
            raise BadInput(f"--cameras: the dataset has no camera {name!r}; {nearest(name, rig.camera_names)}")
    cameras = tuple(CameraInput(name, preset.image_height, preset.image_width, history) for name in asked)
    return Inputs(rig.joint_names, rig.objects if preset.objects else (), cameras, history)
