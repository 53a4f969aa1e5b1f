"""The comparison of the lecture (ACT's paper, table 1), on the simulated rig: every policy, same data, same starts.

50 scripted demonstrations of transfer cube, timed or human-like; each row is trained on each seed and driven from
the same 50 fresh starts. What is done is kept in --out, one folder a cell: a run that was stopped goes on, and only
what is missing is computed, all rows with the first seed before the next. --write FILE.md adds what --out holds to
FILE.jsonl and tells of all that is there, so several calls, days and machines make one table.

    python benchmarks/lecture_table.py --out lecture --styles timed human --seeds 0 1 2 --write docs/results.md
    python benchmarks/lecture_table.py --out lecture --only-write --write docs/results.md
    python benchmarks/lecture_table.py --out lecture --observations cameras --rows ACT --device cuda --jobs 1
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lecture_cells import DEMONSTRATIONS, OBSERVATIONS, ROWS, STYLES, Row, Table
from lecture_report import Report
from lecture_results import added, computed, read_outcomes, write_outcomes
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def fill(table: Table, rows: Sequence[Row], seeds: Sequence[int], starts: int, jobs: int, bar: Progress) -> None:
    """Computes every cell that is missing, ``jobs`` at a time; each is driven as soon as it is trained."""
    trained = dict.fromkeys(row.trained for row in rows)
    task = bar.add_task(f"{table.style}, {table.observation}", total=len(seeds) * len(trained))

    def work(cell: tuple[int, str]) -> None:
        seed, name = cell
        table.train(next(row for row in ROWS if row.name == name), seed)
        for row in rows:
            if row.trained == name:
                table.evaluate(row, seed, starts)
        bar.advance(task)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, [(seed, name) for seed in seeds for name in trained]))


def main() -> None:
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for data, runs and evaluations")
    parser.add_argument(
        "--write", type=Path, help="write all tables into this .md file, the plot and the outcomes beside it"
    )
    parser.add_argument("--only-write", action="store_true", help="compute nothing")
    parser.add_argument("--styles", nargs="+", choices=STYLES, default=["timed", "human"])
    parser.add_argument("--observations", nargs="+", choices=OBSERVATIONS, default=["state"])
    parser.add_argument("--rows", nargs="+", choices=names, default=names, metavar="ROW", help="; ".join(names))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--demonstrations", type=int, help=f"of each style, to try the table out (default: {DEMONSTRATIONS})"
    )
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--steps", type=int, help="of each training, to try the table out (default: the preset's)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    if given.write and (given.steps or given.demonstrations):
        tried = "--steps" if given.steps else "--demonstrations"
        usual = f"{DEMONSTRATIONS} demonstrations, the presets' steps"
        parser.error(f"{tried} is for trying out; allowed with --write: {usual}")
    demonstrations = given.demonstrations or DEMONSTRATIONS
    if not given.only_write:
        with Progress(TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
            for style in given.styles:
                for observation in given.observations:
                    workers = max(1, (os.cpu_count() or 1) // given.jobs)
                    table = Table(given.out, style, observation, given.device, given.steps, workers)
                    table.collect(demonstrations)
                    rows = [row for row in ROWS if row.name in given.rows]
                    fill(table, rows, given.seeds, given.starts, given.jobs, bar)
    outcomes = list(computed(given.out, given.seeds, given.starts, demonstrations, given.steps))
    if given.write:
        kept = given.write.with_suffix(".jsonl")
        outcomes = added(read_outcomes(kept), outcomes)
        if not outcomes:
            parser.error(f"no cell is done in {given.out}, and {kept} tells of none: nothing to write")
        write_outcomes(kept, outcomes)
    report = Report(outcomes)
    if given.write:
        report.write(given.write)
    print("\n".join(report.tables()))


if __name__ == "__main__":
    main()
