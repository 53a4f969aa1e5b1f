"""What every export shares: the output appears whole or not at all, and a damaged episode is left out and named."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from il_robot.episodes.answer import tracked
from il_robot.episodes.columns import columns
from il_robot.episodes.completion import sync_folder
from il_robot.episodes.conversion.outgoing_frames import missing_frames
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import Outcome
from il_robot.episodes.location import local_folder, refuse_inside
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, Fault


@contextmanager
def appearing(out: Path, dataset: Path) -> Iterator[Path]:
    """A folder to write in, which becomes ``out`` when the block ends without an error.

    Raises BadInput when ``out`` holds something already, lies in ``dataset``, which is exported, or cannot be replaced
    by another folder, Fault when the disk fails or another command makes ``out`` right now.
    """
    target = local_folder(out, "export").resolve()
    refuse_inside(target, [dataset])
    part = target.with_name(f".{target.name}.part") if target.name else target
    try:
        _refuse_taken(out, target)
        with _held(out, part):
            _refuse_taken(out, target)  # Perhaps only since this process has its turn.
            yield part
            sync_folder(part)
            part.replace(target)
    except OSError as error:
        raise Fault(f"{out}: cannot be written: {reason(error)}") from None


def _refuse_taken(out: Path, target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"{out}: there already: give a folder that does not exist or is empty")
    if target == Path.cwd() or target.is_mount():
        raise BadInput(f"{out}: an export replaces the folder it is given, which this one forbids: name one inside it")


@contextmanager
def _held(out: Path, part: Path) -> Iterator[None]:
    """``part``, empty, for this process alone; another would take what is made in it for remains. It goes in the end
    unless it was put in its place."""
    part.mkdir(parents=True, exist_ok=True)
    fd = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _lock(out, part, fd)
        try:
            for remains in part.iterdir():
                if remains.is_dir() and not remains.is_symlink():
                    shutil.rmtree(remains)
                else:
                    remains.unlink()
            yield
        finally:
            if _is_at(part, fd):
                shutil.rmtree(part, ignore_errors=True)
    finally:
        os.close(fd)


def _lock(out: Path, part: Path, fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Fault(f"{out}: another command writes it right now") from None
    if not _is_at(part, fd):
        raise Fault(f"{out}: another command wrote it right now")


def _is_at(part: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), part.stat())
    except FileNotFoundError:
        return False


def reason(error: Exception) -> str:
    """In a few words: libraries make several lines of it, and put their own before the system's."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).partition("\n")[0]


@dataclass
class Export:
    """What became of the episodes of a dataset."""

    episodes: list[Episode]
    """Those to write, and when :meth:`write_each` is done, those that were written."""
    left_out: dict[str, str]
    """Folder -> why."""
    missing_frames: int = 0
    """How many were filled, where the format knows no missing frame."""

    def write_each(self, dataset: Path, write: Callable[[int, Episode], object]) -> None:
        """Write every episode, counted from 0; one that ``write`` raises BadInput for is left out.

        It reads an episode as it writes: damage to a frame shows only then. Raises BadInput when nothing was written.
        """
        written: list[Episode] = []
        for episode in tracked(self.episodes, "exporting"):
            try:
                write(len(written), episode)
            except BadInput as error:
                self.left_out[str(episode.path)] = str(error)
            else:
                written.append(episode)
                self.missing_frames += missing_frames(episode)
        self.episodes = written
        _refuse_nothing(dataset, written, self.left_out)


def chosen_episodes(dataset: Path, outcome: Outcome | None) -> Export:
    """The complete episodes of ``dataset`` whose arrays are whole, those of one outcome if given.

    Raises BadInput when there is none.
    """
    whole = Dataset(dataset)
    wanted = [episode for episode in whole if outcome in (None, episode.outcome)]
    if not wanted:
        there = ", ".join(sorted({episode.outcome for episode in whole}))
        raise BadInput(f"{dataset}: no episode of outcome {outcome!r}; its outcomes: {there}")
    episodes, damage = [], {}
    for episode in wanted:
        try:
            for column in columns(episode.info):
                episode.array(column.path)
            episodes.append(episode)
        except BadInput as error:
            damage[str(episode.path)] = str(error)
    _refuse_nothing(dataset, episodes, damage)
    return Export(episodes, {**whole.left_out_paths, **damage})


def _refuse_nothing(dataset: Path, episodes: Sequence[Episode], damage: Mapping[str, str]) -> None:
    if not episodes:
        raise BadInput(f"{dataset}: every episode is damaged: {list(damage.values())[-1]}")


@contextmanager
def whole_files(*files: Path) -> Iterator[None]:
    """What the block has made of ``files`` goes again when the episode turns out to be damaged."""
    try:
        yield
    except BadInput:
        for file in files:
            file.unlink(missing_ok=True)
        raise
