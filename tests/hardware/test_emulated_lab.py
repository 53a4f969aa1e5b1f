"""A lab without devices: the doctor finds it well, and hands at the leaders move the followers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from calibration.rig_file import RIGS, load_rig
from hardware.bus import Bus
from hardware.commands import emulate
from hardware.doctor import Doctor
from hardware.emulated_hand import ask
from hardware.emulated_lab import Hands, lab_in, open_lab, write_lab
from hardware.findings import Verdict
from hardware.rig_arms import RigArms
from hardware.wiring import load_wiring
from il_robot.control.rate import SystemClock
from il_robot.errors import BadInput


def test_a_session_from_squeezing_to_following(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    write_lab("koch", folder)
    rig, wiring, calibration, emulated = open_lab(folder)
    with emulated:
        rows = {row.what: row for row in Doctor(str(folder), folder, reply_s=0.1, camera_seconds=0.3).rows()}
        for what in ("follower_main", "leader_main", "pedal"):
            assert rows[what].verdict is Verdict.OK, rows[what]
        assert all(" of 50 Hz" in rows[camera].found for camera in rig.camera_names)
        hands = Hands(rig, wiring, calibration, emulated)
        with RigArms(rig, emulated.wiring, calibration, reply_s=0.1, speed=2.5) as arms:
            with hands.at_work():
                arms.set_up()
                assert arms.go_to_start(SystemClock(), seconds=0.2)
                assert arms.wait_for_hands(SystemClock())
                follower, leader = arms.followers[0], arms.leaders[0]
                apart = []
                for _ in range(60):
                    state, followed = leader.read(), follower.read()
                    assert state is not None and followed is not None
                    apart.append(np.abs(state.qpos - followed.qpos).max())
                    follower.command(state.qpos)
                    time.sleep(0.02)
            time.sleep(0.3)
            state, followed = leader.read(), follower.read()
            assert state is not None and followed is not None
            follower.command(state.qpos)
            time.sleep(0.5)
            last = follower.read()
            assert last is not None and np.abs(state.qpos - last.qpos).max() < 0.01
            assert np.median(apart[20:]) < 0.1
            assert not np.allclose(last.qpos[:-1], rig.start[:-1], atol=1e-3)


def test_a_lab_whose_bus_is_killed_goes_on_with_the_others_and_can_bring_it_back(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    with subprocess.Popen(
        [sys.executable, "-m", "il_robot.cli", "emulate", str(lab), "--rig", "koch"], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        assert running.stdout.readline().startswith("running: rig ")
        os.kill(bus_of(running.pid, "follower_main"), signal.SIGKILL)
        said = running.stdout.readline()
        assert said.startswith("the emulated bus follower_main ended: it was killed (signal 9)")
        assert f"il-robot emulate hand {lab} plug --arm follower_main" in said
        assert ask(lab, "open") == "open: leader_main"
        with pytest.raises(BadInput, match="follower_main: its emulated bus has ended; `plug` brings it back"):
            ask(lab, "open", "follower_main")
        for _ in range(2):
            ask(lab, "plug", "follower_main")
            assert ask(lab, "open", "follower_main") == "open: follower_main"
            with contextlib.closing(Bus(str(lab / "devices" / "follower_main"))) as bus:
                assert bus.ping(1) is not None
        for _ in range(2):
            ask(lab, "unplug", "follower_main")
            assert not (lab / "devices" / "follower_main").exists()
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
    assert not (lab / "devices").exists()


@pytest.mark.parametrize(("lab", "said"), [("thesis.tex", "is a file"), ("/proc/lab", "no lab can be made there")])
def test_where_no_lab_can_be_is_one_line(tmp_path: Path, lab: str, said: str) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(BadInput, match=said):
        emulate(tmp_path / lab)


def test_a_rig_s_own_folder_is_no_lab_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "koch"
    shutil.copytree(RIGS / "koch", folder)
    before = sorted(folder.iterdir())
    with pytest.raises(BadInput, match=f"koch: a rig, and no lab: .* il-robot emulate lab --rig {folder}"):
        emulate(folder)
    assert sorted(folder.iterdir()) == before


def bus_of(lab: int, arm: str) -> int:
    """The process that emulates an arm's bus: the lab starts one for each arm in the order of hardware.yaml."""
    children = Path(f"/proc/{lab}/task/{lab}/children").read_text().split()
    return int(children[list(load_wiring(load_rig("koch"), "koch")[0].arms).index(arm)])


def test_a_lab_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match="not empty"):
        write_lab("koch", tmp_path)


def test_a_rig_that_cannot_be_leaves_no_lab_behind(tmp_path: Path) -> None:
    write_lab("koch", tmp_path / "lab")
    rig = tmp_path / "lab" / "rig.yaml"
    rig.write_text(rig.read_text().replace("velocity: 5.0", "velocity: 180"))
    with pytest.raises(BadInput, match="velocity 180; allowed"):
        write_lab(str(tmp_path / "lab"), tmp_path / "another")
    assert not (tmp_path / "another").exists()


def test_a_second_lab_in_the_same_folder_is_refused_and_leaves_the_first_its_devices(tmp_path: Path) -> None:
    write_lab("koch", tmp_path / "lab")
    with lab_in(tmp_path / "lab", "koch"), pytest.raises(BadInput, match="lab: this lab runs already"):
        emulate(tmp_path / "lab")
    assert (tmp_path / "lab" / "devices").is_dir()
    with lab_in(tmp_path / "lab", "koch"):
        pass


def test_a_lab_stays_of_the_rig_it_was_made_of(tmp_path: Path) -> None:
    with lab_in(tmp_path / "lab", "koch"):
        pass
    with pytest.raises(BadInput, match="is a lab of rig koch; name another folder"), lab_in(tmp_path / "lab", "aloha"):
        pass
    with lab_in(tmp_path / "lab", None):
        assert load_rig(str(tmp_path / "lab")).name == "koch"


def test_of_labs_made_in_one_folder_at_the_same_moment_one_runs(tmp_path: Path) -> None:
    start, done = threading.Barrier(3), threading.Barrier(3)

    def make(folder: Path) -> str:
        start.wait(60)
        try:
            with lab_in(folder, "koch"):
                load_wiring(load_rig(str(folder)), str(folder))
                done.wait(60)
                return "ran"
        except BadInput as error:
            done.wait(60)
            return str(error)

    with ThreadPoolExecutor(3) as makers:
        for number in range(5):
            folder = tmp_path / str(number) / "lab"
            refused = f"{folder}: this lab runs already; end that one first, or name another folder"
            assert sorted(makers.map(make, [folder] * 3)) == [refused, refused, "ran"]
