"""One command, several runs: every combination of the values of settings, with every seed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from il_robot.errors import BadInput
from il_robot.policies.catalogue import PolicyName
from il_robot.training.demonstrations import Demonstrations
from il_robot.training.description import Description
from il_robot.training.journal import METRICS
from il_robot.training.plan import Changes, described
from il_robot.training.presets import Preset
from il_robot.training.resuming import resumed
from il_robot.training.run_folder import CONFIG
from il_robot.training.settings import changed, settings_of, short_names, written


@dataclass(frozen=True)
class Member:
    """One run of a sweep."""

    run: Path
    seed: int | None
    """None: nobody asked for one."""
    settings: Mapping[str, Any]
    """Path -> plain value."""


def members(
    out: Path, values: Mapping[str, Sequence[Any]], names: Mapping[str, str], seeds: Sequence[int], seed: int | None
) -> list[Member]:
    """The runs of one command, all settings with one seed before the next seed.

    They lie in ``out/SETTING_VALUE[,SETTING_VALUE ...]/seed_N``: a setting of one value and a single ``seed`` name no
    folder. ``names`` says what the settings' paths are called. Raises BadInput when two would share a folder.
    """
    found: dict[Path, Member] = {}
    for one, combination in itertools.product(seeds or (seed,), itertools.product(*values.values())):
        settings = dict(zip(values, combination, strict=True))
        swept = [f"{names[path]}_{written(value)}" for path, value in settings.items() if len(values[path]) > 1]
        folder = out / re.sub(r"[^\w.,+-]+", "-", ",".join(swept)) if swept else out
        run = folder / f"seed_{one}" if seeds else folder
        if run in found:
            raise BadInput(f"two of the runs would lie in {run}: values of a sweep need names of their own")
        found[run] = Member(run, one, settings)
    return list(found.values())


def new_ones(runs: Sequence[Member]) -> list[Member]:
    """Those that have not begun."""
    return [member for member in runs if not (member.run / CONFIG).exists()]


def check_settings(runs: Sequence[Member], preset: Preset, settings: Mapping[str, Any]) -> None:
    """Raises BadInput when a run's own settings, or ``settings``, which all share, cannot be with its preset."""
    for member in runs:
        changed(preset.network, preset.recipe, {**settings, **member.settings})


def planned(
    out: Path,
    runs: Sequence[Member],
    policy: PolicyName,
    changes: Changes,
    demonstrations: Demonstrations,
    resume: bool,
) -> dict[Path, Description]:
    """Every run's description, each in ``out`` or below; all is checked before the first begins.

    With ``resume``, runs that were stopped before they began are new ones; those of a sweep like the others of it.
    Raises BadInput.
    """
    new = new_ones(runs)
    begun = [member for member in runs if member not in new]
    if begun and not resume:
        raise BadInput(
            f"{begun[0].run}: there is a run already; add --resume to go on with it, or choose another --out"
        )
    for member in new:
        _check_place(member.run, out, resume)
    told: dict[Path, Description] = {}
    for member in runs:
        own = replace(changes, seed=member.seed, settings={**changes.settings, **member.settings})
        if member in begun:
            told[member.run] = resumed(member.run, policy, own, demonstrations)
            if new:
                _check_same(member.run, told[member.run], described(policy, own, demonstrations))
        else:
            told[member.run] = described(policy, own, demonstrations)
    return told


def _check_place(run: Path, out: Path, resume: bool) -> None:
    """Raises BadInput where a new run would hide others from ``il-robot runs``, or be hidden by one."""
    if run != out and (out / CONFIG).exists():
        raise BadInput(f"{out}: a run itself, so other runs cannot lie in it; choose another --out")
    for config in (*run.glob(f"*/{CONFIG}"), *run.glob(f"*/*/{CONFIG}")):
        if (config.parent / METRICS).exists():
            cure = "name one of those, or, of a sweep, give its --seeds and --set" if resume else "choose another --out"
            raise BadInput(f"{run}: holds other runs, such as {config.parent.relative_to(run)}; {cure}")


def _check_same(run: Path, has: Description, asked: Description) -> None:
    """Raises BadInput when a run that had begun is not what this command would begin."""
    ours, theirs = (
        settings_of(one.network, one.recipe) | {"cameras": one.inputs.cameras, "history": one.inputs.history}
        for one in (has, asked)
    )
    # How long a warm-up may take follows from the steps, of which there may be more now.
    odd = next((path for path in ours if ours[path] != theirs[path] and path != "recipe.warm_up"), None)
    if odd is not None:
        raise BadInput(
            f"{run}: began with another {short_names(ours)[odd]} than this command's: other runs are still to "
            "begin, so --resume needs --preset and all settings as they were"
        )
