"""The one loop that trains every policy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from il_robot.errors import BadInput, Fault
from il_robot.policies.catalogue import Network
from il_robot.policies.network import Loss, valid_l1
from il_robot.training.checkpoint import load_tensors, save_tensors, weights_path
from il_robot.training.journal import Journal, draw_curve
from il_robot.training.optimiser import Optimiser, learning_rate
from il_robot.training.presets import Recipe
from il_robot.training.stopping import StopRequest
from il_robot.training.windows import Windows, which_windows

SAVES = 10
"""Times per run that weights are saved and the validation loss is taken."""
LOGS = 200
"""Times per run that a line is written to ``metrics.jsonl``."""
VALIDATION_WINDOWS = 512


@dataclass(frozen=True)
class Progress:
    """How far training is; told after every step."""

    step: int
    """Steps done."""
    loss: float
    steps_per_s: float
    waiting: float
    """Share of the time spent on getting data rather than on learning."""


@dataclass(frozen=True)
class Result:
    step: int
    """Steps done."""
    loss: float
    """Of the last step; NaN when no step was left to do."""
    validation: float | None
    cpu_s: float
    """CPU time of this process while in the loop, all threads."""
    stopped: bool
    """Somebody asked it to stop before the last step."""


class _Clock:
    """Wall and CPU time of the loop, and the share of it spent waiting for data."""

    def __init__(self) -> None:
        self._begin, self._cpu_begin = time.perf_counter(), time.process_time()
        self._waited = 0.0
        self._steps = 0

    def got_data(self, since: float) -> None:
        self._waited += time.perf_counter() - since
        self._steps += 1

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self._cpu_begin

    @property
    def steps_per_s(self) -> float:
        return self._steps / max(1e-9, time.perf_counter() - self._begin)

    @property
    def waiting(self) -> float:
        return self._waited / max(1e-9, time.perf_counter() - self._begin)


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
    ) -> None:
        self.network = network.to(torch.device(device))
        """Being trained; what drives in the end is the average of its weights."""
        self._device = torch.device(device)
        self._optimiser = Optimiser(self.network, recipe)
        self._windows = windows
        self._validation = validation
        self._recipe = recipe
        self._run = run
        self._seed = seed
        self.step = 0
        """Steps done."""
        self._best = float("inf")
        torch.manual_seed(seed)

    def resume(self) -> None:
        """Goes on where the run's last save left off. Raises BadInput when there is none or it does not fit."""
        path = weights_path(self._run, "resume")
        tensors, facts = load_tensors(path)
        self._optimiser.restore(tensors, str(path))
        try:
            torch.set_rng_state(tensors["random"])
            self.step, self._best = int(facts["step"]), float(facts["best"])
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise BadInput(f"{path}: not what a run saves to go on: {error}") from None

    def fit(self, tell: Callable[[Progress], None] = lambda progress: None) -> Result:
        """Trains until the recipe's last step, or until Ctrl-C or SIGTERM; saves in either case.

        Raises Fault when the loss is not finite, naming what it came from; the last save is then still good.
        """
        journal, clock = Journal(self._run, self.step), _Clock()
        loss = float("nan")
        last = self._recipe.steps
        validation = None
        with StopRequest() as stop:
            while self.step < last and not stop.asked:
                which = which_windows(len(self._windows), self._recipe.batch, self.step, self._seed)
                since = time.perf_counter()
                batch = self._windows.batch(which).to(self._device)
                clock.got_data(since)
                result, norm = self._optimiser.step(batch, self.step)
                loss = float(result.total.detach())
                if not np.isfinite(loss) or not np.isfinite(float(norm)):
                    raise Fault(f"loss is {loss} at training step {self.step}: {self._windows.blame(which)}")
                self._log(journal, clock, result, float(norm))
                self.step += 1
                tell(Progress(self.step, loss, clock.steps_per_s, clock.waiting))
                if self.step % max(1, last // SAVES) == 0 and self.step < last:
                    validation = self._save(journal)
            validation = self._save(journal)
        draw_curve(self._run)
        return Result(self.step, loss, validation, clock.cpu_s, stopped=self.step < last)

    def _log(self, journal: Journal, clock: _Clock, loss: Loss, norm: float) -> None:
        if self.step % max(1, self._recipe.steps // LOGS):
            return
        journal.write(
            step=self.step,
            loss=float(loss.total.detach()),
            **{name: float(part.detach()) for name, part in loss.parts.items()},
            learning_rate=learning_rate(self._recipe, self.step),
            gradient=norm,
            steps_per_s=round(clock.steps_per_s, 3),
            waiting=round(clock.waiting, 4),
            cpu_s=round(clock.cpu_s, 3),
        )

    def _save(self, journal: Journal) -> float | None:
        facts = {"step": str(self.step)}
        average = self._optimiser.average.state_dict()
        validation = self._validate()
        if validation is not None:
            journal.write(step=self.step, validation=validation)
            if validation < self._best:
                self._best = validation
                save_tensors(weights_path(self._run, "best"), average, facts)
        save_tensors(weights_path(self._run, "last"), average, facts)
        kept = self._optimiser.tensors() | {"random": torch.get_rng_state()}
        save_tensors(weights_path(self._run, "resume"), kept, facts | {"best": repr(self._best)})
        return validation

    def _validate(self) -> float | None:
        """Mean absolute error of the averaged weights' predictions, on the same windows each time."""
        if self._validation is None:
            return None
        count = len(self._validation)
        which = np.linspace(0, count - 1, min(count, VALIDATION_WINDOWS)).astype(np.int64)
        network = self._optimiser.average.eval()
        total = 0.0
        with torch.inference_mode():
            for part in np.array_split(which, max(1, len(which) // self._recipe.batch)):
                batch = self._validation.batch(part).to(self._device)
                predicted = network.predict(batch.state_BS, batch.images_BHWC)
                total += float(valid_l1(predicted, batch.action_BkJ, batch.pad_Bk)) * len(part)
        return total / len(which)
