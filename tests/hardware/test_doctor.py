"""The doctor, on a rig that is whole and on one where something is wrong."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from calibration.arm import load_calibration, save_calibration
from calibration.report import ArmReport, add_to_report
from calibration.rig_file import RIGS, load_rig
from calibration.state import unfinished_file
from hardware import doctor_access, doctor_arms, doctor_computer, doctor_ros
from hardware.bus import Bus
from hardware.camera import ThreadedCamera
from hardware.computer_load import ComputerLoad, watch_load
from hardware.control_table import TORQUE_ENABLE
from hardware.doctor import Doctor, Exit, examine, show
from hardware.doctor_access import RULES
from hardware.doctor_arms import check
from hardware.doctor_devices import blamed, check_pedal, measure_rates, set_otherwise, slow_row
from hardware.doctor_files import check_calibration, check_poses, lab_at_rest, read_rig, read_site
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_lab import lab_in
from hardware.emulated_pedal import EmulatedPedal
from hardware.emulated_rig import as_built
from hardware.findings import Row, Site, Verdict
from hardware.pattern_camera import PatternSource
from hardware.wiring import Wiring, load_wiring
from il_robot.control.rate import SystemClock
from il_robot.rig import Camera
from il_robot.yaml_text import read_yaml

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

    @property
    def site(self) -> Site:
        rig = load_rig(str(self.folder))
        return Site(str(self.folder), rig, self.wiring, read_yaml(self.folder / "hardware.yaml"))

    def line(self, text: str) -> str:
        """Where the first line with this text is, as an editor says it, without the column."""
        path = self.folder / "hardware.yaml"
        number = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)
        return f"{path}:{number}:"

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def rows(self) -> dict[str, Row]:
        doctor = Doctor(str(self.folder), self.folder, reply_s=0.05, camera_seconds=0.1)
        return {row.what: row for row in doctor.rows()}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        yield Lab(tmp_path, stack)


def test_what_is_well_is_ok_and_what_is_missing_is_a_fault(lab: Lab) -> None:
    rows = lab.rows()
    for what in ("rig", "follower_main", "leader_main", "pedal"):
        assert rows[what].verdict is Verdict.OK, rows[what]
    assert "6 servos" in rows["follower_main"].found and "registers to be set" in rows["follower_main"].found
    for what in ("cam_front", "cam_wrist"):
        assert rows[what].verdict is Verdict.FAULT
    assert all(bool(row.cure) == (row.verdict is not Verdict.OK) for row in rows.values())


def test_a_calibration_is_ok_only_when_it_was_made(tmp_path: Path) -> None:
    shutil.copytree(RIGS / "koch", tmp_path / "my lab")
    name = str(tmp_path / "my lab")
    rig, path = load_rig(name), tmp_path / "my lab" / "calibration.yaml"

    def found() -> dict[str, Row]:
        site = read_site(rig, name)
        assert isinstance(site, Site)
        return {row.what: row for row in check_calibration(site, load_calibration(path))}

    rows = found()
    assert rows.keys() == {"calibration of arms", "calibration of latency"}
    assert rows["calibration of arms"].command == f"il-robot calibrate arms --rig '{name}'"
    unfinished_file(path, "cameras").touch()
    assert found()["calibration of cameras"].found == "unfinished"
    unfinished_file(path, "cameras").unlink()
    add_to_report(path, arms={arm: ArmReport({}, (), {}) for arm in ("follower_main", "leader_main")})
    assert found().keys() == {"calibration of latency"}
    save_calibration(path, replace(load_calibration(path), latency_s={"cam_front": 0.02}))
    (row,) = found().values()
    assert row.found == "measured: cam_front; missing: cam_wrist"
    assert row.command == f"il-robot calibrate latency --rig '{name}' --cameras cam_wrist"
    save_calibration(path, replace(load_calibration(path), latency_s={"cam_front": 0.02, "cam_wrist": 0.02}))
    (row,) = found().values()
    assert row.verdict is Verdict.OK and row.found.startswith("digest ")


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


def test_a_sick_arm_says_where_it_hurts_and_what_helps(lab: Lab) -> None:
    lab.replace(
        "hardware.yaml", "{id: 3, joint: elbow_flex, model: XL330-M288", "{id: 3, joint: elbow_flex, model: XL430-W250"
    )
    lab.replace("hardware.yaml", "{id: 5, joint: wrist_roll", "{id: 15, joint: wrist_roll")
    follower = lab.buses["follower_main"]
    follower.do("fail", ids=[6], error=32)
    follower.do("show", ids=[2], registers={"Present_Temperature": 71})
    follower.do("show", ids=[1], registers={"Present_Input_Voltage": 63})
    follower.do("mute", ids=[4])
    rows = {row.what.removeprefix("follower_main "): row for row in check("follower_main", lab.site, reply_s=0.05)}
    assert rows["gripper (servo 6)"].found == "hardware error: OVERLOAD"
    assert "free the joint" in rows["gripper (servo 6)"].cure
    assert rows["shoulder_lift (servo 2)"].found == "71 degrees Celsius, 60 is hot"
    low = rows["shoulder_pan (servo 1)"]
    assert (low.found, low.verdict) == ("supply 6.3 V, a XL430-W250 needs 6.5..12 V", Verdict.WARNING)
    other = rows["elbow_flex (servo 3)"]
    assert other.found == "is a XL330-M288, hardware.yaml says XL430-W250"
    assert f"or write 'model: XL330-M288' at {lab.line('{id: 3')}" in other.cure
    assert "does not answer" in rows["wrist_flex (servo 4)"].found
    moved = rows["wrist_roll (servo 15)"]
    assert moved.cure.startswith("id 5 answers, which is nobody's: give that servo id 15")
    assert lab.line("{id: 15") in moved.cure
    assert "follower_main" not in rows


def test_a_stiff_arm_that_no_start_may_touch_is_a_fault(lab: Lab) -> None:
    bus = Bus(str(lab.folder.parent / "il_follower_main"), reply_s=0.05)
    bus.write(1, TORQUE_ENABLE, 1)
    bus.write(2, TORQUE_ENABLE, 1)
    bus.close()
    lab.buses["follower_main"].do("show", ids=[2], registers={"Hardware_Error_Status": 4})
    rows = {row.what: row for row in check("follower_main", lab.site, reply_s=0.05)}
    stiff = rows["follower_main shoulder_pan (servo 1)"]
    assert stiff.verdict is Verdict.FAULT and "while it holds the arm" in stiff.found
    assert stiff.cure == "lay the arm down, switch it off and on; the next start writes them"


def test_an_arm_without_power_and_an_unplugged_one(lab: Lab) -> None:
    lab.buses["follower_main"].do("mute", ids=[1, 2, 3, 4, 5, 6])
    lab.buses["leader_main"].do("unplug")
    rows = {arm: next(check(arm, lab.site, reply_s=0.05)) for arm in lab.wiring.arms}
    assert rows["follower_main"].found == "no servo answers, at no speed"
    assert "power" in rows["follower_main"].cure and lab.line("follower_main: {port") in rows["follower_main"].cure
    assert rows["leader_main"].found.startswith("no /")
    assert rows["leader_main"].cure.startswith("plug it in")


def test_servos_at_another_baud_are_found(tmp_path: Path) -> None:
    with ExitStack() as stack:
        lab = Lab(tmp_path, stack)
        servos = as_built(lab.wiring.chain("follower_main"))
        slow = [{**servo, "registers": {"Baud_Rate": 1}} for servo in servos]
        stack.enter_context(EmulatedBus(slow, tmp_path / "il_follower_main"))
        (row,) = check("follower_main", lab.site, reply_s=0.05)
    assert row.found == "servos answer at 57600 baud, not at 1000000"
    assert row.cure.startswith(f"write 'baud: 57600' at {lab.folder / 'hardware.yaml'}")


def test_what_another_program_has_open_names_it(lab: Lab) -> None:
    """A session that runs: its arms and its pedal."""
    devices = [lab.buses["leader_main"].port, lab.wiring.pedal.port]
    code = "import os, sys; [os.open(p, os.O_RDWR | os.O_NOCTTY) for p in sys.argv[1:]]; print(); input()"
    command = [sys.executable, "-c", code, *devices]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout and session.stdout.readline()
        (arm,), pedal = check("leader_main", lab.site, reply_s=0.05), check_pedal(lab.site)
        session.communicate("\n")
    for row, device in zip((arm, pedal), devices, strict=True):
        assert row.found.startswith(f"{device}: in use by ") and f"(process {session.pid})" in row.found
        assert row.command == f"kill {session.pid}"
    assert check_pedal(lab.site).verdict is Verdict.OK


def test_a_pedal_that_is_none_and_a_port_that_is_none(lab: Lab, tmp_path: Path) -> None:
    lab.pedal.mute()
    row = check_pedal(lab.site)
    assert "no heartbeat" in row.found and lab.line("pedal:") in row.cure
    lab.pedal.close()
    row = check_pedal(lab.site)
    assert row.found == f"no {tmp_path / 'pedal'}" and row.cure.startswith("plug it in")
    lab.buses["leader_main"].do("unplug")
    Path(lab.wiring.arms["leader_main"].port).touch()
    (row,) = check("leader_main", lab.site, reply_s=0.05)
    assert "it is not a serial port" in row.found and lab.line("leader_main: {port") in row.cure


def test_rules_that_name_devices_come_before_a_plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_access, "RULES_FOLDERS", (tmp_path, tmp_path / "none"))
    (tmp_path / "60-other.rules").write_text('NAME="util_x"\n# SYMLINK+="il_pedal"\n')
    row = doctor_access.missing("cam_high", Path("/dev/il_cam_high"), "hardware.yaml:3:1", [])
    assert RULES in row.cure and ", install it, and plug it in" in row.cure and row.command == doctor_access.INSTALL
    first_lines = doctor_access.RULES_FILE.read_text().splitlines()[:3]
    assert row.command.replace(str(doctor_access.RULES_FILE), RULES) in first_lines[-1]
    for other in ("/dev/video0", "/lab/devices/il_cam_high"):  # no rule of ours would name these
        assert doctor_access.missing("cam_high", Path(other), "hardware.yaml:3:1", []).cure.startswith("plug it in")
    shutil.copy(doctor_access.RULES_FILE, tmp_path)
    row = doctor_access.missing("cam_high", Path("/dev/il_cam_high"), "hardware.yaml:3:1", [])
    assert row.cure == "plug it in and switch it on" and not row.command


def test_an_adapter_that_waits_for_more_bytes_is_named(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An FTDI adapter as the kernel shows it: 16 ms unless a rule says otherwise."""
    device = Path(lab.buses["follower_main"].port).resolve().name
    (tmp_path / "sys" / device).mkdir(parents=True)
    timer = tmp_path / "sys" / device / "latency_timer"
    monkeypatch.setattr(doctor_arms, "ADAPTERS", tmp_path / "sys")
    timer.write_text("16\n")
    row = next(check("follower_main", lab.site, reply_s=0.05))
    assert row.verdict is Verdict.WARNING and row.found == "latency timer is 16 ms, should be 1"
    timer.write_text("1\n")
    assert "latency" not in next(check("follower_main", lab.site, reply_s=0.05)).found


