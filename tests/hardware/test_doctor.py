"""The doctor, on a rig that is whole and on one where something is wrong."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from calibration.rig_file import RIGS, load_rig
from hardware import doctor_arms, doctor_computer
from hardware.camera import ThreadedCamera
from hardware.doctor import Doctor, Exit, examine
from hardware.doctor_devices import check_pedal, measure_rates
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_pedal import EmulatedPedal
from hardware.emulated_rig import as_built
from hardware.findings import Row, Verdict
from hardware.pattern_camera import PatternSource
from hardware.wiring import Wiring, load_wiring
from il_robot.control.rate import SystemClock
from il_robot.rig import Camera

NOBODY = 65534


class Lab:
    """A Koch whose ports lead to emulated devices; its cameras are not plugged in."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder / "lab"
        shutil.copytree(RIGS / "koch", self.folder)
        path = self.folder / "hardware.yaml"
        text = (
            path.read_text()
            .replace("/dev/", f"{folder}/")
            .replace("kind: keyboard", f"kind: serial, port: {folder}/pedal")
        )
        path.write_text(text)
        self.pedal = stack.enter_context(EmulatedPedal(folder / "pedal"))
        self.buses = {}
        for arm in ("follower_main", "leader_main"):
            servos = as_built(self.wiring.chain(arm))
            self.buses[arm] = stack.enter_context(EmulatedBus(servos, folder / f"il_{arm}"))

    @property
    def wiring(self) -> Wiring:
        return load_wiring(load_rig(str(self.folder)), str(self.folder))[0]

    def rows(self) -> dict[str, Row]:
        doctor = Doctor(str(self.folder), self.folder, reply_s=0.05, camera_seconds=0.1)
        return {row.what: row for row in doctor.rows()}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        yield Lab(tmp_path, stack)


def test_what_is_well_is_ok_and_what_is_missing_is_a_fault(lab: Lab) -> None:
    rows = lab.rows()
    for what in ("rig", "calibration", "follower_main", "leader_main", "pedal"):
        assert rows[what].verdict is Verdict.OK, rows[what]
    assert "6 servos" in rows["follower_main"].found and "registers to be set" in rows["follower_main"].found
    for what in ("cam_front", "cam_wrist"):
        assert rows[what].verdict is Verdict.FAULT
    assert all(bool(row.cure) == (row.verdict is not Verdict.OK) for row in rows.values())


def test_a_simulated_rig_has_nothing_plugged_in(tmp_path: Path) -> None:
    rows = {row.what: row for row in Doctor("sim", tmp_path).rows()}
    assert rows["wiring"].verdict is Verdict.OK and "simulated" in rows["wiring"].found


def test_it_writes_no_register(lab: Lab) -> None:
    before = {name: bus.do("state") for name, bus in lab.buses.items()}
    lab.rows()
    for name, bus in lab.buses.items():
        for servo, state in bus.do("state").items():
            assert {k: v for k, v in state.items() if "Present" not in k} == {
                k: v for k, v in before[name][servo].items() if "Present" not in k
            }


def test_a_sick_arm_says_where_it_hurts(lab: Lab) -> None:
    follower = lab.buses["follower_main"]
    follower.do("fail", ids=[6], error=32)
    follower.do("show", ids=[2], registers={"Present_Temperature": 71})
    follower.do("mute", ids=[4])
    rows = lab.rows()
    assert rows["follower_main gripper (servo 6)"].found == "hardware error: OVERLOAD"
    assert rows["follower_main shoulder_lift (servo 2)"].found == "71 degrees Celsius"
    assert "does not answer" in rows["follower_main wrist_flex"].found
    assert "follower_main" not in rows


def test_an_arm_without_power_and_an_unplugged_one(lab: Lab) -> None:
    lab.buses["follower_main"].do("mute", ids=[1, 2, 3, 4, 5, 6])
    lab.buses["leader_main"].do("unplug")
    rows = lab.rows()
    assert rows["follower_main"].found == "no servo answers"
    assert "power" in rows["follower_main"].cure
    assert rows["leader_main"].found.startswith("no /")


def test_servos_at_another_baud_are_found(tmp_path: Path) -> None:
    with ExitStack() as stack:
        lab = Lab(tmp_path, stack)
        servos = as_built(lab.wiring.chain("follower_main"))
        slow = [{**servo, "registers": {"Baud_Rate": 1}} for servo in servos]
        stack.enter_context(EmulatedBus(slow, tmp_path / "il_follower_main"))
        (row,) = doctor_arms.check("follower_main", lab.wiring, reply_s=0.05)
    assert row.found == "servos answer at 57600 baud, not at 1000000"
    assert row.cure.startswith("write 'baud: 57600' in hardware.yaml")


