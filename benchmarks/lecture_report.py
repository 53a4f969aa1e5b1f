"""``docs/results.md`` and its plot: the outcomes of the lecture's table, beside the lecture's figures."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from lecture_cells import ROWS, Condition
from lecture_plot import draw, lecture
from lecture_results import Outcome, Result, by_condition

from il_robot.training.intervals import Share
from il_robot.whole_file import write_whole

COMPARED = ("MLP, one action", "MLP, chunks of 50", "BeT", "VINN", "RT-1 bins", "ACT", "ACT, one action")
BEYOND = ("VAE", "GMM", "diffusion", "flow")
SECTIONS = {
    "Chunk size": ("ACT, one action", "ACT, chunks of 10", "ACT, chunks of 25", "ACT", "ACT, chunks of 100"),
    "Temporal ensembling on and off": ("ACT", "ACT, no ensembling"),
    "CVAE on and off": ("ACT", "ACT, no CVAE"),
}
SAYS = {
    "Chunk size": """\
ACT's chunks are of 50 actions unless said; all are ensembled. The paper, from images, without ensembling, mean of its
four settings: 1 % with one action, 44 % with chunks of 100.
""",
    "Temporal ensembling on and off": """\
Off: each chunk is followed to its end. In the paper ensembling adds 3.3 points.
""",
    "CVAE on and off": """\
In the paper, without the CVAE: the same from scripted data, 2 instead of 35.3 % from human data.
""",
}
INTRODUCTION = """\
Transfer cube on the simulated rig, the task and the comparison of ACT's paper (Zhao et al. 2023, table 1), which the
lecture shows. 50 scripted demonstrations; every policy trained with up to {seeds} seeds (`held, per seed` has a
figure for each that is done), by its own preset, and driven from the same {starts} fresh starts, 400 steps each.

- `timed` demonstrations follow way-points at fixed times, as the paper's script does; `human-like` ones pause, drift
  and change their speed. They are scripted too: beside them stand the paper's figures from human demonstrations.
- `state`: joints and the cube's pose. `one camera`: joints and one image of 96x128, no pose: what two cores give.
  `four cameras`: as the paper's policies see it, by a ResNet-18; for a GPU (`--observations cameras --device cuda`),
  and here only where a table of that name follows.
- From one camera every policy learns with images moved by up to 4 % and, in a fifth of the windows, the joints hidden
  (its preset says so, `tiny-image`; BeT's in half of them). With all to see, it depended on the seed whether a network
  looked for the cube at all. VAE and GMM still did not (8 % held, one seed) until the latent of the one cost ten times
  as much as from the state, and the other was fitted with `beta` 0.5. From human-like demonstrations it still
  depends on the seed with those that read the image by a perceptron (MLP, VAE, GMM): where they hold little, their
  first chunks of 12 demonstrations are off by 118 to 162 mrad, else by 46 to 65.
- touch, lift, transfer: reached at any time. held: the receiving gripper has the cube at the end, which is stricter.
  In brackets the 95 % interval (Wilson) over all starts of all seeds, as if one policy had been driven from all: how
  far another seed may be off, `held, per seed` tells. CPU min: of one training, mean over the seeds.
- Chunks are ensembled unless a row says otherwise.
- [{outcomes}]({outcomes}) has the counts behind each figure, and what computed it.

A baseline that does better here than in the lecture differs from the lecture's in two things: it predicts chunks of
50 actions where the paper's predict one at a time, and, with `state`, it is told where the cube is. The rows with one
action are as the paper's in the first. None was made weaker.
"""


def _markdown(lines: Iterable[str], first: str) -> Iterator[str]:
    head = f"{first} | touch | lift | transfer | held | held, per seed | CPU min | lecture: transfer"
    yield f"| {head} |"
    yield "|" + "---|" * (head.count("|") + 1)
    yield from lines
    yield ""


def _line(result: Result, condition: Condition) -> str:
    per_seed = ", ".join(f"{rate:.0%}" for rate in result.held_per_seed)
    parts = [f"{result.reached(name).rate:.0%}" for name in ("touch", "lift")]
    parts += [_with_interval(result.reached(name)) for name in ("transfer", "held")]
    told = lecture(condition, result.row.name)
    parts += [per_seed, f"{result.cpu_minutes:.1f}", "" if told is None else f"{told}%"]
    return f"| {result.row.name} | {' | '.join(parts)} |"


def _with_interval(part: Share) -> str:
    return f"**{part.rate:.0%}** ({part.low:.0%} to {part.high:.0%})"


@dataclass(frozen=True)
class Report:
    """The tables of some outcomes."""

    outcomes: Sequence[Outcome]

    @cached_property
    def results(self) -> dict[Condition, list[Result]]:
        return by_condition(self.outcomes)

    def tables(self) -> Iterator[str]:
        """Markdown: a table for each style and observation, then what is compared within ACT."""
        for condition, results in self.results.items():
            yield f"## {str(condition).capitalize()}\n"
            shown = [one for one in results if one.row.name in (*COMPARED, *BEYOND)]
            yield from _markdown((_line(one, condition) for one in shown), "policy")
        for title, names in SECTIONS.items():
            lines = list(self._compared(names))
            if lines:
                yield f"## {title}\n\n{SAYS[title]}"
                yield from _markdown(lines, "demonstrations, seen | policy")

    def _compared(self, names: Sequence[str]) -> Iterator[str]:
        """The lines of these rows, of every table that has more than one of them."""
        for condition, results in self.results.items():
            found = {one.row.name: one for one in results if one.row.name in names}
            if len(found) > 1:
                yield from (f"| {condition} {_line(found[name], condition)}" for name in names if name in found)

    def head(self, file: Path) -> Iterator[str]:
        seeds = max(len(one.held_per_seed) for rows in self.results.values() for one in rows)
        starts = max(one.starts for one in self.outcomes)
        yield "# Results\n"
        yield INTRODUCTION.format(seeds=seeds, starts=starts, outcomes=file.with_suffix(".jsonl").name)
        yield f"![Share of starts in which the cube was transferred, and held at the end]({file.stem}.png)\n"
        yield "Computed and written by\n\n```sh"
        yield from self._commands(file)
        yield "```\n"
        machines, software = self._all("machine"), self._all("software")
        yield f"on {machines}; on a CPU one thread a run. {software};"
        yield f"trained by commit {self._all('commit')}, written on {date.today()}.\n"

    def _all(self, what: str) -> str:
        """All that the outcomes say of it, once each."""
        return ", ".join(sorted({part for one in self.outcomes for part in getattr(one, what).split(", ")}))

    def _commands(self, file: Path) -> Iterator[str]:
        """Those that make what is here: one for each table, with the rows that it has."""
        for number, (condition, found) in enumerate(self.results.items()):
            rows = [one.row.name for one in found]
            seeds = sorted({seed for one in found for outcome in one.outcomes for seed in outcome.seeds})
            words = ["--out", "lecture", "--styles", condition.style, "--observations", condition.observation]
            words += ["--seeds", *map(str, seeds)]
            words += ["--rows", *rows] if len(rows) < len(ROWS) else []
            words += ["--write", f"docs/{file.name}"] if number == len(self.results) - 1 else []
            yield f"python benchmarks/lecture_table.py {shlex.join(words)}"

    def write(self, file: Path) -> None:
        """Writes ``file`` anew, and the plot beside it."""
        draw(self.results, file.with_suffix(".png"))
        write_whole(file, "\n".join([*self.head(file), *self.tables()]).encode())