def test_a_broken_file_is_a_row_that_says_which_line(lab: Lab) -> None:
    """Each with what helps in that case."""
    lab.replace("hardware.yaml", "pedal:", "bauds: 57600\npedal:")
    site = read_site(load_rig(str(lab.folder)), str(lab.folder))
    assert isinstance(site, Row) and "did you mean 'baud'" in site.found
    number = lab.line("bauds").split(":")[-2]
    assert site.cure == f"correct {lab.folder / 'hardware.yaml'}, line {number}"
    for file, told in (
        (
            "calibration.yaml",
            f"cp {RIGS}/koch/calibration.yaml {lab.folder} && il-robot calibrate arms --rig {lab.folder}",
        ),
        ("hardware.yaml", f"cp {RIGS}/koch/hardware.yaml {lab.folder}"),
    ):
        (lab.folder / file).unlink()
        site = read_site(load_rig(str(lab.folder)), str(lab.folder))
        assert isinstance(site, Row) and site.found == f"no {lab.folder / file}" and site.command == told
    lab.replace("rig.yaml", "rate_hz: 50.0", "rate_hz: fast")
    rig = read_rig(str(lab.folder))
    assert isinstance(rig, Row) and rig.cure == f"correct {lab.folder / 'rig.yaml'}, line 4"
    assert rig.verdict is Verdict.FAULT


