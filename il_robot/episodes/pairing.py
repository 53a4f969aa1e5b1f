"""Which camera frame belongs to which step: the newest one captured at or before the step's tick.

Frames and steps come over different paths and in any order. A step waits until every camera has delivered
something newer (then its newest older frame is known), or until it has waited long enough; what is still
missing then is marked missing, and nothing is shifted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from il_robot.types import Floats, Frame, Step

KEPT = 50
"""Frames and poses remembered per stream: one second at 50 Hz, more than any step waits."""


class Pairing:
    """Collects steps, frames and object poses; gives complete steps in order.

    Args:
        cameras: the streams every step needs a frame of.
        objects: the objects every step needs a pose of.
        wait_ns: how long a step waits for what has not come.
        max_age_ns: a frame or pose older than this at the tick counts as missing.
    """

    def __init__(self, cameras: Sequence[str], objects: Sequence[str], wait_ns: int, max_age_ns: int) -> None:
        self._frames: dict[str, deque[Frame]] = {name: deque(maxlen=KEPT) for name in cameras}
        self._poses: dict[str, deque[tuple[int, Floats]]] = {name: deque(maxlen=KEPT) for name in objects}
        self._steps: deque[Step] = deque()
        self._wait_ns = wait_ns
        self._max_age_ns = max_age_ns

    @property
    def unheard(self) -> tuple[str, ...]:
        """The streams that have not delivered anything yet."""
        streams: Mapping[str, Sequence[object]] = {**self._frames, **self._poses}
        return tuple(name for name, kept in streams.items() if not kept)

    def add_frame(self, camera: str, frame: Frame) -> None:
        self._frames[camera].append(frame)

    def add_pose(self, thing: str, time_ns: int, pose: Floats) -> None:
        """``pose`` is (7,), see :class:`il_robot.types.Observation`."""
        self._poses[thing].append((time_ns, pose))

    def add_step(self, step: Step) -> None:
        self._steps.append(step)

    def clear_steps(self) -> None:
        """Forget the steps that still wait (frames stay: the next episode may begin with them)."""
        self._steps.clear()

    def ready(self, now_ns: int) -> list[tuple[Step, dict[str, Frame | None]]]:
        """The steps that need not wait any longer, oldest first, each with its frames (None = missing)."""
        done = []
        while self._steps and (self._complete(self._steps[0]) or now_ns - self._steps[0].time_ns > self._wait_ns):
            done.append(self._pair(self._steps.popleft()))
        return done

    def _complete(self, step: Step) -> bool:
        newest = [kept[-1].time_ns if kept else 0 for kept in self._frames.values()]
        newest += [kept[-1][0] if kept else 0 for kept in self._poses.values()]
        return all(time_ns > step.time_ns for time_ns in newest)

    def _pair(self, step: Step) -> tuple[Step, dict[str, Frame | None]]:
        oldest_ns = step.time_ns - self._max_age_ns
        frames: dict[str, Frame | None] = {
            camera: next((frame for frame in reversed(kept) if oldest_ns <= frame.time_ns <= step.time_ns), None)
            for camera, kept in self._frames.items()
        }
        poses = {
            thing: pose
            for thing, kept in self._poses.items()
            for pose in [next((pose for time_ns, pose in reversed(kept) if oldest_ns <= time_ns <= step.time_ns), None)]
            if pose is not None
        }
        return replace(step, observation=replace(step.observation, objects=poses)), frames
