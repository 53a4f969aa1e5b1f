"""How the episode store compares: one run, all contestants on the same frames, in turn, round after round, one table.

    python benchmarks/store.py                      # about two minutes
    python benchmarks/store.py --seconds 60 --kills 20 --json
    python benchmarks/store.py --lerobot-python /path/to/venv/bin/python    # LeRobot's own dataset class, too

CPU figures are process time, children included, so that other work on the machine hardly moves them; compare ratios.
LeRobot asks for other versions of nearly every library, so its class runs in a process of its own environment and is
asked over a pipe; it takes its turn between the others. Where it breaks or is too slow it is out, with the reason.
Needs h5py, for the ACT layout.
"""

from __future__ import annotations

import json as json_text
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import tyro
from peer import Peer
from rich.console import Console
from rich.table import Table
from store_contestants import US, Contest, Written
from store_live import kill, real_time
from store_reading import DECODE, Read, read_all
from store_scene import CAMERAS, CHUNK, DIFFERENT, RATE_HZ

LAYOUTS = ("video", "image")
STORES_ONCE = ", image"
"""The end of the name of a contestant whose files hold a repeated picture once."""


def main(
    steps: int = 250,
    seconds: float = 20.0,
    kills: int = 5,
    rounds: int = 2,
    folder: Path | None = None,
    lerobot_python: Path | None = None,
    limit_s: float = 120.0,
    json: bool = False,
) -> None:
    """Run the comparison.

    Args:
        steps: length of the episode everyone writes and reads.
        seconds: length of the recording in real time.
        kills: how often a recorder is killed.
        rounds: how often everyone writes; medians count.
        folder: where the files go, about 10 MB per step (default: the temporary folder); removed afterwards.
        lerobot_python: the interpreter of an environment that LeRobot is installed in, to measure it too.
        limit_s: a LeRobot that takes longer for one episode or one round of reading is out.
        json: print JSON instead of tables.
    """
    work = Path(tempfile.mkdtemp(prefix="store-", dir=folder))
    peers: list[Peer] = []
    try:
        contest = Contest(work, steps)
        if lerobot_python:
            peers = lerobot(contest, lerobot_python, limit_s)
        written = write_all(contest, peers, limit_s, rounds)
        read = read_all(contest, peers, limit_s)
        for peer in peers:
            peer.close()
        live, killed = real_time(work, seconds), kill(work, kills)
    finally:
        for peer in peers:
            peer.close()
        shutil.rmtree(work)
    names = {row.contestant for row in read}
    notes = [where_peers_win(written, read), *(peer.out for peer in peers if peer.name not in names)]
    if not peers:
        notes.append("LeRobot was not measured: name an interpreter that has it with --lerobot-python.")
    if json:
        rows = {"write": [*map(asdict, written)], "read": [*map(asdict, read)]}
        print(json_text.dumps({**rows, "live": live, "kill": killed, "notes": notes}))
    else:
        show(written, read, {"Real time, 4 cameras 480x640 at 50 Hz": live, "kill -9": killed}, notes)


def lerobot(contest: Contest, python: Path, limit_s: float, layouts: tuple[str, ...] = LAYOUTS) -> list[Peer]:
    """LeRobot in each of ``layouts``, named with its version."""
    frames, script = contest.folder / "frames.npz", Path(__file__).with_name("store_lerobot.py")
    np.savez(
        frames,
        pictures=np.stack(contest.pictures),
        actions=contest.actions,
        cameras=np.array(CAMERAS),
        fps=np.array(RATE_HZ),
        chunk=np.array(CHUNK),
    )
    peers = []
    for layout in layouts:
        place = str(contest.folder / f"lerobot_{layout}")
        peer = Peer(f"LeRobot, {layout}", python, script, [str(frames), layout, place])
        answer = peer.ask(limit_s, do="open")
        if answer is not None:
            peer.name = f"LeRobot {answer['version']}, {layout}"
        peers.append(peer)
    return peers


