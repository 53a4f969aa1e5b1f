"""From a run's description to its folder: demonstrations into windows, a network, the loop, a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress as Bar

from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.policies.catalogue import build
from il_robot.policies.resnet import start_from_imagenet
from il_robot.training.beginning import told_data, told_recipe
from il_robot.training.compiling import told_compiler
from il_robot.training.demonstrations import Demonstrations
from il_robot.training.description import Description, write_description
from il_robot.training.display import note, progress_bar, say, sum_up
from il_robot.training.distributed import World
from il_robot.training.divergence import Diverged
from il_robot.training.frames import Frames
from il_robot.training.images import decode_images
from il_robot.training.judge import simulated_judge
from il_robot.training.loop import Judge, Training
from il_robot.training.memory import keep_freed_memory, told_memory
from il_robot.training.one_writer import only_writer
from il_robot.training.progress import Progress, Result
from il_robot.training.recipe import Recipe
from il_robot.training.run_folder import weights_path
from il_robot.training.tensorboard import Board
from il_robot.training.windows import Rows, Windows, gather
from il_robot.types import Floats, Image


@dataclass(frozen=True)
class Fitting:
    """What all runs of one command share, and how each is fitted."""

    chosen: Demonstrations
    device: str
    world: World
    tensorboard: bool

    def run(self, description: Description, out: Path, resume: bool, *, tell: bool = True) -> Result:
        """One run, or this process's part of it; ``tell`` says what it learns from.

        Raises KeyboardInterrupt when it was stopped; it is saved then. Raises Fault while another training writes it.
        """
        recipe = description.recipe
        self.world.check_batch(recipe.batch, recipe.accumulate)
        keep_freed_memory()
        torch.set_num_threads(recipe.threads or torch.get_num_threads())
        console = Console(quiet=not self.world.first)
        with ExitStack() as stack, told_memory(self.device, _less_memory(recipe)):
            if self.world.first:
                new = _make(out)
                stack.enter_context(only_writer(out))
                if new:
                    stack.callback(_remove_empty, out)  # while it is ours alone
            self.world.wait()
            stack.enter_context(told_compiler(_uncompiled(out)) if recipe.compile else nullcontext())
            bar = stack.enter_context(progress_bar(console))
            training = self._training(description, out, bar, stack, tell=tell)
            # Killed before its first save, a run has nothing to go on from: it begins again.
            if resume and weights_path(out, "resume").exists():
                training.resume()
            elif resume:
                say(console, f"{out}: nothing was saved to go on from: begins")
            if self.world.first:
                write_description(out, description)
            board = Board(out) if self.tensorboard and self.world.first else None
            stack.enter_context(closing(board) if board is not None else nullcontext())
            first = "compiles first" if recipe.compile else ""
            task = bar.add_task(description.policy, total=recipe.steps, completed=training.step, note=first)
            newest: list[Progress] = []

            def tell_bar(progress: Progress) -> None:
                newest[:] = [progress]
                bar.update(task, completed=progress.step, note=note(progress))

            result = training.fit(tell_bar, board)
            for progress in newest:  # nothing is saved any more
                bar.update(task, note=note(replace(progress, saving=False)))
        sum_up(console, result, out)
        if result.stopped:
            raise KeyboardInterrupt
        return result

    def run_each(self, descriptions: Mapping[Path, Description], out: Path, resume: bool) -> dict[Path, Result]:
        """Runs below ``out``, one after another. One that diverges is told and left out, and the others go on."""
        fitted = {}
        for number, (run, description) in enumerate(descriptions.items(), start=1):
            if self.world.first:
                print(f"run {number} of {len(descriptions)}: {run.relative_to(out)}", flush=True)
            try:
                fitted[run] = self.run(description, run, resume, tell=number == 1)
            except Diverged as error:
                print(f"error: {error}", file=sys.stderr)
        return fitted

    def _training(self, description: Description, out: Path, bar: Bar, stack: ExitStack, *, tell: bool) -> Training:
        torch.manual_seed(description.seed)
        network = build(description.network, description.inputs)
        begun = weights_path(out, "resume").exists()
        random = not begun and not start_from_imagenet(network, description.recipe.imagenet)
        train, validation = self._rows(description)
        if tell:
            for line in told_data(self.chosen, train, validation, description.inputs):
                say(bar.console, line)
        for line in told_recipe(description):
            say(bar.console, line)
        if random:
            say(bar.console, "ResNet-18 starts from random weights; --imagenet FILE starts it from torchvision's")
        judge = None
        if description.recipe.rollouts and self.world.first:
            judge = stack.enter_context(self._judge(description, out, bar))  # before the images: it may not be possible
        shares = self.chosen.shares(train)
        learned = self._windows(description, out, bar, self.chosen.train, train, shares)
        looked_at = None
        if validation is not None and len(validation.starts) and self.world.first:
            looked_at = self._windows(description, out, bar, self.chosen.validation, validation, None)
        run = (description.recipe, out, description.seed, self.device)
        return Training(network, learned, looked_at, *run, world=self.world, judge=judge)

    def _judge(self, description: Description, out: Path, bar: Bar) -> AbstractContextManager[Judge]:
        """With a bar of its own while it drives, for that takes longer than training may."""
        starts = description.recipe.rollouts
        task = bar.add_task("drive in simulation", total=starts, visible=False, note="")

        def tell(done: int) -> None:
            bar.update(task, completed=done, visible=done < starts)

        return simulated_judge(description, out, starts, self.device, tell)

    def _rows(self, description: Description) -> tuple[Rows, Rows | None]:
        """Of training, and of validation where there is any; of that nothing may be left."""
        validation = self.chosen.validation
        return (
            gather(self.chosen.train, description.inputs),
            gather(validation, description.inputs, needed=False) if validation else None,
        )

    def _windows(
        self,
        description: Description,
        out: Path,
        bar: Bar,
        episodes: Sequence[Episode],
        rows: Rows,
        shares: Floats | None,
    ) -> Windows:
        inputs, recipe = description.inputs, description.recipe
        images: Mapping[str, Image | Frames]
        if recipe.workers:
            images = {camera.name: Frames(episodes, camera) for camera in inputs.cameras}
        else:
            frames = sum(episode.steps for episode in episodes) * len(inputs.cameras)
            task = bar.add_task("decode images", total=frames, visible=bool(frames), note="")
            threads = recipe.threads or torch.get_num_threads()
            images = decode_images(episodes, inputs.cameras, out, lambda count: bar.advance(task, count), threads)
            bar.update(task, visible=False)
        return Windows(rows, images, description.statistics, description.network.chunk_size, shares, inputs)


def _make(out: Path) -> bool:
    """The folder of a run; whether it is a new one."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.mkdir()
    except OSError as error:
        if isinstance(error, FileExistsError) and out.is_dir():
            return False
        raise BadInput(f"--out {out}: {error.strerror}; allowed: a folder, or what can become one") from None
    return True


def _remove_empty(out: Path) -> None:
    with suppress(OSError):  # it is not empty
        out.rmdir()


def _less_memory(recipe: Recipe) -> str:
    parts = f"--accumulate {recipe.accumulate * 2}, a smaller --batch than {recipe.batch}"
    return f"try {parts}, a smaller --size or fewer --cameras"


def _uncompiled(out: Path) -> str:
    return f"and go on with --resume, or begin again with --compile no in another --out than {out}"
