"""``config.json`` of a training run: everything but the weights. Plain data, read strictly."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cattrs
import numpy as np
import torch

from il_robot import __version__, strict_yaml
from il_robot.counted import counted
from il_robot.episodes.layout import EpisodeInfo
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, nearest
from il_robot.policies.catalogue import CONFIGS, Config
from il_robot.policies.inputs import Inputs
from il_robot.rig import Arm, Camera, Joint, Rig
from il_robot.training.damaged import told_to_prune
from il_robot.training.recipe import Recipe
from il_robot.training.run_folder import CONFIG, why_no_run
from il_robot.training.statistics import Statistics
from il_robot.types import Floats
from il_robot.whole_file import write_whole

FORMAT = "il-robot policy"
VERSION = 1
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Data:
    """What a policy was trained on."""

    datasets: tuple[str, ...]
    train: tuple[str, ...]
    """Names of the episodes."""
    validation: tuple[str, ...]
    task: str = ""
    weights: tuple[float, ...] = ()
    """How often each dataset is seen, relative to the others; none: as often as it has windows."""
    calibrations: tuple[str, ...] = ()
    """Digests of the calibrations that it was recorded under; none for simulated data."""
    fingerprints: tuple[str, ...] = ()
    """Of the episodes of ``train`` and ``validation``, in order, so that other contents are noticed; see
    :mod:`il_robot.training.fingerprint`. None in a run of an il-robot that did not take them."""

    def __post_init__(self) -> None:
        """Raises BadInput when some episodes have fingerprints and some have none."""
        episodes = len(self.train) + len(self.validation)
        if self.fingerprints and len(self.fingerprints) != episodes:
            raise BadInput(f"{counted(len(self.fingerprints), 'fingerprint')} of {counted(episodes, 'episode')}")


@dataclass(frozen=True)
class Software:
    il_robot: str
    torch: str
    python: str
    commit: str = ""
    """Of the repository it ran from, with ``+`` when there were local changes; empty outside one."""


@dataclass(frozen=True)
class Description:
    """A trained policy without its weights."""

    policy: str
    network: Config
    inputs: Inputs
    statistics: Statistics
    rig: Rig
    recipe: Recipe
    seed: int
    data: Data
    software: Software
    preset: str = ""
    """That it began from; empty in a run of an il-robot that did not note it."""

    def __post_init__(self) -> None:
        """Raises BadInput when its parts are not of one policy, or the seed is none."""
        if not 0 <= self.seed <= LARGEST_SEED:
            raise BadInput(f"seed {self.seed}; allowed: 0 to {LARGEST_SEED}")
        for what, ours, theirs in (
            ("joints of the inputs and of the rig", self.inputs.joints, self.rig.joint_names),
            ("sizes of the state", self.inputs.moment_size, len(self.statistics.state_mean)),
            ("sizes of the action", len(self.inputs.joints), len(self.statistics.action_mean)),
        ):
            if ours != theirs:
                raise BadInput(f"{what} differ: {ours} and {theirs}")


def write_description(run: Path, description: Description) -> None:
    """Writes ``config.json``, whole or not at all. Raises Fault on a full disk."""
    data = {"format": FORMAT, "version": VERSION, **cattrs.unstructure(description)}
    write_whole(run / CONFIG, json.dumps(data, indent=1, allow_nan=False).encode())


def read_description(run: Path) -> Description:
    """The description of a run. Raises BadInput when ``run`` is not one, or one of a newer version."""
    path = run / CONFIG
    if not run.is_dir():
        raise BadInput(f"{run}: no such training run")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{run}: {why_no_run(run)}") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise BadInput(f"{path}: damaged: not JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BadInput(f"{path}: not the configuration of an il-robot policy")
    version = data.pop("version", None)
    if version != VERSION:
        raise BadInput(f"{path}: version {version!r} of the format; this il-robot reads version {VERSION}")
    del data["format"]
    return _structure(data, str(path))


def _structure(data: dict[str, Any], where: str) -> Description:
    policy = data.get("policy")
    if not isinstance(policy, str) or policy not in CONFIGS:
        raise BadInput(f"{where}: no policy {policy!r}; {nearest(str(policy), CONFIGS)}")
    network = strict_yaml.structure(data.pop("network", {}), CONFIGS[policy], f"{where}: network")
    parts: dict[str, Any] = {"network": network, "policy": policy}
    kinds = {"inputs": Inputs, "statistics": Statistics, "rig": Rig, "recipe": Recipe, "data": Data}
    kinds |= {"software": Software, "seed": int}
    for name, kind in kinds.items():
        if name not in data:
            raise BadInput(f"{where}: {name} is missing")
        parts[name] = strict_yaml.structure(data[name], kind, f"{where}: {name}")
    parts["preset"] = strict_yaml.structure(data.get("preset", ""), str, f"{where}: preset")
    unknown = sorted(set(data) - set(parts))
    if unknown:
        raise BadInput(f"{where}: unknown key {unknown[0]!r}; {nearest(unknown[0], parts)}")
    try:
        return Description(**parts)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None


def this_software() -> Software:
    """The versions that run now."""
    return Software(__version__, torch.__version__, platform.python_version(), _commit())


def _commit() -> str:
    here = Path(__file__).parent
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""


def rig_of(episodes: Sequence[Episode]) -> Rig:
    """The rig that recorded ``episodes``, as far as they tell: it starts where they typically begin.

    Raises BadInput when they come from different rigs, or nothing tells where a joint began.
    """
    first = episodes[0]
    for episode in episodes[1:]:
        for what, ours, theirs in (
            ("joints", first.info.joint_names, episode.info.joint_names),
            ("rate", first.info.fps, episode.info.fps),
        ):
            if ours != theirs:
                raise BadInput(f"{episode.path}: its {what} {theirs} differ from {ours} of {first.path}")
    start = _usual_start(episodes)
    info = first.info
    return Rig(
        name=info.rig or "unknown",
        rate_hz=info.fps,
        arms=tuple(_arm(info, follower, start) for follower in info.followers),
        cameras=tuple(Camera(c.name, c.width, c.height, c.quality) for c in info.cameras),
        objects=info.objects,
    )


def _usual_start(episodes: Sequence[Episode]) -> Floats:
    """(J,) the median of where the joints were first heard of, in each episode."""
    first_EJ = np.stack([_first_heard(episode) for episode in episodes])
    for name, values_E in zip(episodes[0].info.joint_names, first_EJ.T, strict=True):
        if np.isnan(values_E).all():
            raise BadInput(f"{episodes[0].path}: the position of joint {name} is known in no step of any episode")
    start_J: Floats = np.nanmedian(first_EJ, axis=0)
    return start_J


@told_to_prune()
def _first_heard(episode: Episode) -> Floats:
    """(J,) the first position of each joint that is known; NaN where none is."""
    qpos_TJ = np.asarray(episode.qpos, np.float32)
    known_TJ = np.isfinite(qpos_TJ)
    first_J: Floats = np.where(known_TJ.any(0), qpos_TJ[known_TJ.argmax(0), np.arange(qpos_TJ.shape[1])], np.nan)
    return first_J


def _arm(info: EpisodeInfo, follower: str, start_J: Any) -> Arm:
    name = follower.removeprefix("follower_")
    joints = tuple(
        Joint(
            joint.name.removeprefix(f"{name}_"),
            joint.lower,
            joint.upper,
            joint.velocity,
            start=float(np.clip(value, joint.lower, joint.upper)),
        )
        for joint, value in zip(info.joints, start_J, strict=True)
        if joint.name.startswith(f"{name}_")
    )
    if not joints:
        raise BadInput(f"follower {follower} has no joint whose name begins with {name}_")
    return Arm(name, joints)
