"""``il-robot train``: demonstrations in, a run folder out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console
from rich.progress import Progress as Bar

from il_robot.errors import BadInput
from il_robot.policies.catalogue import PolicyName, build
from il_robot.policies.resnet import start_from_imagenet
from il_robot.training.checkpoint import weights_path
from il_robot.training.demonstrations import Demonstrations, demonstrations
from il_robot.training.description import CONFIG, Description, write_description
from il_robot.training.device import check_device
from il_robot.training.display import note, progress_bar, sum_up
from il_robot.training.distributed import World, joined
from il_robot.training.frames import Frames
from il_robot.training.images import decode_images
from il_robot.training.judge import simulated_judge
from il_robot.training.loop import Result, Training
from il_robot.training.memory import keep_freed_memory, told_memory
from il_robot.training.plan import Changes, described, resumed
from il_robot.training.presets import PresetName
from il_robot.training.recipe import Precision, Recipe
from il_robot.training.runs import compare
from il_robot.training.tensorboard import Board
from il_robot.training.windows import Windows, gather
from il_robot.types import Image

_HINT = "(default: the preset's)"
_BY_PRESET = tyro.conf.arg(help_behavior_hint=_HINT)
_NUMBER = tyro.conf.arg(help_behavior_hint=_HINT, metavar="INT")
_REAL = tyro.conf.arg(help_behavior_hint=_HINT, metavar="FLOAT")
_NAMES = tyro.conf.arg(help_behavior_hint=_HINT, metavar="[NAME ...]")


@dataclass(frozen=True)
class Computing:
    """How it is computed; the same result but for rounding."""

    device: str = "cpu"
    """cpu, or cuda."""
    threads: Annotated[int | None, _NUMBER] = None
    """CPU threads, 0 = all cores."""
    workers: Annotated[int | None, _NUMBER] = None
    """Processes that decode images while training; 0 = decode all once before, at the policy's resolution."""
    accumulate: Annotated[int | None, _NUMBER] = None
    """Parts in which a batch is computed where it does not fit the memory."""
    precision: Annotated[Precision | None, tyro.conf.arg(help_behavior_hint=_HINT, metavar="{fp32,bf16}")] = None
    """bf16: half the memory, and far quicker where the processor has it."""
    compile: Annotated[bool | None, tyro.conf.arg(help_behavior_hint=_HINT, metavar="{True,False}")] = None
    """torch.compile: a minute or more before the first step, quicker steps after."""


@dataclass(frozen=True)
class Augmenting:
    """Random changes of training images, as shares; 0 = none."""

    shift: Annotated[float | None, _REAL] = None
    """Farthest that an image is moved, as a share of its height and width."""
    colour: Annotated[float | None, _REAL] = None
    """Most that brightness, contrast and saturation change."""


def train(
    policy: Annotated[PolicyName, tyro.conf.Positional],
    datasets: Annotated[tuple[Path, ...], tyro.conf.Positional],
    *,
    out: Path,
    preset: PresetName = "tiny",
    steps: Annotated[int | None, _NUMBER] = None,
    batch: Annotated[int | None, _NUMBER] = None,
    learning_rate: Annotated[float | None, _REAL] = None,
    chunk_size: Annotated[int | None, _NUMBER] = None,
    history: Annotated[int | None, _NUMBER] = None,
    cameras: Annotated[tuple[str, ...] | None, _NAMES] = None,
    weights: Annotated[tuple[float, ...], tyro.conf.arg(help_behavior_hint="", metavar="[FLOAT ...]")] = (),
    imagenet: Path | None = None,
    seed: int = 0,
    seeds: Annotated[tuple[int, ...], tyro.conf.arg(help_behavior_hint="", metavar="[INT ...]")] = (),
    rollouts: int = 0,
    tensorboard: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    augmenting: Annotated[Augmenting, tyro.conf.OmitArgPrefixes] = Augmenting(),
    computing: Annotated[Computing, tyro.conf.OmitArgPrefixes] = Computing(),
) -> Result:
    """Trains a policy on demonstrations.

    Ctrl-C saves; the same command with --resume goes on exactly as if it had never stopped. With --resume and a
    larger --steps a finished run trains on. docs/training.md tells of several datasets, GPUs and machines.

    Examples:
        il-robot train act data/transfer_cube --out runs/act
        il-robot train bc data/transfer_cube --out runs/look --preset tiny-image --cameras cam_high
        il-robot train act data/mine data/other --weights 1 0.5 --out runs/together
        il-robot train act data/transfer_cube --out runs/three --seeds 0 1 2 --rollouts 20
        torchrun --nproc-per-node 8 -m il_robot.cli train act data/towel --out runs/towel --preset gpu --device cuda

    Args:
        policy: Which policy.
        datasets: Folders of episodes; steps that a human drove in successful episodes are learned from.
        out: The folder of this run: configuration, metrics, loss curve, checkpoint.
        preset: What is left open below. tiny: joints and object poses, minutes on two CPU cores. tiny-image: joints
            and one camera instead, the same. gpu: all cameras, bf16 and torch.compile. paper: the dimensions that
            were published, all cameras.
        steps: Training steps.
        batch: Windows per step.
        learning_rate: Largest learning rate.
        chunk_size: Actions per prediction.
        history: Newest observations that the policy sees, 1 = no past.
        cameras: Cameras that the policy looks at.
        weights: Co-training: how often each dataset is seen, relative to the others. The policy is for the first
            one's rig; what others lack is padded. Without: all windows are seen equally often, on one rig.
        imagenet: Start each ResNet-18 from this safetensors file of torchvision's resnet18. Without: random weights.
        seed: Of the weights, the order of samples and the styles.
        seeds: Train once for each of these, in OUT/seed_N, and compare.
        rollouts: Fresh starts driven in simulation at every save; the checkpoint "best" is then the one that held
            most. 0: the one with the lowest validation loss.
        tensorboard: Write what metrics.jsonl tells for TensorBoard too.
        resume: Go on with the run in --out where it was stopped, with its own configuration.
    """
    check_device(computing.device)
    for one in (seed, *seeds):
        if one < 0:
            raise BadInput(f"--seed {one} must be at least 0")
    if rollouts < 0:
        raise BadInput(f"--rollouts {rollouts} must be at least 0")
    if len(set(seeds)) < len(seeds):
        raise BadInput(f"--seeds {' '.join(map(str, seeds))}: one is named twice")
    settings = asdict(computing) | {"imagenet": None if imagenet is None else str(imagenet)}
    device = settings.pop("device")
    changes = Changes(steps, batch, learning_rate, chunk_size, cameras, history, **asdict(augmenting), **settings)
    chosen = demonstrations(datasets, weights)
    runs = {out / f"seed_{one}": one for one in seeds} or {out: seed}
    # All is checked before the first run begins.
    planned = {run: _planned(run, policy, preset, changes, chosen, one, resume) for run, one in runs.items()}
    with joined(device) as (world, own_device):
        many = _Command(chosen, own_device, world, rollouts, tensorboard)
        results = [many.run(description, run, resume) for run, description in planned.items()]
    if seeds and world.first:
        compare((out,))
    return results[-1]


