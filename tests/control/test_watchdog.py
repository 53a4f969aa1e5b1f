from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from il_robot.control.watchdog import Watchdog


def watching(**allowed_ns: int) -> Watchdog:
    dog = Watchdog()
    for source, span_ns in allowed_ns.items():
        dog.watch(source, span_ns)
    return dog


def test_what_never_spoke_is_a_fault_and_is_listed() -> None:
    dog = watching(arm=100, pedal=500)
    dog.heard("arm", 1000)
    assert dog.never_heard == ("pedal",)
    assert dog.faults(1050) == ("pedal: never heard",)


@given(st.integers(0, 10**18), st.integers(1, 10**10), st.integers(-(10**11), 10**11))
def test_a_source_faults_exactly_outside_what_it_is_allowed(heard_ns: int, allowed_ns: int, later_ns: int) -> None:
    dog = watching(arm=allowed_ns)
    dog.heard("arm", heard_ns)
    faults = dog.faults(heard_ns + later_ns)
    assert bool(faults) == (abs(later_ns) > allowed_ns)
    assert all(line.startswith("arm: ") for line in faults)


def test_a_clock_set_back_is_noticed_and_then_healed() -> None:
    hour_ns = 3600 * 10**9
    dog = watching(arm=10**8)
    dog.heard("arm", 2 * hour_ns)
    assert "ahead" in dog.faults(hour_ns)[0]
    dog.heard("arm", hour_ns)
    assert dog.faults(hour_ns) == ()
    assert "silent for 1.00 s" in dog.faults(hour_ns + 10**9)[0]


def test_only_the_sources_asked_for_are_judged() -> None:
    dog = watching(arm=100, policy=100)
    dog.heard("arm", 1000)
    assert dog.faults(1000, ["arm"]) == ()
    assert dog.faults(1000, ["policy"]) == ("policy: never heard",)
