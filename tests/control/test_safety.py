"""The gate's promise: finite, inside the limits, never faster than the velocity limit, whatever is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from il_robot.control.safety import SafetyGate
from il_robot.errors import Fault
from il_robot.rig import NS_PER_S, Rig
from il_robot.types import Floats, Gate

STALE_NS = 100_000_000
HELD = Gate.NOT_FINITE | Gate.STALE | Gate.FAULT
anything = arrays(np.float32, 6, elements=st.floats(width=32))
"""(J,) any bit pattern: NaN, infinity, the largest number there is."""
sensible = arrays(np.float32, 6, elements=st.floats(-1.5, 2.5, width=32))
ages = st.one_of(st.integers(0, STALE_NS), st.integers(-(10**18), 10**18))


@settings(max_examples=200, deadline=None)
@given(
    start=sensible,
    ticks=st.lists(st.tuples(st.one_of(st.none(), sensible, anything), ages, st.booleans()), max_size=30),
)
def test_nothing_leaves_the_limits_or_jumps(
    rig: Rig, start: Floats, ticks: list[tuple[Floats | None, int, bool]]
) -> None:
    gate = SafetyGate(rig, STALE_NS)
    furthest = rig.velocity.astype(np.float64) * rig.period_ns / NS_PER_S
    outside = np.maximum(rig.lower - start, start - rig.upper)
    if (outside > furthest + 1e-6).any():
        with pytest.raises(Fault, match="outside"):
            gate.start(start)
        return
    gate.start(np.clip(start, rig.lower, rig.upper) if (outside > furthest - 1e-6).any() else start)
    now_ns, before = 10**18, gate.last.copy()
    for asked, age_ns, fault in ticks:
        now_ns += rig.period_ns
        output, done = gate.filter(asked, now_ns - age_ns, now_ns, fault)
        assert output.dtype == np.float32
        assert np.isfinite(output).all()
        assert (rig.lower <= output).all() and (output <= rig.upper).all()
        assert (np.abs(output.astype(np.float64) - before) <= furthest + 1e-6).all()
        must_hold = fault or asked is None or abs(age_ns) > STALE_NS or not np.isfinite(asked).all()
        assert bool(done & HELD) == must_hold
        if must_hold:
            np.testing.assert_array_equal(output, before)
        elif done is Gate.PASSED:
            np.testing.assert_array_equal(output, asked)
        np.testing.assert_array_equal(gate.last, output)
        before = output


def started(rig: Rig) -> SafetyGate:
    gate = SafetyGate(rig, STALE_NS)
    gate.start(rig.start)
    return gate


def test_what_was_done_is_said_and_counted(rig: Rig) -> None:
    gate, start = started(rig), rig.start
    beyond = start.copy()
    beyond[1] = 0.5 + 1.0  # above the elbow's limit, and further than it may go in a tick
    wrong = start.copy()
    wrong[0] = np.nan
    asked = [
        (start, 0, False, Gate.PASSED),
        (beyond, 0, False, Gate.LIMIT | Gate.VELOCITY),
        (None, 0, False, Gate.STALE),
        (start, STALE_NS + 1, False, Gate.STALE),
        (wrong, 0, False, Gate.NOT_FINITE),
        (start, 0, True, Gate.FAULT),
        (None, 0, True, Gate.FAULT | Gate.STALE),
    ]
    for wish, age_ns, fault, expected in asked:
        assert gate.filter(wish, 10**10 - age_ns, 10**10, fault)[1] == expected
    assert dict(gate.counts) == {
        Gate.LIMIT: 1,
        Gate.VELOCITY: 1,
        Gate.STALE: 3,
        Gate.NOT_FINITE: 1,
        Gate.FAULT: 2,
    }


def test_a_far_target_is_reached_at_the_velocity_limit(rig: Rig) -> None:
    gate = started(rig)
    target = rig.start.copy()
    target[0] += 0.49  # at 1 rad/s in ticks of 20 ms: 24 and a half
    done = [gate.filter(target, 0, 0)[1] for _ in range(26)]
    assert done == [Gate.VELOCITY] * 24 + [Gate.PASSED] * 2
    np.testing.assert_array_equal(gate.last, target)


def test_the_caller_cannot_change_what_the_gate_remembers(rig: Rig) -> None:
    gate = started(rig)
    output, _ = gate.filter(rig.start, 0, 0)
    output[:] = 99
    held, _ = gate.filter(None, 0, 0)
    held[:] = 99
    np.testing.assert_array_equal(gate.last, rig.start)


def test_a_follower_without_a_position_is_a_fault(rig: Rig) -> None:
    gate = SafetyGate(rig)
    with pytest.raises(Fault, match="before the followers' position was known"):
        gate.filter(rig.start, 0, 0)
    with pytest.raises(Fault, match="not a number"):
        gate.start(np.full(6, np.nan, np.float32))
    assert not gate.started