def _planned(
    run: Path,
    policy: PolicyName,
    preset: PresetName,
    changes: Changes,
    chosen: Demonstrations,
    seed: int,
    resume: bool,
) -> Description:
    if resume:
        return resumed(run, policy, chosen, changes)
    if (run / CONFIG).exists():
        raise BadInput(f"{run}: there is a run already; add --resume to go on with it, or choose another --out")
    return described(policy, preset, changes, chosen, seed)


@dataclass(frozen=True)
class _Command:
    """What all runs of one command share."""

    chosen: Demonstrations
    device: str
    world: World
    rollouts: int
    tensorboard: bool

    def run(self, description: Description, out: Path, resume: bool) -> Result:
        """One run, or this process's part of it. Raises KeyboardInterrupt when it was stopped; it is saved then."""
        recipe = description.recipe
        keep_freed_memory()
        torch.set_num_threads(recipe.threads or torch.get_num_threads())
        if self.world.first:
            _make(out)
        self.world.wait()
        console = Console(quiet=not self.world.first)
        with ExitStack() as stack, told_memory(self.device, _less_memory(recipe)):
            bar = stack.enter_context(progress_bar(console))
            training = self._training(description, out, bar, stack)
            # Killed before its first save, a run has nothing to go on from: it begins again.
            if resume and weights_path(out, "resume").exists():
                training.resume()
            if self.world.first:
                write_description(out, description)
            board = Board(out, training.step) if self.tensorboard and self.world.first else None
            stack.enter_context(closing(board) if board is not None else nullcontext())
            task = bar.add_task(f"train {description.policy}", total=recipe.steps, completed=training.step, note="")
            result = training.fit(lambda p: bar.update(task, completed=p.step, note=note(p)), board)
        sum_up(console, result, out)
        if result.stopped:
            raise KeyboardInterrupt
        return result

    def _training(self, description: Description, out: Path, bar: Bar, stack: ExitStack) -> Training:
        windows = self._windows(description, out, bar, validation=False)
        looks_back = bool(self.chosen.validation) and self.world.first
        validation = self._windows(description, out, bar, validation=True) if looks_back else None
        torch.manual_seed(description.seed)
        network = build(description.network, description.inputs)
        if not weights_path(out, "resume").exists():
            start_from_imagenet(network, description.recipe.imagenet)
        judge = None
        if self.rollouts and self.world.first:
            judge = stack.enter_context(simulated_judge(description, self.rollouts, self.device))
        run = (description.recipe, out, description.seed, self.device)
        return Training(network, windows, validation, *run, world=self.world, judge=judge)

    def _windows(self, description: Description, out: Path, bar: Bar, *, validation: bool) -> Windows:
        inputs, recipe = description.inputs, description.recipe
        episodes = self.chosen.validation if validation else self.chosen.train
        rows = gather(episodes, inputs)
        images: Mapping[str, Image | Frames]
        if recipe.workers:
            images = {camera.name: Frames(episodes, camera) for camera in inputs.cameras}
        else:
            frames = sum(episode.steps for episode in episodes) * len(inputs.cameras)
            task = bar.add_task("decode images", total=frames, visible=bool(frames), note="")
            threads = recipe.threads or torch.get_num_threads()
            images = decode_images(episodes, inputs.cameras, out, lambda count: bar.advance(task, count), threads)
        shares = None if validation else self.chosen.shares(rows)
        return Windows(rows, images, description.statistics, description.network.chunk_size, shares, inputs)


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out {out}: {error.strerror}") from None


def _less_memory(recipe: Recipe) -> str:
    parts = f"--accumulate {recipe.accumulate * 2}, a smaller --batch than {recipe.batch}"
    return f"try {parts}, or fewer --cameras"
