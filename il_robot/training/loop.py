"""The one loop that trains every policy."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from il_robot.counted import counted
from il_robot.errors import BadInput, IlRobotError
from il_robot.policies.catalogue import Network
from il_robot.policies.network import Loss
from il_robot.stopping import StopRequest
from il_robot.training.checkpoint import load_tensors, save_tensors
from il_robot.training.curves import Curve, draw_curves
from il_robot.training.description import read_description
from il_robot.training.distributed import ALONE, World
from il_robot.training.divergence import Diverged, diverged
from il_robot.training.intervals import Share
from il_robot.training.journal import CURVE, Averages, Journal, Listener, read_metrics
from il_robot.training.loader import Choice, batches
from il_robot.training.optimiser import Optimiser, learning_rate
from il_robot.training.progress import Progress, Result
from il_robot.training.recipe import Recipe
from il_robot.training.run_folder import weights_path
from il_robot.training.stopwatch import Stopwatch
from il_robot.training.study import memorise, prepare
from il_robot.training.validation import validation_loss
from il_robot.training.windows import Windows

SAVES = 10
"""Times per run that weights are saved and the validation loss is taken."""
LOGS = 200
"""Times per run that a line is written to ``metrics.jsonl``."""

_STOPPING = "stopping: what was begun is ended and saved; Ctrl-C again ends at once, without what is new"

Judge: TypeAlias = Callable[[Network], Share]
"""Drives a network in simulation; the share of fresh starts at whose end the task was held."""


class Training:
    """One run: a network, its windows, and the folder where all of it is kept."""

    def __init__(
        self,
        network: Network,
        windows: Windows,
        validation: Windows | None,
        recipe: Recipe,
        run: Path,
        seed: int,
        device: str = "cpu",
        *,
        world: World = ALONE,
        judge: Judge | None = None,
    ) -> None:
        """``judge`` decides which checkpoint is best; without one the validation loss does.

        ``world`` can cut the recipe's batch (:meth:`World.check_batch`).
        """
        self._device = torch.device(device)
        self.network = network.to(self._device)
        """Being trained; what drives in the end is the average of its weights."""
        prepare(self.network, windows)
        self._optimiser = Optimiser(self.network, recipe, seed=seed, device=self._device, world=world)
        self._choice = Choice(windows, recipe.batch, seed, world.rank, world.size)
        self._validation = validation
        self._recipe = recipe
        self._run = run
        self._world = world
        self._judge = judge
        self.step = 0
        """Steps done."""
        self._averages = Averages()
        self._loss = float("nan")
        self._cpu_s = 0.0
        """Of the newest line of ``metrics.jsonl``."""
        self._saved = -1
        """Steps done at the last save."""
        self._checked: tuple[float | None, float | None] = None, None
        """Validation loss and held share of what was saved last; None where nobody looked."""
        self._best = (0.0, float("inf"))
        """What the best checkpoint held, negative, and its validation loss: less is better."""
        torch.manual_seed(seed)

    def resume(self) -> None:
        """Goes on where the run's last save left off. Raises BadInput when there is none or it does not fit."""
        path = weights_path(self._run, "resume")
        tensors, facts = load_tensors(path)
        self._optimiser.restore(tensors, path)
        try:
            torch.set_rng_state(tensors["random"])
            if self._device.type == "cuda" and "random_cuda" in tensors:
                torch.cuda.set_rng_state(tensors["random_cuda"], self._device)
            self.step, self._loss = int(facts["step"]), float(facts["loss"])
            self._cpu_s = float(facts["cpu_s"])
            held, validation = json.loads(facts["best"])
            self._best = float(held), float(validation)
            validation, held = json.loads(facts.get("checked", "[null, null]"))
            self._saved, self._checked = self.step, (validation, held)
            self._averages.loads(facts["averages"])
            if "parts" in facts:
                parts = int(facts["parts"])
            else:  # an older save: with as many processes as now its parts follow from what the run still says
                parts = read_description(self._run).recipe.accumulate * self._world.size
            if self.step < 0:
                raise ValueError(f"step {self.step}")
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise BadInput(f"{path}: not what a run saves to go on: {error}") from None
        if parts != self._parts:
            raise BadInput(
                f"{self._run}: began with a batch in {counted(parts, 'part')}, now {self._parts}: other noise; "
                f"allowed: processes times --accumulate = {parts}"
            )

    @property
    def _parts(self) -> int:
        """Of a batch, of all processes; each draws its own noise."""
        return self._recipe.accumulate * self._world.size

    def fit(self, tell: Callable[[Progress], None] = lambda progress: None, listener: Listener | None = None) -> Result:
        """Trains until the recipe's last step, or until Ctrl-C, SIGTERM or SIGHUP; saves in either case.

        ``listener`` hears every line of ``metrics.jsonl``. Raises Diverged when the loss is not finite, naming what it
        came from; the last save is then still good.
        """
        journal = Journal(self._run, self.step, listener) if self._world.first else None
        clock, last = Stopwatch(self._cpu_s), self._recipe.steps
        made = batches(self._choice, self.step, last, self._recipe.workers, self._device.type == "cuda")
        stopped = False
        with StopRequest(answer=_STOPPING if self._world.first else "") as stop, closing(made):
            while self.step < last and not (stopped or (self._world.size == 1 and stop.asked)):
                since = time.perf_counter()
                batch = next(made).to(self._device)
                clock.got_data(since)
                # Asked before the weights change, and only here: on a GPU each question waits for all that was begun,
                # so the update goes on while the next batch is fetched.
                values, stopped = self._together(*self._optimiser.learn(batch, self.step), stop.asked)
                self._optimiser.update(self.step)
                self._averages.add(values)
                self._log(journal, clock)
                self.step += 1
                progress = Progress(self.step, self._loss, clock.steps_per_s, clock.waiting, saving=self._due)
                tell(progress)
                if progress.saving:
                    self._save(journal, clock)
            if self.step != self._saved:
                self._save(journal, clock)
        if journal is not None:
            draw_curves([Curve(self._run.name, "", read_metrics(self._run))], self._run / CURVE)
        return Result(self.step, self._loss, *self._checked, self._cpu_s, stopped=self.step < last)

    def _together(self, loss: Loss, norm: torch.Tensor, stop: bool) -> tuple[dict[str, float], bool]:
        """What a step measured, averaged over all processes, and whether anybody asked to stop.

        Raises Diverged where something is not finite.
        """
        mine = {"loss": loss.total, **loss.parts, "gradient": norm}
        asked = torch.full((), float(stop), device=self._device)  # made there: a copy would wait
        measured = torch.stack([value.detach().float() for value in (*mine.values(), asked)])
        *means, anybody = self._world.mean(measured).tolist()
        if not np.isfinite(means).all():
            if torch.isfinite(loss.total) and self._world.size > 1:
                raise Diverged(f"loss is {means[0]} at training step {self.step}: another process's batch")
            which, rate = self._choice.at(self.step), self._recipe.learning_rate
            raise diverged(means[0], self.step, self._choice.windows, which, rate, self._run)
        return dict(zip(mine, means, strict=True)), anybody > 0

    def _log(self, journal: Journal | None, clock: Stopwatch) -> None:
        last = self._recipe.steps
        if self.step % max(1, last // LOGS) and self.step < last - 1:
            return
        means = self._averages.take()
        self._loss = means["loss"]
        self._cpu_s = round(clock.cpu_s, 3)
        if journal is not None:
            journal.write(
                step=self.step,
                **means,
                learning_rate=learning_rate(self._recipe, self.step),
                steps_per_s=round(clock.steps_per_s, 3),
                waiting=round(clock.waiting, 4),
                cpu_s=self._cpu_s,
            )

    @property
    def _due(self) -> bool:
        """Whether this is one of the steps after which every such run saves, stopped in between or not."""
        return self.step == self._recipe.steps or self.step % max(1, self._recipe.steps // SAVES) == 0

    def _save(self, journal: Journal | None, clock: Stopwatch) -> None:
        """Keeps the averaged weights and all that is needed to go on. Only the first process does it.

        Looked at are weights only when that is due: a run that was stopped in between chooses the same best ones.
        """
        self._saved, self._checked = self.step, (None, None)
        if journal is None:
            return
        with clock.between():
            average = self._optimiser.average.eval()
            memorise(average, self._choice.windows)
            cpu_s = clock.cpu_s
            if self._due:
                try:
                    self._checked = self._look(average, journal, clock)
                except IlRobotError:  # in simulation, say: what was learned until now is kept all the same
                    self._keep(average, cpu_s)
                    raise
                cpu_s = self._cpu_s
            self._keep(average, cpu_s)

    def _keep(self, average: Network, cpu_s: float) -> None:
        """What drives, and all that is needed to go on."""
        save_tensors(weights_path(self._run, "last"), average.state_dict(), {"step": str(self.step)})
        kept = self._optimiser.tensors() | {"random": torch.get_rng_state()}
        if self._device.type == "cuda":
            kept["random_cuda"] = torch.cuda.get_rng_state(self._device)
        facts = {"step": str(self.step), "loss": repr(self._loss), "averages": self._averages.dumps()}
        facts |= {"parts": str(self._parts)}
        facts |= {"best": json.dumps(self._best), "checked": json.dumps(self._checked), "cpu_s": repr(cpu_s)}
        save_tensors(weights_path(self._run, "resume"), kept, facts)

    def _look(self, average: Network, journal: Journal, clock: Stopwatch) -> tuple[float | None, float | None]:
        """Validation loss and held share of the averaged weights, which are kept where they are the best so far."""
        # What is looked at in between must not change what is learned after.
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(0)
            validation = None
            if self._validation is not None:
                validation = validation_loss(average, self._validation, self._recipe.batch, self._device)
            judged = None if self._judge is None else self._judge(average)
        held = None if judged is None else judged.rate
        told = {"validation": validation, "held": held, "starts": None if judged is None else judged.of}
        known = {name: value for name, value in told.items() if value is not None}
        self._cpu_s = round(clock.cpu_s, 3)
        journal.write(step=self.step, **known, cpu_s=self._cpu_s)
        if known:
            score = (-(held or 0.0), math.inf if validation is None else validation)
            if score < self._best:
                self._best = score
                save_tensors(weights_path(self._run, "best"), average.state_dict(), {"step": str(self.step)})
        return validation, held