def test_poses_without_which_no_arm_can_be_calibrated_are_missed_before(lab: Lab) -> None:
    assert not [*check_poses(lab.site)]
    lab.replace("poses.yaml", "shoulder_pan: 0.0", "shoulder_pn: 0.0")
    (row,) = check_poses(lab.site)
    assert "no joint 'shoulder_pn'; did you mean 'shoulder_pan'" in row.found
    assert row.cure.startswith(f"correct {lab.folder}/poses.yaml, line ")
    (lab.folder / "poses.yaml").unlink()
    (row,) = check_poses(lab.site)
    assert row.command == f"cp {RIGS}/koch/poses.yaml {lab.folder}"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("koh", "il-robot doctor --rig koch"),
        ("lb", "il-robot doctor --rig lab"),
        ("lab/hardware.yaml", "il-robot doctor --rig lab"),
        ("empty", f"cp {RIGS}/aloha/rig.yaml empty"),
        ("somewhere/else", f"cp -r {RIGS}/aloha my_lab"),
        ("", f"cp -r {RIGS}/aloha my_lab"),
        ("n" * 300, ""),
    ],
)
def test_a_mistyped_rig_says_which_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(RIGS / "koch", "lab")
    Path("empty").mkdir()
    row = read_rig(name)
    assert isinstance(row, Row) and row.verdict is Verdict.FAULT and row.command == command


