"""How the episode store compares: one run, all contestants on the same frames, interleaved, as one table.

    python benchmarks/store.py                      # about two minutes
    python benchmarks/store.py --seconds 60 --kills 20 --json
    python benchmarks/store.py --steps 100 --lerobot-python /path/to/venv/bin/python    # some minutes more

CPU figures are process time, so that other work on the machine hardly moves them; compare ratios.
Needs h5py, for the ACT layout.
"""

from __future__ import annotations

import json as json_text
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table
from store_contestants import Contest, lerobot, read_all
from store_live import kill, real_time


def main(
    steps: int = 250,
    seconds: float = 20.0,
    kills: int = 5,
    folder: Path | None = None,
    lerobot_python: Path | None = None,
    json: bool = False,
) -> None:
    """Run the comparison.

    Args:
        steps: length of the episode everyone writes and reads.
        seconds: length of the recording in real time.
        kills: how often a recorder is killed.
        folder: where the files go, about 8 MB per step (default: the temporary folder); removed afterwards.
        lerobot_python: the interpreter of an environment that LeRobot is installed in, to measure it too.
        json: print JSON instead of tables.
    """
    work = Path(tempfile.mkdtemp(prefix="store-", dir=folder))
    try:
        contest = Contest(work, steps)
        written = [
            contest.measure("il-robot (encodes)", contest.il_robot, work / "ours.zarr"),
            contest.measure("zarr-python, same codec", contest.plain_zarr, work / "plain.zarr"),
            contest.measure("ACT HDF5 (raw)", contest.act_hdf5, work / "act.hdf5"),
            contest.measure("diffusion_policy buffer", contest.replay_buffer, work / "replay_buffer.zarr"),
        ]
        read, live, killed = read_all(contest), real_time(work, seconds), kill(work, kills)
        peer = "LeRobot was not measured: name an interpreter that has it with --lerobot-python."
        if lerobot_python:
            peer_written, peer_read, peer = lerobot(contest, lerobot_python, read)
            written, read = written + peer_written, read + peer_read
    finally:
        shutil.rmtree(work)
    if json:
        print(
            json_text.dumps(
                {
                    "write": [*map(asdict, written)],
                    "read": [*map(asdict, read)],
                    "live": live,
                    "kill": killed,
                    "peer": peer,
                }
            )
        )
        return
    console = Console(width=110)
    for title, rows in (("Writing", written), ("Reading a random sample (4 images + 100 actions)", read)):
        table = Table(title=title, title_justify="left")
        for key in asdict(rows[0]):
            table.add_column(key.replace("_", " "), justify="left" if key == "contestant" else "right")
        for row in rows:
            table.add_row(*(f"{v:.2f}" if isinstance(v, float) else v for v in asdict(row).values()))
        console.print(table)
    for title, values in (("Real time, 4 cameras 480x640 at 50 Hz", live), ("kill -9", killed)):
        console.print(title + ": " + ", ".join(f"{key} {value:.2f}" for key, value in values.items()))
    console.print(
        "Where peers win: with a warm cache, raw or lz4 images need no JPEG decoding, at nine times the bytes."
    )
    console.print(peer)


if __name__ == "__main__":
    tyro.cli(main)
