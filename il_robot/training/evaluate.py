"""``il-robot evaluate``: a trained policy on fresh starts, as a table, as JSON, as a film."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import cattrs
import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from il_robot.control.execution import Execution, ExecutionName, Preference
from il_robot.counted import counted
from il_robot.errors import BadInput
from il_robot.sim.tasks import check_task
from il_robot.training.description import Description, read_description
from il_robot.training.device import check_device
from il_robot.training.evaluation import Evaluation
from il_robot.training.film import check_film
from il_robot.training.fresh_starts import Driven, drive_at_once, film, starts_at_once
from il_robot.training.identity import identity
from il_robot.training.intervals import Share
from il_robot.training.loaded_policy import read_weights
from il_robot.training.recipe import Precision
from il_robot.training.run_folder import WeightsName

FILMED = 5
"""Episodes in a film."""


def _default(value: object) -> Any:
    return tyro.conf.arg(help_behavior_hint=f"(default: {value})")


def evaluate(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    task: str = "transfer_cube",
    episodes: int = 50,
    seed: int = 0,
    json: bool = False,
    video: Path | None = None,
    execution: ExecutionName = "ensemble",
    m: Annotated[float | None, _default(Execution.m)] = None,
    prefer: Annotated[Preference | None, _default(Execution.prefer)] = None,
    execute: Annotated[int | None, _default(Execution.execute)] = None,
    weights: WeightsName = "last",
    device: str = "cpu",
    precision: Precision = "fp32",
    compile: bool = False,
    workers: Annotated[int | None, _default("as many as pay, one a core at most")] = None,
) -> Evaluation:
    """Lets a trained policy drive the simulated rig from fresh starts.

    Examples:
        il-robot evaluate runs/act --task transfer_cube --episodes 50 --seed 0
        il-robot evaluate runs/act --episodes 5 --video film.mp4

    Args:
        run: The folder of a training run.
        task: Task of the simulator.
        episodes: Fresh starts, none of which a demonstration began from.
        seed: Of the first start; the others follow.
        json: Print JSON instead of a table.
        video: Film the first episodes with all cameras into this .mp4 file.
        execution: How action chunks become actions. ensemble: the average of all predictions for a moment; chunk: one
            chunk to its end, then the next; receding: the first steps of each.
        m: Of the ensemble: weights exp(-m i), i = 0 the preferred prediction; 0 = all alike.
        prefer: Of the ensemble: which prediction for a moment weighs most.
        execute: Of receding: steps of each chunk.
        weights: last, or best: what held most in training's --rollouts, else the lowest validation loss.
        device: cpu, or cuda.
        precision: bf16: far quicker on a GPU, rounded to three digits.
        compile: torch.compile makes one program of the network, on a GPU one graph: a minute before the first episode.
        workers: Processes that drive at once; the same outcomes however many.
    """
    if episodes < 1:
        raise BadInput(f"--episodes {episodes} must be at least 1")
    if seed < 0:
        raise BadInput(f"--seed {seed} must be at least 0")
    executed = Execution.asked(execution, m=m, prefer=prefer, execute=execute)
    description = read_description(run)
    k = description.network.chunk_size
    if execute is not None and execute > k:
        raise BadInput(f"--execute {execute}: chunks of {run} have {counted(k, 'step')}; allowed: 1 to {k}")
    driven = Driven(run, task, executed, weights, device, precision, compile)
    first = seed + (min(FILMED, episodes) if video else 0)
    rest = range(first, seed + episodes)
    processes = starts_at_once(workers, len(rest), description, device)
    # Before processes are begun that would only find the same.
    check_task(task)
    check_device(device)
    _, step = read_weights(run, description, weights)
    if video:
        check_film(video, description.rig)
    console = Console(stderr=json)
    with Progress(console=console) as bar:
        progress = bar.add_task("evaluate", total=episodes)
        evaluation = Evaluation(())
        if video:
            evaluation += film(driven, range(seed, first), video, lambda: bar.advance(progress))
        if rest:
            evaluation += drive_at_once(driven, rest, processes, lambda: bar.advance(progress))
    if json:
        print(json_text.dumps(_facts(evaluation, driven, description, step, seed)))
    else:
        console.print(_table(evaluation, driven, description, step))
        if video:
            console.print(f"film of the first {counted(min(FILMED, episodes), 'episode')}: {video}", soft_wrap=True)
    return evaluation


def _table(evaluation: Evaluation, driven: Driven, description: Description, step: int | None) -> Table:
    of_step = "" if step is None else f", step {step}"
    rounded = "" if driven.precision == "fp32" else f"; {driven.precision}"
    table = Table(
        title=f"{description.policy}, {counted(len(evaluation.outcomes), 'fresh start')}\n"
        f"{driven.weights} weights{of_step}; {driven.execution}{rounded}"
    )
    table.add_column("")
    for heading in ("episodes", "share", "95 % interval"):
        table.add_column(heading, justify="right")

    def row(name: str, part: Share, style: str | None = None) -> None:
        interval = f"{part.low:.0%} to {part.high:.0%}"
        table.add_row(name, f"{part.count}/{part.of}", f"{part.rate:.0%}", interval, style=style)

    for name, part in evaluation.milestones.items():
        row(f"reached {name}", part)
    table.add_section()
    row("success: handed over once", evaluation.success, "bold")
    row("held at the end", evaluation.held, "bold")
    row("crashed", evaluation.crash)
    row("stalled", evaluation.stall)
    return table


def _facts(
    evaluation: Evaluation, driven: Driven, description: Description, step: int | None, seed: int
) -> dict[str, Any]:
    parts = {name: getattr(evaluation, name) for name in ("held", "success", "crash", "stall")}
    return {
        "run": str(driven.run),
        "identity": identity(description),
        "policy": description.policy,
        "weights": driven.weights,
        "step": step,
        "task": driven.task,
        "seed": seed,
        "execution": driven.execution.facts(),
        "precision": driven.precision,
        **{name: _share_facts(part) for name, part in parts.items()},
        "milestones": {name: _share_facts(part) for name, part in evaluation.milestones.items()},
        "outcomes": [
            {**cattrs.unstructure(outcome), "reached": outcome.reached.name.lower()} for outcome in evaluation.outcomes
        ],
    }


def _share_facts(part: Share) -> dict[str, float]:
    return {"count": part.count, "of": part.of, "rate": part.rate, "low": part.low, "high": part.high}
