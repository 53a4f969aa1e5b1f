"""From a preset and what is changed of it to the complete description of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from il_robot.training.settings import changed, settings_of, short_names, written
from il_robot.training.statistics import Statistics
from il_robot.training.windows import check_chunk, gather

STEPS = "recipe.steps"


@dataclass(frozen=True)
class Changes:
    """What a run changes of its preset; None and what is not named leave it."""

    cameras: tuple[str, ...] | None = None
    history: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the network and the recipe, by their paths; see :mod:`il_robot.training.settings`."""


def preset_of(policy: PolicyName, name: PresetName) -> Preset:
    """Raises BadInput when the policy has no such preset."""
    if (policy, name) not in PRESETS:
        known = ", ".join(name for one, name in PRESETS if one == policy)
        raise BadInput(f"--preset {name}: {policy} has no such preset; allowed: {known}")
    return PRESETS[policy, name]


def described(
    policy: PolicyName, preset: Preset, changes: Changes, demonstrations: Demonstrations, seed: int
) -> Description:
    """A new run. Raises BadInput when the data cannot be what the preset or the changes ask for."""
    network, recipe = changed(preset.network, preset.recipe, changes.settings)
    rig = demonstrations.rig()
    inputs = _inputs(preset, rig, changes)
    if not demonstrations.weights:
        for episode in (*demonstrations.train, *demonstrations.validation):
            check_complete(episode, inputs)
    rows = gather(demonstrations.train, inputs)
    check_chunk(rows, network.chunk_size)
    train, validation = demonstrations.train, demonstrations.validation
    return Description(
        policy=policy,
        network=network,
        inputs=inputs,
        statistics=Statistics.of(rows.state_NS[rows.starts], rows.action_NJ[rows.starts], inputs.least_spread),
        rig=rig,
        recipe=recipe,
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
    has = settings_of(description.network, description.recipe)
    has |= {"cameras": " ".join(c.name for c in description.inputs.cameras), "history": description.inputs.history}
    cameras = None if changes.cameras is None else " ".join(changes.cameras)
    asked = {**changes.settings, "cameras": cameras, "history": changes.history}
    steps = asked.pop(STEPS, has[STEPS])
    for path, value in asked.items():
        if value is not None and value != has[path]:
            name, here, there = short_names(has)[path], written(has[path]) or "none", written(value) or "none"
            raise BadInput(
                f"{run}: began with {name} {here}, not {there}: --resume goes on with the run's own configuration, "
                "only --steps may grow"
            )
    if description.data.train != tuple(episode.id for episode in demonstrations.train):
        raise BadInput(f"{run}: began with other episodes than these: start a new run")
    if description.data.weights != demonstrations.weights:
        weights = " ".join(f"{weight:g}" for weight in description.data.weights) or "none"
        raise BadInput(f"{run}: began with other --weights: {weights}")
    if not isinstance(steps, int) or steps < has[STEPS]:
        raise BadInput(f"--steps {steps}: the run has {has[STEPS]}; --resume can only add some")
    return replace(description, recipe=replace(description.recipe, steps=steps))


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