def test_an_emulated_lab_that_does_not_run_says_how_to_start_it(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    with lab_in(folder, "koch"):
        write_and_leave = [Path(arm.port) for arm in load_wiring(load_rig(str(folder)), str(folder))[0].arms.values()]
        for port in write_and_leave:
            port.symlink_to("/dev/null")
        rig = load_rig(str(folder))
        site = read_site(rig, str(folder))
        assert isinstance(site, Site) and lab_at_rest(site) is None
    row = lab_at_rest(site)  # killed: what it left leads to somebody else's terminal by now
    assert row is not None and row.command == f"il-robot emulate {folder}"
    rows = [row.what for row in Doctor(str(folder), tmp_path).rows()]
    assert rows[-1] == "lab" and "follower_main" not in rows


def test_the_exit_code_is_the_worst_verdict(lab: Lab) -> None:
    screen = io.StringIO()
    doctor = Doctor(str(lab.folder), lab.folder, reply_s=0.05, camera_seconds=0.1)
    assert examine(doctor, Console(file=screen, width=200)) is Exit.FAULT
    assert "follower_main" in screen.getvalue() and "cure" in screen.getvalue()


def test_real_rates_are_measured() -> None:
    settings = Camera("cam_high", 160, 120)
    camera = ThreadedCamera("cam_high", PatternSource(settings, 100.0, SystemClock()))
    (slow,), _ = measure_rates({"cam_high": camera}, {"cam_high": 200.0}, seconds=0.3)
    assert slow.verdict is Verdict.WARNING and "of 200 Hz" in slow.found
    camera.close()
    (dead,), _ = measure_rates({"cam_high": camera}, {"cam_high": 100.0}, seconds=0.05)
    assert dead.verdict is Verdict.FAULT


IDLE, LOADED = ComputerLoad(0.3, 2, 0.0), ComputerLoad(7.2, 2, 0.01)
SLOW = Row("cam_front", Verdict.WARNING, "12.0 of 30 Hz, 18 skipped, 0 corrupt")


def test_a_camera_slow_only_in_company_is_told_from_one_slow_alone(lab: Lab) -> None:
    """A camera of the right rate whose loss is others' fault, and one that never had it."""
    row = blamed("cam_front", lab.site, SLOW, Row("cam_front", Verdict.OK, "30.0 of 30 Hz, 0 skipped"), IDLE)
    assert "another USB controller" in row.cure and "; alone 30.0 of 30 Hz" in row.found
    for by_itself in (SLOW, None):
        row = blamed("cam_front", lab.site, SLOW, by_itself, IDLE)
        assert "exposure" in row.cure and lab.line("cam_front:") in row.cure


@pytest.mark.parametrize("load", [LOADED, ComputerLoad(0.3, 2, 0.4)])
def test_a_busy_computer_is_blamed_before_cable_and_light(lab: Lab, load: ComputerLoad) -> None:
    row = slow_row(lab.site.rig.cameras[0], lab.site, SLOW, load, seconds=0.0, alone=False)
    assert "the computer is too busy: load " in row.found and f"{load.queue} on 2 cores" in row.found
    assert row.cure.startswith("close other programs") and row.command == f"il-robot doctor --rig {lab.folder}"
    assert "USB" not in row.cure and "light" not in row.cure and "rate_hz" not in row.cure


def test_an_emulated_camera_has_no_cable_and_no_light(lab: Lab) -> None:
    lab.replace("hardware.yaml", f"device: {lab.folder.parent}/il_cam_front", "device: pattern")
    for load in (IDLE, LOADED):
        row = slow_row(lab.site.rig.cameras[0], lab.site, SLOW, load, seconds=0.0, alone=False)
        assert row.cure.startswith("close other programs") and lab.line("cam_front:") in row.cure
        assert "USB" not in row.cure and "light" not in row.cure


class LateClock:
    """Wakes every fourth time 12 ms late."""

    def __init__(self) -> None:
        self.now, self.slept = 1_000_000_000, 0

    def now_ns(self) -> int:
        return self.now

    def sleep_until(self, time_ns: int) -> bool:
        self.slept += 1
        self.now = time_ns + 12_000_000 * (self.slept % 4 == 0)
        return True


def test_a_computer_that_wakes_late_is_busy() -> None:
    load = watch_load(2.0, LateClock())
    assert load.late_share == pytest.approx(0.25, abs=0.02) and load.busy
    assert watch_load(0.0, LateClock()).late_share == 0


def test_a_camera_that_does_otherwise_says_what_to_write(lab: Lab) -> None:
    """As V4L2 says it when a camera gives another rate, another size, or cannot be set so."""
    for setting, key, file in (("rate", "rate_hz", lab.line("cam_front:")), ("width", "width", "rig.yaml")):
        told = f"camera cam_front (/dev/x): {setting} is 30 after setting it to 50"
        cure, command = set_otherwise("cam_front", lab.site, told)
        assert f"'{key}: 30'" in cure and file in cure and command.startswith("v4l2-ctl --device ")


def test_a_folder_that_is_not_there_yet_is_judged_by_its_disk(tmp_path: Path) -> None:
    rows = {row.what: row for row in doctor_computer.check(tmp_path / "not" / "yet")}
    assert "not/yet" in rows["disk space"].found
    assert rows["disk speed"].verdict is not Verdict.FAULT or "MB/s" in rows["disk speed"].found


def test_what_is_no_folder_cannot_be_recorded_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for dataset in (tmp_path / "file", tmp_path / "file" / "data", Path("s3://bucket/data"), tmp_path / ("n" * 300)):
        row = next(doctor_computer.check(dataset))
        assert row.verdict is Verdict.FAULT and "--dataset" in row.cure


@pytest.mark.parametrize(
    ("error", "told"), [(28, "free 20.0 GB on "), (30, "its disk is read-only"), (13, "make this one yours")]
)
def test_a_disk_that_refuses_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, told: str) -> None:
    def refuse(**_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    row = {row.what: row for row in doctor_computer.check(tmp_path)}["disk speed"]
    assert row.verdict is Verdict.FAULT and told in row.cure and row.command


@pytest.mark.parametrize(
    ("name", "value", "verdict", "told"),
    [
        ("ROS_PYTHON_CHECK_FIELDS", "1", Verdict.WARNING, "1000 times slower"),
        ("ROS_DOMAIN_ID", "abc", Verdict.FAULT, "ROS_DOMAIN_ID=abc; allowed: a whole number from 0 to 101, "),
        ("ROS_DOMAIN_ID", "9" * 5000, Verdict.FAULT, f"ROS_DOMAIN_ID={'9' * 20}; allowed: "),
        ("ROS_DOMAIN_ID", "233", Verdict.FAULT, "ROS_DOMAIN_ID=233; allowed: "),
        ("ROS_DOMAIN_ID", "150", Verdict.WARNING, "other programs may have its ports"),
        ("ROS_DOMAIN_ID", "", Verdict.OK, "domain 0"),
        ("RMW_IMPLEMENTATION", "rmw_fastrtp_cpp", Verdict.FAULT, "did you mean 'rmw_fastrtps_cpp'"),
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF", Verdict.FAULT, "no process of a session finds another"),
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOT", Verdict.WARNING, "did you mean 'LOCALHOST'"),
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST", Verdict.OK, "heard by this computer only"),
        ("ROS_LOG_DIR", "/proc/logs", Verdict.FAULT, "/proc/logs: ROS 2 cannot keep its logs there: "),
        ("HOME", "", Verdict.FAULT, "HOME is not set, where ROS 2 keeps its logs"),
    ],
)
def test_a_wrong_setting_of_ros_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, verdict: Verdict, told: str
) -> None:
    pytest.importorskip("rclpy")
    for setting in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "RMW_IMPLEMENTATION", "ROS_LOG_DIR", "ROS_HOME"):
        monkeypatch.delenv(setting, raising=False)
    monkeypatch.setenv(name, value)
    (row,) = doctor_ros.check()
    assert row.verdict is verdict and told in row.found
    assert bool(row.command) == (verdict is not Verdict.OK)