def write_all(contest: Contest, peers: list[Peer], limit_s: float, rounds: int) -> list[Written]:
    """Everyone in turn, ``rounds`` times; medians. A peer that goes out has no row."""
    taken: dict[str, list[Written]] = {}
    for _ in range(rounds):
        for name in contest.writers():
            taken.setdefault(name, []).append(contest.measure(name))
        for peer in peers:
            answer = peer.ask(limit_s, do="write")
            if answer is not None:
                taken.setdefault(peer.name, []).append(Written(peer.name, **answer))
    fields = ("write_cpu_ms_per_frame", "frames_per_s", "close_ms", "kb_per_frame")
    rows = [
        Written(name, *(float(np.median([getattr(one, field) for one in several])) for field in fields))
        for name, several in taken.items()
        if len(several) == rounds
    ]
    ours = next(row for row in rows if row.contestant == US)
    return [replace(row, cpu_ratio_to_us=row.write_cpu_ms_per_frame / ours.write_cpu_ms_per_frame) for row in rows]


def where_peers_win(written: list[Written], read: list[Read]) -> str:
    """Said from the figures of this run, not from memory. A recording shows no picture twice as the scene does, so
    bytes saved by that are no win."""
    ours = next(row for row in written if row.contestant == US)
    repeating = [row.contestant for row in written if row.contestant.endswith(STORES_ONCE)]
    fewer = [row.contestant for row in written if row.kb_per_frame < 0.95 * ours.kb_per_frame]
    cheaper = {
        "less CPU to write": [r.contestant for r in written if r.write_cpu_ms_per_frame < ours.write_cpu_ms_per_frame],
        "fewer bytes": [name for name in fewer if name not in repeating],
        "less CPU to read, from a warm cache": [
            r.contestant for r in read if r.cpu_ratio_to_us < 1 and r.contestant != DECODE
        ],
    }
    told = "Where peers win: " + "; ".join(f"{what}: {', '.join(who) or 'nobody'}" for what, who in cheaper.items())
    if repeating:
        told += (
            f". The bytes of {', '.join(repeating)} count for nothing: the scene shows {DIFFERENT} pictures again and "
            f"again, and its table stores each once; all different, they take 540 kB each"
        )
    return told


def show(written: list[Written], read: list[Read], values: dict[str, dict[str, float]], notes: list[str]) -> None:
    """One table: what writing and what reading cost everyone; then the writer alone."""
    console = Console(width=140)
    table = Table(title="Writing a frame | reading a random sample (4 images + 100 actions)", title_justify="left")
    table.add_column("contestant", no_wrap=True)
    for name in (
        "CPU ms/frame",
        "x ours",
        "frames/s",
        "close ms",
        "kB/frame",
        "CPU ms/sample",
        "x decode",
        "x ours",
        "samples/s",
    ):
        table.add_column(name, justify="right")
    writing, reading = {row.contestant: row for row in written}, {row.contestant: row for row in read}
    for name in dict.fromkeys([*writing, *reading]):
        w, r = writing.get(name), reading.get(name)
        table.add_row(
            name,
            *(
                [f"{w.write_cpu_ms_per_frame:.2f}", f"{w.cpu_ratio_to_us:.2f}", f"{w.frames_per_s:.0f}"]
                + [f"{w.close_ms:.0f}", f"{w.kb_per_frame:.1f}"]
                if w
                else [""] * 5
            ),
            *(
                [f"{r.cpu_ms_per_sample:.2f}", f"{r.cpu_ratio_to_decode:.2f}", f"{r.cpu_ratio_to_us:.2f}"]
                + [f"{r.samples_per_s:.1f}"]
                if r
                else [""] * 4
            ),
        )
    console.print(table)
    for title, figures in values.items():
        console.print(title + ": " + ", ".join(f"{key} {value:.2f}" for key, value in figures.items()))
    for note in notes:
        console.print(note, highlight=False)


if __name__ == "__main__":
    tyro.cli(main)
