"""``il-robot train``: demonstrations in, a run folder out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro

from il_robot.counted import counted
from il_robot.errors import BadInput, Fault
from il_robot.policies.catalogue import PolicyName
from il_robot.training.demonstrations import demonstrations
from il_robot.training.description import LARGEST_SEED
from il_robot.training.device import check_device
from il_robot.training.distributed import joined
from il_robot.training.fitting import Fitting
from il_robot.training.plan import FIRST_PRESET, Changes, preset_of
from il_robot.training.presets import PresetName
from il_robot.training.progress import Result
from il_robot.training.recipe import Precision
from il_robot.training.runs import compare
from il_robot.training.settings import read_settings, settings_of, short_names
from il_robot.training.sweep import check_settings, members, new_ones, planned
from il_robot.training.tensorboard import check_tensorboard
from il_robot.training.torchrun import told_to_torchrun

_HINT = "(default: the preset's)"
_NUMBER = tyro.conf.arg(help_behavior_hint=_HINT, metavar="INT")
_REAL = tyro.conf.arg(help_behavior_hint=_HINT, metavar="FLOAT")
_SETTINGS = tyro.conf.arg(help_behavior_hint="", metavar="[NAME=VALUE[,VALUE ...] ...]")
_WEIGHTS = tyro.conf.arg(help_behavior_hint="", metavar="FLOAT [FLOAT ...]")
_SEEDS = tyro.conf.arg(help_behavior_hint="", metavar="INT [INT ...]")
_FROM_ZERO = tyro.conf.arg(help_behavior_hint="(default: 0)", metavar="INT")
_PRESET = tyro.conf.arg(
    help_behavior_hint=f"(default: {FIRST_PRESET})", metavar=f"{{{','.join(get_args(PresetName))}}}"
)
_SIZE = tyro.conf.arg(help_behavior_hint=_HINT, metavar="HEIGHT WIDTH")
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
    compile: Annotated[bool | None, tyro.conf.arg(help_behavior_hint=_HINT, metavar="{yes,no}")] = None
    """torch.compile: a minute or more before the first step, quicker steps after."""


@dataclass(frozen=True)
class Augmenting:
    """Random changes of what is seen in training, as shares; 0 = none."""

    shift: Annotated[float | None, _REAL] = None
    """Farthest that an image is moved, as a share of its height and width."""
    colour: Annotated[float | None, _REAL] = None
    """Most that brightness, contrast and saturation change."""
    hide: Annotated[float | None, _REAL] = None
    """Share of the windows whose joints and object poses are hidden: for a policy that does not look at its cameras."""


@told_to_torchrun()
def train(
    policy: Annotated[PolicyName, tyro.conf.Positional],
    datasets: Annotated[tuple[Path, ...], tyro.conf.Positional],
    *,
    out: Path,
    preset: Annotated[PresetName | None, _PRESET] = None,
    steps: Annotated[int | None, _NUMBER] = None,
    batch: Annotated[int | None, _NUMBER] = None,
    learning_rate: Annotated[float | None, _REAL] = None,
    chunk_size: Annotated[int | None, _NUMBER] = None,
    history: Annotated[int | None, _NUMBER] = None,
    cameras: Annotated[tuple[str, ...] | None, _NAMES] = None,
    size: Annotated[tuple[int, int] | None, _SIZE] = None,
    weights: Annotated[tuple[float, ...] | None, _WEIGHTS] = None,
    set: Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, _SETTINGS] = (),
    imagenet: Path | None = None,
    seed: Annotated[int | None, _FROM_ZERO] = None,
    seeds: Annotated[tuple[int, ...] | None, _SEEDS] = None,
    rollouts: Annotated[int | None, _FROM_ZERO] = None,
    tensorboard: bool = False,
    resume: bool = False,
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
        il-robot train act data/transfer_cube --out runs/plain --set style_layers=0 width=256
        il-robot train act data/transfer_cube --out runs/chunks --set chunk_size=1,10,50 --seeds 0 1 2
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
        size: Height and width at which it looks at each of them.
        set: Any setting of the policy's network and of the recipe, named as in config.json. Several values, parted by
            commas: a run with each, in OUT/NAME_VALUE, compared in the end. A tuple's parts: hidden=512x512.
        weights: Co-training: how often each dataset is seen, relative to the others. The policy is for the first
            one's rig; what others lack is padded. Without: all windows are seen equally often, on one rig.
        imagenet: Start each ResNet-18 from this safetensors file of torchvision's resnet18. Without: random weights.
        seed: Of the weights, the order of samples and the styles.
        seeds: Train once for each of these, in OUT/seed_N (with several values in --set: OUT/NAME_VALUE/seed_N), and
            compare.
        rollouts: Fresh starts driven in simulation at every save; the checkpoint "best" is then the one that held
            most. 0: the one with the lowest validation loss.
        tensorboard: Write what metrics.jsonl tells for TensorBoard too.
        resume: Go on with the run in --out where it was stopped, with its own configuration and the same episodes;
            begin what had not begun.
    """
    check_device(computing.device)
    if tensorboard:
        check_tensorboard()
    for option, told in (("--weights", weights), ("--seeds", seeds), *(("--set", words) for words in set)):
        if told == ():
            raise BadInput(f"{option}: nothing follows; allowed: one or more")
    weights, seeds = weights or (), seeds or ()
    _check_seeds(seed, seeds)
    options: dict[str, Any] = {"network.chunk_size": chunk_size, "recipe.steps": steps, "recipe.batch": batch}
    options |= {"recipe.learning_rate": learning_rate, "recipe.rollouts": rollouts}
    options |= {"recipe.imagenet": None if imagenet is None else str(imagenet)}
    options |= {f"recipe.augmentation.{name}": value for name, value in asdict(augmenting).items()}
    options |= {f"recipe.{name}": value for name, value in asdict(computing).items() if name != "device"}
    options = {path: value for path, value in options.items() if value is not None}
    start = preset_of(policy, preset or FIRST_PRESET)
    names = short_names(settings_of(start.network, start.recipe))
    values = read_settings([word for words in set for word in words], start.network, start.recipe)
    for path in values.keys() & options:
        option = path.rpartition(".")[2].replace("_", "-")
        raise BadInput(f"--set {names[path]}: --{option} sets it already")
    runs = members(out, values, names, seeds, seed)
    check_settings(new_ones(runs) if resume else runs, start, options)
    chosen = demonstrations(datasets, weights)
    if out.resolve() in {path.resolve() for path in datasets}:
        raise BadInput(f"--out {out}: the dataset itself; choose another folder")
    descriptions = planned(out, runs, policy, Changes(preset, None, cameras, size, history, options), chosen, resume)
    with joined(computing.device) as (world, own_device):
        many = Fitting(chosen, own_device, world, tensorboard)
        if len(runs) == 1:
            return many.run(descriptions[runs[0].run], runs[0].run, resume)
        fitted = many.run_each(descriptions, out, resume)
    if world.first:
        compare((out,))
    if odd := [str(run.relative_to(out)) for run in descriptions if run not in fitted]:
        raise Fault(f"{len(odd)} of {counted(len(runs), 'run')} diverged: {', '.join(odd)}")
    return fitted[runs[-1].run]


def _check_seeds(seed: int | None, seeds: tuple[int, ...]) -> None:
    if seed is not None and seeds:
        raise BadInput(f"--seed {seed}: --seeds names the seeds already; give one of both")
    for option, one in (("--seed", seed or 0), *(("--seeds", one) for one in seeds)):
        if not 0 <= one <= LARGEST_SEED:
            raise BadInput(f"{option} {one}; allowed: 0 to {LARGEST_SEED}")
    if twice := [one for one in seeds if seeds.count(one) > 1]:
        raise BadInput(f"--seeds {' '.join(map(str, seeds))}: {twice[0]} is named twice; name each seed once")
