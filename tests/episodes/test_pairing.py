"""Frames find their steps whatever order they come in, and nothing is ever shifted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from il_robot.episodes.pairing import Pairing
from il_robot.types import Floats, Frame, Mode, Observation, Step

PERIOD = 20
WAIT = 250
MAX_AGE = 100
CAMERAS = ("high", "low")
LATER = 1 << 60
Paired = tuple[Step, dict[str, Frame | None]]


def step_at(time_ns: int) -> Step:
    nothing = np.zeros(1, np.float32)
    return Step(time_ns, Observation(nothing, time_ns), (time_ns,), nothing, nothing, Mode.ROBOT)


def pose_at(time_ns: int) -> Floats:
    return np.full(7, time_ns, np.float32)


def pairing() -> Pairing:
    return Pairing(CAMERAS, ("cube",), WAIT, MAX_AGE)


def add(pairing: Pairing, stream: str, time_ns: int) -> None:
    if stream == "step":
        pairing.add_step(step_at(time_ns))
    elif stream == "cube":
        pairing.add_pose("cube", time_ns, pose_at(time_ns))
    else:
        pairing.add_frame(stream, Frame(b"", time_ns, time_ns))


def newest(times_ns: list[int], at_ns: int) -> int | None:
    """What must be paired: the newest capture at or before the tick that is young enough."""
    return max((time_ns for time_ns in times_ns if at_ns - MAX_AGE <= time_ns <= at_ns), default=None)


times = st.lists(st.integers(1, 600), unique=True, max_size=30).map(sorted)


@given(steps=times, streams=st.fixed_dictionaries(dict.fromkeys((*CAMERAS, "cube"), times)), data=st.data())
def test_arrival_order_does_not_matter(steps: list[int], streams: dict[str, list[int]], data: st.DataObject) -> None:
    """Each stream keeps its own order; how they interleave is anyone's."""
    queues = {"step": list(steps), **{name: list(queue) for name, queue in streams.items()}}
    pairs = pairing()
    while any(queues.values()):
        stream = data.draw(st.sampled_from([name for name, queue in queues.items() if queue]))
        add(pairs, stream, queues[stream].pop(0))
    done = pairs.ready(LATER)
    assert [step.time_ns for step, _ in done] == steps
    for step, frames in done:
        for camera in CAMERAS:
            frame = frames[camera]
            assert (None if frame is None else frame.time_ns) == newest(streams[camera], step.time_ns)
        pose, expected = step.observation.objects.get("cube"), newest(streams["cube"], step.time_ns)
        assert (None if pose is None else int(pose[0])) == expected


@given(
    phases=st.fixed_dictionaries({name: st.integers(0, PERIOD - 1) for name in (*CAMERAS, "cube")}),
    lost=st.sets(st.tuples(st.sampled_from([*CAMERAS, "cube"]), st.integers(0, 40))),
    delays=st.fixed_dictionaries({name: st.integers(0, 5) for name in ("step", *CAMERAS, "cube")}),
)
def test_live_a_step_gets_the_frame_of_its_own_moment_or_an_older_one_never_a_newer_one(
    phases: dict[str, int], lost: set[tuple[str, int]], delays: dict[str, int]
) -> None:
    pairs, done = pairing(), []
    for now in range(60):
        for stream, delay in delays.items():
            number = now - delay
            if 0 <= number < 40 and (stream, number) not in lost:
                add(pairs, stream, 1000 + number * PERIOD + (PERIOD if stream == "step" else phases[stream]))
        done += pairs.ready(1000 + now * PERIOD)
    assert [step.time_ns for step, _ in done] == [1000 + (number + 1) * PERIOD for number in range(40)]
    for number, (step, frames) in enumerate(done):
        for camera in CAMERAS:
            kept = [i for i in range(number + 1) if (camera, i) not in lost]
            stamps = [1000 + i * PERIOD + phases[camera] for i in kept]
            if phases[camera] == 0 and number + 1 < 40 and (camera, number + 1) not in lost:
                stamps.append(step.time_ns)
            frame = frames[camera]
            assert (None if frame is None else frame.time_ns) == newest(stamps, step.time_ns)


def test_a_step_waits_for_what_may_still_come_but_not_for_ever() -> None:
    pairs = pairing()
    for stream in (*CAMERAS, "cube"):
        add(pairs, stream, 1000)
    add(pairs, "step", 1010)
    assert pairs.ready(1010 + WAIT) == []
    ((step, frames),) = pairs.ready(1010 + WAIT + 1)
    assert step.time_ns == 1010
    assert all(frame is not None and frame.time_ns == 1000 for frame in frames.values())


def test_a_step_is_ready_as_soon_as_everything_newer_is_there() -> None:
    pairs = pairing()
    add(pairs, "step", 1010)
    for stream in (*CAMERAS, "cube"):
        assert pairs.ready(1011) == []
        add(pairs, stream, 1000)
        add(pairs, stream, 1020)
    assert len(pairs.ready(1011)) == 1


def test_a_lost_camera_is_missing_and_the_others_stay_in_step() -> None:
    pairs = pairing()
    for number in range(30):
        add(pairs, "high", 1000 + number * PERIOD)
        add(pairs, "cube", 1000 + number * PERIOD)
        add(pairs, "step", 1010 + number * PERIOD)
    done = pairs.ready(LATER)
    assert len(done) == 30
    for step, frames in done:
        assert frames["low"] is None
        assert frames["high"] is not None and frames["high"].time_ns == step.time_ns - 10


def test_who_has_not_spoken_is_told_and_forgetting_steps_keeps_the_frames() -> None:
    pairs = pairing()
    assert pairs.unheard == ("high", "low", "cube")
    for stream in (*CAMERAS, "cube"):
        add(pairs, stream, 1000)
    add(pairs, "step", 1010)
    pairs.clear_steps()
    assert pairs.unheard == () and pairs.ready(LATER) == []
    add(pairs, "step", 1030)
    ((_, frames),) = pairs.ready(LATER)
    assert frames["high"] is not None
