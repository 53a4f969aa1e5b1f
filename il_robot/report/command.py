"""``il-robot report``: the page and the summary of a whole loop."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from il_robot.errors import BadInput
from il_robot.report.page import write_report
from il_robot.report.sources import Sources
from il_robot.report.terminal import print_summary


def report(
    folder: Positional[Path],
    /,
    *,
    out: Path | None = None,
    demonstrations: Path | None = None,
    replays: Path | None = None,
    run: Path | None = None,
    evaluation: Path | None = None,
    corrections: Path | None = None,
) -> int:
    """Write one HTML page on a whole loop: what was collected, trained, evaluated, deployed and corrected.

    Exit code 0: written, 1: written, but something in the folder could not be used.

    Examples:
        il-robot report demo --out demo/report.html
        il-robot report work --run runs/act --evaluation act.json

    Args:
        folder: where the parts lie under the names that `il-robot demo` gives them; what is not there is left out.
        out: the page (default: report.html in the folder).
        demonstrations: dataset that was trained on (default: demonstrations in the folder).
        replays: dataset of replayed episodes (default: replays in the folder).
        run: folder of the training run (default: run in the folder).
        evaluation: what `il-robot evaluate --json` printed of that run (default: evaluation.json in the folder).
        corrections: dataset of deployed episodes (default: corrections in the folder).
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    given = (demonstrations, replays, run, evaluation, corrections)
    for path in given:
        if path is not None and not path.exists():
            raise BadInput(f"{path}: not there")
    names = ("demonstrations", "replays", "run", "evaluation.json", "corrections")
    paths = [path or folder / name for path, name in zip(given, names, strict=True)]
    if not any(path.exists() for path in paths):
        raise BadInput(f"{folder}: nothing to report on: it holds none of {', '.join(names)}")
    summary = write_report(Sources(*paths), out or folder / "report.html")
    print_summary(summary)
    return 1 if summary.problems else 0
