"""Latency and grippers, end to end: hands at an emulated arm, a camera that sees it and is late."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import yaml

from calibration.arm import load_calibration
from calibration.latency import ComputerBusy, Lag
from calibration.report import load_report
from calibration.rig_file import load_rig
from hardware import calibrate_commands
from hardware.calibrate_latency import what_next
from hardware.camera import Captured
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_lab import open_lab, write_lab
from hardware.rig_cameras import source_of
from il_robot.control.rate import DeadlineLoop, SystemClock
from il_robot.errors import BadInput, Fault
from il_robot.rig import Camera

LATE_S = 0.06


class Scene:
    """A hand that moves an emulated joint irregularly, and what a camera looking at it sees."""

    def __init__(self, bus: EmulatedBus, servo: int) -> None:
        self._bus, self._servo = bus, servo
        self._seen: deque[tuple[float, float]] = deque([(0.0, 2048.0)], maxlen=200)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._move)

    def _move(self) -> None:
        began_s = time.monotonic()
        while not self._stop.wait(0.005):
            at = time.monotonic() - began_s
            ticks = 2048 + 300 * np.sin(2.1 * at) + 200 * np.sin(5.3 * at) * np.sin(0.9 * at)
            self._bus.do("place", ticks={str(self._servo): int(ticks)})
            self._seen.append((time.monotonic(), ticks))

    def ticks_at(self, then_s: float) -> float:
        return next((ticks for at, ticks in reversed(list(self._seen)) if at <= then_s), 2048.0)

    def __enter__(self) -> Scene:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class LateSource:
    """A camera whose stamps are 60 ms later than what its images show."""

    rate_hz = 50.0

    def __init__(self, settings: Camera, scene: Scene) -> None:
        self._settings, self._scene = settings, scene
        self._loop = DeadlineLoop(SystemClock(), 20_000_000)

    def open(self) -> None:
        return

    def next(self) -> Captured | None:
        due_ns = self._loop.wait()
        assert due_ns is not None
        shift = (self._scene.ticks_at(time.monotonic() - LATE_S) - 2048) / 4
        columns = np.arange(self._settings.width) - self._settings.width / 2
        row = (255 * np.exp(-(((columns - shift) / 60) ** 2))).astype(np.uint8)
        image = np.repeat(np.repeat(row[None, :, None], self._settings.height, 0), 3, 2)
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(image), 90, colorspace="RGB")
        return Captured(jpeg, due_ns)

    def close(self) -> None:
        return


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr("builtins.input", lambda prompt: told.append(prompt) or "")
    return told


def test_a_late_camera_is_found_and_written(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lab("koch", tmp_path / "lab")
    rig, wiring, calibration, emulated = open_lab(tmp_path / "lab")
    name, camera = rig.arms[0].follower, rig.cameras[0]
    servo = next(s.id for s in wiring.chain(name) if s.joint == rig.arms[0].joint_names[0])
    with emulated, Scene(emulated.buses[name], servo) as scene:
        monkeypatch.setattr("hardware.rig_cameras.source_of", lambda settings, _: LateSource(settings, scene))
        monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
        lab = str(tmp_path / "lab")
        assert calibrate_commands.calibrate_latency(rig=lab, cameras=(camera.name,), seconds=5) == 0
    found = load_calibration(tmp_path / "lab" / "calibration.yaml")
    assert found.latency_s[camera.name] == pytest.approx(LATE_S, abs=0.02)
    assert found.arms == calibration.arms
    assert found.digest() != calibration.digest()
    assert "lose its torque" in said[0]
    report = load_report(tmp_path / "lab" / "calibration.yaml").latency[camera.name]
    assert (report.arm, report.late_s) == (name, found.latency_s[camera.name])
    shown = capsys.readouterr()
    assert f"ms late, within {1e3 * report.within_s:.0f} ms (correlation" in shown.out
    assert "watching" in shown.err and "%" in shown.err, "nobody waits without seeing how long"


def test_a_camera_that_does_not_see_the_arm_is_named(
    tmp_path: Path, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_lab("koch", tmp_path / "lab")
    rig, wiring, _, emulated = open_lab(tmp_path / "lab")
    name = rig.arms[0].follower
    servo = next(s.id for s in wiring.chain(name) if s.joint == rig.arms[0].joint_names[0])
    assert source_of(rig.cameras[0], wiring.cameras[rig.cameras[0].name])  # a pattern that has nothing to do with arms
    with (
        emulated,
        Scene(emulated.buses[name], servo),
        pytest.raises(Fault) as raised,
    ):
        calibrate_commands.calibrate_latency(rig=str(tmp_path / "lab"), cameras=(rig.cameras[0].name,), seconds=4)
    if "the computer was too busy" in str(raised.value):
        pytest.skip(str(raised.value))
    assert re.search(f"not every camera was measured; .* --cameras {rig.cameras[0].name} --arm", str(raised.value))
    assert f"{rig.cameras[0].name}: not measured: the streams resemble each other" in capsys.readouterr().out
    with pytest.raises(BadInput, match="has no arm 'follower_lft'"):
        calibrate_commands.calibrate_latency(rig=str(tmp_path / "lab"), arm="follower_lft")


def test_each_reason_for_a_camera_not_measured_has_its_own_cure() -> None:
    measured, unseen, busy = Lag(0.06, 0.002, 0.97), BadInput("was the target in view?"), ComputerBusy("too busy")
    assert what_next({"a": measured}, None) is None
    told = what_next({"a": busy, "b": busy}, None)
    assert told and "the computer was too busy; close other programs" in told and told.endswith("with the same command")
    assert "--arm" not in told and "see" not in told
    told = what_next({"a": busy, "b": measured}, "follower_right")
    assert told and told.endswith("then again: --cameras a --arm follower_right")
    told = what_next({"a": busy, "b": unseen, "c": measured}, None)
    assert told and "then again: --cameras a; the others want an arm that they see: --cameras b --arm ..." in told


@pytest.mark.parametrize("command", ["arms", "grippers", "cameras", "latency"])
def test_what_cannot_be_written_is_told_before_an_arm_goes_limp(tmp_path: Path, command: str) -> None:
    for out in (tmp_path, tmp_path / "none" / "trial.yaml"):
        with pytest.raises(BadInput, match=f"{out}: cannot be written; a file in a folder that exists"):
            getattr(calibrate_commands, f"calibrate_{command}")(rig="koch", out=out)


def test_a_camera_that_is_not_there_is_told_before_an_arm_goes_limp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lab("koch", tmp_path / "lab")  # and nothing behind its devices
    monkeypatch.setattr("builtins.input", lambda prompt: pytest.fail(prompt))
    with pytest.raises(BadInput, match="rig koch has no camera 'cam_frnt'; did you mean 'cam_front'"):
        calibrate_commands.calibrate_latency(rig=str(tmp_path / "lab"), cameras=("cam_frnt",))
    with pytest.raises(Fault, match=r"camera cam_front: no .*: its lab does not run"):
        calibrate_commands.calibrate_latency(rig=str(tmp_path / "lab"))


def test_grippers_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lab("koch", tmp_path / "lab")
    rig, wiring, prior, emulated = open_lab(tmp_path / "lab")
    told: list[str] = []

    def operator(prompt: str) -> str:
        told.append(prompt)
        if len(told) == 3:
            raise KeyboardInterrupt
        asked, arm = prompt, prompt.partition(":")[0].partition(",")[0]
        servo = next(s.id for s in wiring.chain(arm) if s.joint == "gripper")
        if "gripper" in asked:
            emulated.buses[arm].do("place", ticks={str(servo): 1500 if "close" in asked else 2900})
        return ""

    monkeypatch.setattr("builtins.input", operator)
    with emulated:
        with pytest.raises(KeyboardInterrupt):
            calibrate_commands.calibrate_grippers(rig=str(tmp_path / "lab"))
        assert load_calibration(tmp_path / "lab" / "calibration.yaml") == prior
        assert calibrate_commands.calibrate_grippers(rig=str(tmp_path / "lab")) == 0
    found = load_calibration(tmp_path / "lab" / "calibration.yaml")
    for pair in rig.arms:
        for arm in (pair.follower, pair.leader):
            gripper = found.arm(arm).grippers["gripper"]
            assert (gripper.closed_ticks, gripper.open_ticks) == (1500, 2900)
            assert found.arm(arm).joints == prior.arm(arm).joints
    closed = [prompt for prompt in told if "close the gripper" in prompt]
    assert len(closed) == 2, "what was captured before the interruption is not asked again"
    assert sorted(p.name for p in (tmp_path / "lab").glob("*unfinished*")) == []
    assert yaml.safe_load((tmp_path / "lab" / "calibration.yaml").read_text())["version"] == 1
    assert load_rig(str(tmp_path / "lab")).name == rig.name
