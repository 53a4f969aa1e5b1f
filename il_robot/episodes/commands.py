"""The commands ``il-robot dataset info | validate | recover | plot``: they print, and return the exit code."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from il_robot.counted import counted
from il_robot.episodes.answer import AsJson, answer, progress_bar, tracked
from il_robot.episodes.checks.listing import listed
from il_robot.episodes.dataset import episode_folders
from il_robot.episodes.layout import episode_id_of
from il_robot.episodes.location import local_folder
from il_robot.episodes.recording import finish_discards
from il_robot.episodes.recovery import recover as recover_episode
from il_robot.episodes.summary import DatasetSummary, summarise
from il_robot.episodes.validation import validate_dataset
from il_robot.errors import Fault, IlRobotError


def info(dataset: Positional[Path], /, as_json: AsJson = False) -> int:
    """Show what a dataset holds: episodes, steps, minutes, rates, lost frames, outcomes, size.

    Exit code 0: shown, 1: shown but for episodes that are not complete or not readable, 2: not a dataset.

    Examples:
        il-robot dataset info data/cube
        il-robot dataset info data/cube --json

    Args:
        dataset: a folder of episodes.
        as_json: print JSON for a script instead of a table.
    """
    summary = summarise(dataset)
    code = 1 if summary.unreadable or summary.left_out else 0
    if as_json:
        totals = {
            "steps": summary.steps,
            "minutes": summary.minutes,
            "size_bytes": summary.size_bytes,
            "outcomes": summary.outcomes,
            **summary.frames,
            "calibrations": summary.calibrations,
        }
        answer(True, {**dataclasses.asdict(summary), "total": totals}, "")
        return code
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    console.print(_table(summary))
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(summary.outcomes.items()))
    frames = ", ".join(f"{count} {word}" for word, count in summary.frames.items() if word != "lost")
    console.print(
        f"{counted(len(summary.episodes), 'episode')}, {counted(summary.steps, 'step')}, "
        f"{summary.minutes:.1f} minutes, "
        f"{summary.size_bytes / 1e6:.1f} MB; {outcomes}; {frames}; "
        f"tasks: {', '.join(sorted({one.task for one in summary.episodes}))}",
        highlight=False,
    )
    if len(summary.calibrations) > 1:
        told = ", ".join(
            f"{digest[:8]} ({counted(count, 'episode')})" for digest, count in summary.calibrations.items()
        )
        console.print(f"recorded under different calibrations: {told}", highlight=False, soft_wrap=True)
    for name, why in summary.left_out.items():
        console.print(f"left out: {name}: {why}", soft_wrap=True, markup=False)
    return code


def validate(
    dataset: Positional[Path],
    /,
    every: Annotated[bool, tyro.conf.arg(name="all")] = False,
    as_json: AsJson = False,
) -> int:
    """Look for every fault: damaged files, bad timing, frozen or black pictures, impossible motion.

    Prints one line per fault; what comes more than three times has one line in all. Exit code 0: clean, 1: faults,
    2: not a dataset.

    Examples:
        il-robot dataset validate data/cube
        il-robot dataset validate data/cube --all
        il-robot dataset validate data/cube --json

    Args:
        dataset: a folder of episodes.
        every: one line for every fault, however often it comes.
        as_json: print JSON for a script instead of lines.
    """
    folders = episode_folders(dataset)
    with progress_bar("validating", len(folders)) as advance:
        findings = validate_dataset(dataset, done=lambda _: advance())
    bad = len({finding.episode for finding in findings})
    end = (
        f"{counted(len(folders), 'episode')}: {counted(len(findings), 'fault')} in {bad} of them"
        if findings
        else "no fault found"
    )
    lines = [str(finding) for finding in findings] if every else list(listed(findings))
    if len(lines) < len(findings):
        end += "; --all lists each"
    answer(as_json, [dataclasses.asdict(finding) for finding in findings], "\n".join([*lines, end]))
    return 1 if findings else 0


def recover(dataset: Positional[Path], /, cut: bool = False, as_json: AsJson = False) -> int:
    """Complete the episodes that a killed recorder left; doing it again changes nothing.

    Exit code 0: every episode is complete now, 1: some could not be recovered, 2: not a dataset.

    Examples:
        il-robot dataset recover data/cube
        il-robot dataset recover data/cube --json

    Args:
        dataset: a folder of episodes.
        cut: complete an episode also where a damaged step makes that lose the steps after it.
        as_json: print JSON for a script instead of lines.
    """
    dataset = local_folder(dataset, "recover")
    done, failed = [], {}
    finish_discards(dataset)
    for folder in tracked(episode_folders(dataset), "recovering"):
        try:
            done.append(recover_episode(folder, cut=cut))
        except IlRobotError as error:
            failed[folder.name] = str(error)
    mended = [one for one in done if one.state != "untouched"]
    lines = [
        f"{one.episode}: {one.state}: {counted(one.steps, 'step')}"
        + (f", {counted(one.damaged_frames, 'frame')} damaged" if one.damaged_frames else "")
        for one in mended
    ]
    counts = f"{len(mended)} recovered, {len(done) - len(mended)} were complete, {len(failed)} could not be recovered"
    data = {"episodes": [dataclasses.asdict(one) for one in done], "failed": failed}
    answer(as_json, data, "\n".join([*lines, *failed.values(), counts]))
    return 1 if failed else 0


def plot(episode: Positional[Path], /, out: Path | None = None) -> int:
    """Draw an episode into one PNG: joints, camera strip, timing, interventions shaded.

    Examples:
        il-robot dataset plot data/cube/20260101T120000_000.zarr
        il-robot dataset plot data/cube/20260101T120000_000.zarr --out episode.svg

    Args:
        episode: an episode folder.
        out: the picture to write (.png, .pdf or .svg; default: the episode's name, here).
    """
    from il_robot.episodes.plot import episode_figure, save
    from il_robot.episodes.reader import Episode

    figure = episode_figure(Episode(episode))
    out = out or Path(f"{episode_id_of(episode)}.png")
    try:
        save(figure, out)
    except OSError as error:
        raise Fault(f"{out}: {error.strerror}") from None
    print(out)
    return 0


def _table(summary: DatasetSummary) -> Table:
    table = Table(
        title=summary.dataset, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.caption, table.caption_justify = "missing, repeated and skipped are counted over all cameras", "left"
    table.add_column("episode", no_wrap=True)
    for name in ("steps", "s", "Hz", "missing/\nrepeated/\nskipped", "take-\novers", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome")
    for one in summary.episodes:
        table.add_row(
            one.name,
            str(one.steps),
            f"{one.seconds:.1f}",
            f"{one.rate_hz:.2f}",
            "/".join(str(sum(counts.values())) for counts in (one.missing, one.repeated, one.skipped)),
            str(one.interventions),
            f"{one.size_bytes / 1e6:.1f}",
            one.outcome + (" (recovered)" if one.recovered else f" ({one.fault})" if one.fault else ""),
        )
    for name, why in summary.unreadable.items():
        table.add_row(name, *("-" * 6), Text(f"unreadable: {why}"))
    return table
