"""From a preset and what is changed of it to the complete description of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from il_robot.counted import counted
from il_robot.errors import BadInput, nearest
from il_robot.policies.catalogue import PolicyName
from il_robot.policies.inputs import LARGEST_SIZE, CameraInput, Inputs
from il_robot.rig import Rig
from il_robot.training.alignment import check_complete
from il_robot.training.demonstrations import Demonstrations
from il_robot.training.description import Data, Description, this_software
from il_robot.training.fingerprint import fingerprint
from il_robot.training.presets import PRESETS, Preset, PresetName
from il_robot.training.recipe import Augmentation, Recipe
from il_robot.training.settings import changed
from il_robot.training.statistics import Statistics
from il_robot.training.windows import check_chunk, gather

FIRST_PRESET: PresetName = "tiny"
LEAST_SIZE = 8
"""Of an image's height and width, where somebody asks for one."""


@dataclass(frozen=True)
class Changes:
    """What was asked of a run; None and what is not named leave it to the preset, or to the run that goes on."""

    preset: PresetName | None = None
    seed: int | None = None
    cameras: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    """Height and width at which it looks at each of them."""
    history: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the network and the recipe, by their paths; see :mod:`il_robot.training.settings`."""


def preset_of(policy: PolicyName, name: PresetName = FIRST_PRESET) -> Preset:
    """Raises BadInput when the policy has no such preset."""
    if (policy, name) not in PRESETS:
        known = ", ".join(name for one, name in PRESETS if one == policy)
        raise BadInput(f"--preset {name}: {policy} has no such preset; allowed: {known}")
    return PRESETS[policy, name]


def described(policy: PolicyName, changes: Changes, demonstrations: Demonstrations) -> Description:
    """A new run. Raises BadInput when the data cannot be what the preset or the changes ask for."""
    name = changes.preset or FIRST_PRESET
    preset = preset_of(policy, name)
    network, recipe = changed(preset.network, preset.recipe, changes.settings)
    recipe = _in_time(recipe, asked="recipe.warm_up" in changes.settings)
    rig = demonstrations.rig()
    inputs = _inputs(preset, rig, changes, demonstrations.datasets[0])
    if not inputs.cameras:
        recipe = _without_images(recipe, changes.settings)
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
        seed=changes.seed or 0,
        data=Data(
            datasets=tuple(map(str, demonstrations.datasets)),
            train=tuple(episode.id for episode in train),
            validation=tuple(episode.id for episode in validation),
            task=train[0].info.task,
            weights=demonstrations.weights,
            calibrations=tuple(sorted({episode.info.calibration for episode in train} - {""})),
            fingerprints=tuple(fingerprint(episode, inputs) for episode in (*train, *validation)),
        ),
        software=this_software(),
        preset=name,
    )


def _in_time(recipe: Recipe, *, asked: bool) -> Recipe:
    """A preset's warm-up is for its own steps: of few it takes a tenth, or the learning rate would never arrive.

    Raises BadInput when somebody ``asked`` for a warm-up that the run is too short for.
    """
    if not asked:
        return replace(recipe, warm_up=min(recipe.warm_up, recipe.steps // 10))
    if recipe.warm_up >= recipe.steps:
        raise BadInput(
            f"warm_up={recipe.warm_up}: of {counted(recipe.steps, 'step')} the learning rate would never arrive; "
            f"allowed: 0 to {recipe.steps - 1}"
        )
    return recipe


def _without_images(recipe: Recipe, asked: Mapping[str, Any]) -> Recipe:
    """There is nothing to move or colour, and hiding the state would hide all. Raises BadInput when it is ``asked``."""
    for name in asdict(Augmentation()):
        if asked.get(f"recipe.augmentation.{name}"):
            share = asked[f"recipe.augmentation.{name}"]
            raise BadInput(f"{name} {share}: the policy looks at no camera; name some with --cameras")
    return replace(recipe, augmentation=Augmentation())


def _inputs(preset: Preset, rig: Rig, changes: Changes, dataset: Path) -> Inputs:
    """``dataset`` is the one that tells of the rig. Raises BadInput."""
    asked, history = changes.cameras, preset.history if changes.history is None else changes.history
    if asked is None:
        asked = {"none": (), "first": rig.camera_names[:1], "all": rig.camera_names}[preset.cameras]
        if preset.cameras != "none" and not asked:
            raise BadInput(f"{dataset}: has no camera, which this preset needs; use --preset tiny")
    for name in asked:
        if name not in rig.camera_names:
            raise BadInput(f"--cameras: {dataset} has no camera {name!r}; {nearest(name, rig.camera_names)}")
        if asked.count(name) > 1:
            raise BadInput(f"--cameras {' '.join(asked)}: {name} is named twice; name each camera once")
    if changes.size is not None and not asked:
        raise BadInput(f"--size {_size(changes.size)}: the policy looks at no camera; name some with --cameras")
    height, width = changes.size or (preset.image_height, preset.image_width)
    if not all(LEAST_SIZE <= length <= LARGEST_SIZE for length in (height, width)):
        raise BadInput(f"--size {_size((height, width))}; allowed: {LEAST_SIZE} to {LARGEST_SIZE} each")
    cameras = tuple(CameraInput(name, height, width, history) for name in asked)
    return Inputs(rig.joint_names, rig.objects if preset.objects else (), cameras, history)


def _size(size: tuple[int, int]) -> str:
    return " ".join(map(str, size))
