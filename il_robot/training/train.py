"""``il-robot train``: demonstrations in, a run folder out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from il_robot.episodes.dataset import Dataset
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, nearest
from il_robot.policies.catalogue import PolicyName, build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.rig import Rig
from il_robot.training.checkpoint import weights_path
from il_robot.training.description import (
    CONFIG,
    Data,
    Description,
    read_description,
    rig_of,
    this_software,
    write_description,
)
from il_robot.training.device import check_device
from il_robot.training.images import decode_images
from il_robot.training.loop import Progress, Result, Training
from il_robot.training.presets import PRESETS, Preset, PresetName, Recipe
from il_robot.training.statistics import Statistics
from il_robot.training.windows import Rows, Windows, check_chunk, gather


@dataclass(frozen=True)
class Changes:
    """What a run changes of its preset; None leaves it."""

    steps: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    chunk_size: int | None = None
    cameras: tuple[str, ...] | None = None
    threads: int | None = None


def train(
    policy: Annotated[PolicyName, tyro.conf.Positional],
    datasets: Annotated[tuple[Path, ...], tyro.conf.Positional],
    *,
    out: Path,
    preset: PresetName = "tiny",
    steps: int | None = None,
    seed: int = 0,
    cameras: tuple[str, ...] | None = None,
    chunk_size: int | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    threads: int | None = None,
    device: str = "cpu",
    resume: bool = False,
) -> Result:
    """Trains a policy on demonstrations.

    Ctrl-C saves; the same command with --resume goes on exactly as if it had never stopped.

    Examples:
        il-robot train act data/transfer_cube --out runs/act
        il-robot train bc data/transfer_cube --out runs/look --preset tiny-image --cameras cam_high

    Args:
        policy: Which policy.
        datasets: Folders of episodes; steps that a human drove in successful episodes are learned from.
        out: The folder of this run: configuration, metrics, loss curve, checkpoint.
        preset: tiny: joints and object poses, two CPU cores, minutes. tiny-image: joints and one camera, the
            same. paper: all cameras, the original dimensions, a GPU.
        steps: Training steps. [default: the preset's]
        seed: Of the weights, the order of samples and the styles.
        cameras: Cameras that the policy looks at. [default: the preset's]
        chunk_size: Actions per prediction. [default: the preset's]
        batch: Windows per step. [default: the preset's]
        learning_rate: Largest learning rate. [default: the preset's]
        threads: CPU threads, 0 = all cores. [default: the preset's]
        device: cpu, or cuda.
        resume: Go on with the run in --out where it was stopped, with its own configuration.
    """
    check_device(device)
    if seed < 0:
        raise BadInput(f"--seed {seed} must be at least 0")
    changes = Changes(steps, batch, learning_rate, chunk_size, cameras, threads)
    train_episodes, validation_episodes = _split(datasets)
    if resume:
        description = _resumed(out, policy, train_episodes, changes)
    else:
        if (out / CONFIG).exists():
            raise BadInput(f"{out}: there is a run already; add --resume to go on with it, or choose another --out")
        description = _described(policy, preset, changes, datasets, train_episodes, validation_episodes, seed)
        _make(out)
    return _run(description, train_episodes, validation_episodes, out, device, resume)


def _split(datasets: Sequence[Path]) -> tuple[list[Episode], list[Episode]]:
    """Training and validation episodes of all datasets, without failures; training must have some."""
    if not datasets:
        raise BadInput("train: name at least one dataset")
    opened = [Dataset(path) for path in datasets]
    parts = [
        [episode for dataset in opened for episode in dataset.split(split) if episode.outcome != "failure"]
        for split in ("train", "validation")
    ]
    train_episodes, validation_episodes = parts
    if not train_episodes:
        train_episodes, validation_episodes = validation_episodes, []
    if not train_episodes:
        raise BadInput(f"{', '.join(map(str, datasets))}: every episode is marked a failure: nothing to imitate")
    return train_episodes, validation_episodes


def _described(
    policy: PolicyName,
    preset_name: PresetName,
    changes: Changes,
    datasets: Sequence[Path],
    train_episodes: Sequence[Episode],
    validation_episodes: Sequence[Episode],
    seed: int,
) -> Description:
    preset = PRESETS[policy, preset_name]
    rig = rig_of([*train_episodes, *validation_episodes])
    inputs = _inputs(preset, rig, changes.cameras)
    rows = gather(train_episodes, inputs)
    network = preset.network
    if changes.chunk_size is not None:
        network = replace(network, chunk_size=changes.chunk_size)
    check_chunk(rows, network.chunk_size)
    return Description(
        policy=policy,
        network=network,
        inputs=inputs,
        statistics=Statistics.of(rows.state_NS[rows.starts], rows.action_NJ[rows.starts], inputs.least_spread),
        rig=rig,
        recipe=_recipe(preset, changes),
        seed=seed,
        data=Data(
            datasets=tuple(str(path) for path in datasets),
            train=tuple(episode.id for episode in train_episodes),
            validation=tuple(episode.id for episode in validation_episodes),
            task=train_episodes[0].info.task,
            calibrations=tuple(sorted({e.info.calibration for e in train_episodes} - {""})),
        ),
        software=this_software(),
    )


def _recipe(preset: Preset, changes: Changes) -> Recipe:
    old = preset.recipe
    return replace(
        old,
        steps=old.steps if changes.steps is None else changes.steps,
        batch=old.batch if changes.batch is None else changes.batch,
        learning_rate=old.learning_rate if changes.learning_rate is None else changes.learning_rate,
        threads=old.threads if changes.threads is None else changes.threads,
    )


def _inputs(preset: Preset, rig: Rig, asked: tuple[str, ...] | None) -> Inputs:
    if asked is None:
        asked = {"none": (), "first": rig.camera_names[:1], "all": rig.camera_names}[preset.cameras]
        if preset.cameras != "none" and not asked:
            raise BadInput("the dataset has no camera, which this preset needs; use --preset tiny")
    for name in asked:
        if name not in rig.camera_names:
            raise BadInput(f"--cameras: the dataset has no camera {name!r}; {nearest(name, rig.camera_names)}")
    cameras = tuple(CameraInput(name, preset.image_height, preset.image_width) for name in asked)
    return Inputs(rig.joint_names, rig.objects if preset.objects else (), cameras)


def _resumed(out: Path, policy: PolicyName, train_episodes: Sequence[Episode], changes: Changes) -> Description:
    description = read_description(out)
    if description.policy != policy:
        raise BadInput(f"{out}: a run of {description.policy}, not of {policy}")
    if changes != Changes():
        raise BadInput("--resume goes on with the run's own configuration: leave the other settings away")
    if description.data.train != tuple(episode.id for episode in train_episodes):
        raise BadInput(f"{out}: began with other episodes than these: start a new run")
    return description


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out {out}: {error.strerror}") from None


def _run(
    description: Description,
    train_episodes: Sequence[Episode],
    validation_episodes: Sequence[Episode],
    out: Path,
    device: str,
    resume: bool,
) -> Result:
    recipe = description.recipe
    torch.set_num_threads(recipe.threads or torch.get_num_threads())
    console = Console()
    with _bar(console) as bar:
        windows = _windows(description, train_episodes, out, bar)
        validation = _windows(description, validation_episodes, out, bar) if validation_episodes else None
        torch.manual_seed(description.seed)
        network = build(description.network, description.inputs)
        training = Training(network, windows, validation, recipe, out, description.seed, device)
        # Killed before its first save, a run has nothing to go on from: it begins again.
        if resume and weights_path(out, "resume").parent.exists():
            training.resume()
        else:
            write_description(out, description)
        task = bar.add_task(f"train {description.policy}", total=recipe.steps, completed=training.step, note="")
        result = training.fit(lambda progress: bar.update(task, completed=progress.step, note=_note(progress)))
    _sum_up(console, result, out)
    return result


def _windows(description: Description, episodes: Sequence[Episode], out: Path, bar: Bar) -> Windows:
    rows: Rows = gather(episodes, description.inputs)
    cameras = description.inputs.cameras
    frames = sum(episode.steps for episode in episodes) * len(cameras)
    task = bar.add_task("decode images", total=frames, visible=bool(frames), note="")
    threads = description.recipe.threads or torch.get_num_threads()
    images = decode_images(episodes, cameras, out, lambda count: bar.advance(task, count), threads)
    return Windows(rows, images, description.statistics, description.network.chunk_size)


@contextmanager
def _bar(console: Console) -> Iterator[Bar]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn())
    with Bar(*columns, TextColumn("{task.fields[note]}"), TimeRemainingColumn(), console=console) as bar:
        yield bar


def _note(progress: Progress) -> str:
    return f"loss {progress.loss:.4f}  {progress.steps_per_s:.1f} steps/s  data wait {progress.waiting:.0%}"


def _sum_up(console: Console, result: Result, out: Path) -> None:
    loss = "nothing left to do" if math.isnan(result.loss) else f"loss {result.loss:.4f}"
    validation = "" if result.validation is None else f", validation {result.validation:.4f}"
    console.print(f"step {result.step}: {loss}{validation}, {result.cpu_s:.0f} s of CPU")
    console.print(f"policy: {weights_path(out, 'last')}", soft_wrap=True)
    if result.stopped:
        console.print("stopped and saved; the same command with --resume goes on", soft_wrap=True)
        raise KeyboardInterrupt