def test_a_narrow_terminal_breaks_no_command() -> None:
    screen = io.StringIO()
    command = "il-robot calibrate arms --rig " + "a_rather_long_folder/" * 5
    show(Row("calibration", Verdict.WARNING, "word " * 30, "cure " * 20, command), Console(file=screen, width=60))
    lines = screen.getvalue().splitlines()
    assert command in [line.strip() for line in lines]
    assert all(len(line) <= 60 for line in lines if command not in line)
    assert all(line == line.rstrip() for line in lines)
    assert all(line.startswith(" " * 9) for line in lines[1:])


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
        found = [*check("leader_main", lab.site, reply_s=0.05)]
        found.append(check_pedal(lab.site))
    for row, device in zip(found, (arm, pedal), strict=True):
        assert row.verdict is Verdict.FAULT and row.found == f"{device}: no permission"
        assert "group" in row.cure and row.command.startswith("sudo ")


@pytest.mark.parametrize(("worst", "code"), [(Verdict.OK, 0), (Verdict.WARNING, 3), (Verdict.FAULT, 1)])
def test_each_verdict_has_its_exit_code(worst: Verdict, code: int) -> None:
    class Told(Doctor):
        def rows(self) -> Iterator[Row]:
            return iter([Row("this", Verdict.OK, "well"), Row("that", worst, "so"), Row("more", Verdict.OK, "well")])

    assert examine(Told("koch", Path()), Console(file=io.StringIO())) == code