def test_an_adapter_that_waits_for_more_bytes_is_named(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An FTDI adapter as the kernel shows it: 16 ms unless a rule says otherwise."""
    device = Path(lab.buses["follower_main"].port).resolve().name
    (tmp_path / "sys" / device).mkdir(parents=True)
    timer = tmp_path / "sys" / device / "latency_timer"
    monkeypatch.setattr(doctor_arms, "ADAPTERS", tmp_path / "sys")
    timer.write_text("16\n")
    row = next(doctor_arms.check("follower_main", lab.wiring, reply_s=0.05))
    assert row.verdict is Verdict.WARNING and row.found == "latency timer is 16 ms, should be 1"
    timer.write_text("1\n")
    assert "latency" not in next(doctor_arms.check("follower_main", lab.wiring, reply_s=0.05)).found


def test_a_broken_file_is_a_row_not_a_crash(lab: Lab) -> None:
    (lab.folder / "hardware.yaml").write_text("chains: {}")
    assert lab.rows()["wiring"].verdict is Verdict.FAULT
    (lab.folder / "rig.yaml").write_text("name: 3")
    assert lab.rows()["rig"].verdict is Verdict.FAULT


def test_the_exit_code_is_the_worst_verdict(lab: Lab) -> None:
    screen = io.StringIO()
    doctor = Doctor(str(lab.folder), lab.folder, reply_s=0.05, camera_seconds=0.1)
    assert examine(doctor, Console(file=screen, width=200)) is Exit.FAULT
    assert "follower_main" in screen.getvalue() and "cure" in screen.getvalue()


def test_real_rates_are_measured() -> None:
    settings = Camera("cam_high", 160, 120)
    camera = ThreadedCamera("cam_high", PatternSource(settings, 100.0, SystemClock()))
    (slow,) = measure_rates({"cam_high": camera}, {"cam_high": 200.0}, seconds=0.3)
    assert slow.verdict is Verdict.WARNING and "of 200 Hz" in slow.found
    camera.close()
    (dead,) = measure_rates({"cam_high": camera}, {"cam_high": 100.0}, seconds=0.05)
    assert dead.verdict is Verdict.FAULT


def test_a_folder_that_is_not_there_yet_is_judged_by_its_disk(tmp_path: Path) -> None:
    rows = {row.what: row for row in doctor_computer.check(tmp_path / "not" / "yet")}
    assert rows["disk space"].found.endswith("not/yet")
    assert rows["disk speed"].verdict is not Verdict.FAULT or "MB/s" in rows["disk speed"].found


def test_a_slow_setting_of_ros_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "ROS_PYTHON_CHECK_FIELDS", "1")
    rows = {row.what: row for row in doctor_computer.check(tmp_path)}
    assert rows["ROS"].verdict is not Verdict.OK


@contextmanager
def as_somebody_else(*devices: Path) -> Iterator[None]:
    """What a user sees to whom these devices do not belong. Root may open everything, so root steps aside."""
    for device in devices:
        device.chmod(0)
    is_root = os.getuid() == 0
    if is_root:
        os.setreuid(NOBODY, 0)  # os.access asks for the real user
    try:
        yield
    finally:
        if is_root:
            os.setreuid(0, 0)


def test_a_device_of_somebody_else_names_the_group_to_join(lab: Lab) -> None:
    arm, pedal = Path(lab.buses["leader_main"].port), Path(lab.wiring.pedal.port)
    with as_somebody_else(arm, pedal):
        found = [*doctor_arms.check("leader_main", lab.wiring, reply_s=0.05)]
        found.append(check_pedal(load_rig(str(lab.folder)), lab.wiring))
    for row, device in zip(found, (arm, pedal), strict=True):
        assert row.verdict is Verdict.FAULT and row.found == f"{device}: no permission"
        assert row.cure == f"add your user to group {device.group()} and log in again"


@pytest.mark.parametrize(("worst", "code"), [(Verdict.OK, 0), (Verdict.WARNING, 3), (Verdict.FAULT, 1)])
def test_each_verdict_has_its_exit_code(worst: Verdict, code: int) -> None:
    class Told(Doctor):
        def rows(self) -> Iterator[Row]:
            return iter([Row("this", Verdict.OK, "well"), Row("that", worst, "so"), Row("more", Verdict.OK, "well")])

    assert examine(Told("koch", Path()), Console(file=io.StringIO())) == code
