"""Records an episode without ever holding its caller: ``append`` only queues, one thread writes.

Nothing is lost silently. A full queue, a full disk or a dead thread ends the episode: the next ``append``
raises Fault, and everything acknowledged until then stays.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from il_robot.counted import counted
from il_robot.episodes.layout import EpisodeInfo, Losses, Outcome, Validity
from il_robot.episodes.recording import Recording
from il_robot.errors import BadInput, Fault, IlRobotError, nearest
from il_robot.types import Frame, Step

_Item = tuple[NDArray[Any], Sequence[Frame | None]]


class EpisodeWriter:
    """One episode being recorded; use :meth:`create`, then ``append`` per step and ``close`` or ``discard``."""

    def __init__(self, recording: Recording, queue_steps: int, sync_s: float | None) -> None:
        self._recording = recording
        self._sync_s = sync_s
        self._queue_steps = queue_steps
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._progress = threading.Condition()
        self._appended = 0
        self._joint_ns: tuple[int, ...] = ()
        self._failure = ""
        self._told = False
        self._closed = False
        self._ending = threading.Event()
        if sync_s is not None:
            threading.Thread(target=self._sync_often, args=(sync_s,), daemon=True).start()
        self._thread = threading.Thread(target=self._write_all, name=f"write {recording.path.name}", daemon=True)
        self._thread.start()

    @classmethod
    def create(
        cls,
        dataset: Path,
        info: EpisodeInfo,
        *,
        episode_id: str | None = None,
        queue_steps: int | None = None,
        minimum_s: float = 60.0,
        sync_s: float | None = 1.0,
    ) -> Self:
        """Start an episode in the folder ``dataset`` (made if there is none).

        ``episode_id`` names it (default: the time); ``queue_steps`` bounds what may wait for the disk
        (default: 2 s); ``minimum_s`` is how long an episode must fit on the disk at least; ``sync_s`` is the most
        that a power failure may take (a kill takes nothing acknowledged), None leaves that to the system.
        Raises Fault when the disk is too full, BadInput when the folder or the name cannot be used.
        """
        waiting = max(1, round(2 * info.fps)) if queue_steps is None else queue_steps
        return cls(Recording(dataset, info, episode_id, minimum_s), waiting, sync_s)

    @property
    def path(self) -> Path:
        return self._recording.path

    @property
    def steps(self) -> int:
        """Steps appended."""
        return self._appended

    @property
    def acknowledged(self) -> int:
        """Steps that survive a ``kill -9`` of this process now."""
        return self._recording.steps

    @property
    def losses(self) -> dict[str, Losses]:
        """Camera name -> steps missing and repeated, frames skipped, so far."""
        return self._recording.tally.losses

    @property
    def missing(self) -> dict[str, int]:
        """Camera name -> steps without a frame."""
        return {name: loss.missing for name, loss in self.losses.items()}

    def append(self, step: Step, frames: Mapping[str, Frame | None] | None = None) -> None:
        """Queue the next step and the newest frame of each camera; a missing frame is None or absent.

        The frame of the step before, given again, is stored as a repetition. Returns at once.
        Raises BadInput for vectors of a wrong length or an unknown camera, Fault once the episode has ended.
        """
        self._raise_failure()
        if self._closed:
            raise Fault(f"{self.path}: the episode is closed already")
        row = self._row(step)
        item = row, self._ordered(row, frames or {})
        if self._appended - self._recording.steps >= self._queue_steps:
            self._fail(f"the disk is too slow: {self._queue_steps} steps wait for it")
            self._raise_failure()
        self._queue.put(item)
        self._appended += 1

    def flush(self, timeout_s: float = 10.0) -> None:
        """Wait until every step appended is acknowledged. Raises Fault when that does not come to be."""
        with self._progress:
            done = self._progress.wait_for(lambda: self.acknowledged == self._appended or self._ended, timeout_s)
        self._raise_failure()
        if not done:
            left = counted(self._appended - self.acknowledged, "step")
            raise Fault(f"{self.path}: {left} left to be written after {timeout_s} s")

    def close(self, outcome: Outcome = "unmarked") -> Path:
        """Complete the episode and return its folder.

        Raises Fault when something ended the episode early and no ``append`` said so yet (what was acknowledged
        is complete on disk all the same), or when there was no step at all (then nothing is kept).
        """
        self._stop()
        if self._recording.steps == 0:
            self._recording.discard()
            self._raise_failure()
            raise Fault(f"{self.path}: no step was recorded: nothing kept")
        try:
            if self._failure:
                self._recording.rescue(outcome, self._failure)
            else:
                self._recording.finish(outcome)
                self._settle()
        except OSError as error:
            raise Fault(f"{self.path}: cannot be completed ({error.strerror}): recover it later") from None
        if not self._told:
            self._raise_failure()
        return self.path

    def discard(self) -> None:
        """Throw the episode away."""
        self._stop()
        self._recording.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not self._closed:
            self.close()

    @property
    def _ended(self) -> bool:
        return bool(self._failure) or not self._thread.is_alive()

    def _fail(self, reason: str) -> None:
        if not self._failure:
            self._failure = reason

    def _raise_failure(self) -> None:
        if not self._closed and not self._thread.is_alive():
            self._fail("the writing thread died")
        if self._failure:
            self._told = True
            raise Fault(f"{self.path}: recording ended after step {self.acknowledged}: {self._failure}")

    def _stop(self) -> None:
        if self._closed:
            raise Fault(f"{self.path}: the episode is closed already")
        if not self._thread.is_alive():
            self._fail("the writing thread died")
        self._closed = True
        self._ending.set()
        self._queue.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._recording.write(*item)
                with self._progress:
                    self._progress.notify_all()
        except OSError as error:
            self._fail(str(error.strerror))
        except IlRobotError as error:
            self._fail(str(error))
        finally:
            with self._progress:
                self._progress.notify_all()

    def _settle(self) -> None:
        if self._sync_s is None:
            self._recording.settle(sync=False)
        else:
            # Not a daemon: the interpreter waits for it when it ends. A kill leaves a journal that harms nothing.
            threading.Thread(target=self._recording.settle, kwargs={"sync": True}).start()

    def _sync_often(self, period_s: float) -> None:
        while not self._ending.wait(period_s):
            try:
                self._recording.sync()
            except OSError as error:
                self._fail(f"the disk does not keep what it takes: {error.strerror}")
                return

    def _row(self, step: Step) -> NDArray[Any]:
        """The step as a row of the journal (1,), its cameras still blank."""
        info = self._recording.info
        row = np.zeros(1, self._recording.dtype)
        seen = step.observation
        vectors = {
            "observations/qpos": seen.qpos,
            "observations/qvel": seen.qvel,
            "observations/effort": seen.effort,
            "action": step.action,
            "action_asked": step.action_asked,
            **{f"observations/objects/{name}": seen.objects.get(name) for name in info.objects},
        }
        for path, vector in vectors.items():
            if vector is None:
                row[path] = np.nan
            elif np.shape(vector) != row[path].shape[1:]:
                raise BadInput(f"step {self._appended}: {path} has shape {np.shape(vector)}, not {row[path].shape[1:]}")
            else:
                row[path] = vector
        if len(step.joint_ns) != len(info.followers):
            stamps, arms = counted(len(step.joint_ns), "joint stamp"), counted(len(info.followers), "arm")
            raise BadInput(f"step {self._appended}: {stamps} for {arms}")
        row["time/step_ns"] = step.time_ns
        row["control/mode"] = step.mode
        row["control/intervention"] = step.intervention
        row["control/gate"] = step.gate
        before = self._joint_ns or (None,) * len(step.joint_ns)
        for a, (stamp, last) in enumerate(zip(step.joint_ns, before, strict=True)):
            row["time/joint_ns"][0, a] = stamp
            row["control/valid"][0, a] = Validity.REPEATED if stamp == last else Validity.FRESH
        self._joint_ns = step.joint_ns
        return row

    def _ordered(self, row: NDArray[Any], frames: Mapping[str, Frame | None]) -> list[Frame | None]:
        """The frames in the order of the cameras, their stamps entered into ``row``."""
        names = self._recording.info.camera_names
        for name in frames:
            if name not in names:
                raise BadInput(f"step {self._appended}: no camera {name!r} in this episode; {nearest(name, names)}")
        ordered = [frames.get(name) for name in names]
        for c, frame in enumerate(ordered):
            if frame is not None:
                row["time/camera_ns"][0, c] = frame.time_ns
                row["time/camera_sequence"][0, c] = frame.sequence
        return ordered
