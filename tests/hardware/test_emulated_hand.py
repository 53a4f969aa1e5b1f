"""The hand of an emulated lab: moves what is free and nothing else, and says what it cannot do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from calibration.arm import load_calibration
from calibration.camera import Board, find_board
from calibration.guide import Poses
from calibration.rig_file import RIGS
from calibration.rig_folder import file_of_rig
from hardware.emulated_hand import SOCKET, EmulatedHand, _short, ask
from hardware.emulated_lab import BUILT, SCENE, Hands, open_lab, write_lab
from hardware.emulated_scene import Scene
from hardware.pattern_camera import read_frame
from hardware.rig_cameras import source_of
from il_robot import strict_yaml
from il_robot.errors import BadInput, Fault


class Lab:
    """What `il-robot emulate` runs, without the command."""

    def __init__(self, folder: Path) -> None:
        write_lab("koch", folder)
        self.folder = folder
        self.rig, self.wiring, _, self.emulated = open_lab(folder)
        self.hands = Hands(self.rig, self.wiring, load_calibration(folder / BUILT), self.emulated)
        poses = strict_yaml.load(file_of_rig(str(folder), "poses.yaml"), Poses)
        scene = Scene(folder / "devices" / SCENE, self.rig)
        self.hand = EmulatedHand(folder / "devices", self.rig, poses, self.hands, scene, self.emulated)

    def stiffen(self, arm: str) -> None:
        bus = self.emulated.buses[arm]
        bus.do("show", ids=list(bus.do("state")), registers={"Torque_Enable": 1})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / ("deep" * 50) / "lab")  # deeper than the name of a socket may be long
    with lab.emulated, lab.hand:
        yield lab


def test_every_free_arm_goes_into_a_pose_and_a_stiff_one_stays(lab: Lab) -> None:
    lab.stiffen("leader_main")
    before = where(lab, "leader_main")
    assert lab.hand.do("turned") == "turned: follower_main"
    np.testing.assert_allclose(where(lab, "follower_main")[:5], [1.5708, 0, -1.5708, 0, 1.5708], atol=2e-3)
    np.testing.assert_array_equal(where(lab, "leader_main"), before)
    assert lab.hand.do("open") == "open: follower_main"
    assert where(lab, "follower_main")[-1] == pytest.approx(1, abs=0.01)
    with pytest.raises(BadInput, match="leader_main: stiff, and a hand moves only what is free"):
        lab.hand.do("closed", "leader_main")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"what": "turn"}, "a hand cannot do 'turn'; did you mean 'turned'"),
        ({"what": "open", "arm": "leader"}, "no arm 'leader'; did you mean"),
        ({"what": "record", "arm": "follower_main"}, "^record takes no --arm; allowed: no option$"),
        ({"what": "away", "seconds": 3.0}, "^away takes no --seconds; allowed: no option$"),
        ({"what": "board", "arm": "follower_main"}, "^board takes no --arm; allowed: --seconds$"),
        ({"what": "turned", "seconds": 3.0}, "^turned takes no --seconds; allowed: --arm$"),
    ],
)
def test_what_it_cannot_do_is_one_line(lab: Lab, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        lab.hand.do(**asked)


@pytest.mark.parametrize("said", [b"", b'{"what": "op'])
def test_who_goes_in_the_middle_of_asking_leaves_the_lab_at_work(lab: Lab, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as asking, _short(lab.folder / "devices" / SOCKET) as path:
        asking.connect(path)
        asking.sendall(said)
    lab.hand.attend()
    assert lab.hand.do("open") == "open: follower_main, leader_main"


def test_a_lab_that_does_not_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no emulated lab runs here; start one: il-robot emulate"):
        ask(tmp_path, "open")


def test_a_rig_of_real_devices_is_no_lab_that_could_be_started() -> None:
    with pytest.raises(BadInput, match=f"koch: a rig, and no lab: .* il-robot emulate lab --rig {RIGS}/koch"):
        ask(RIGS / "koch", "open")


def test_a_lab_of_another_user_is_not_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(listening: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "devices").mkdir()
    monkeypatch.setattr(socket.socket, "connect", refused)  # root may connect to everybody
    with pytest.raises(Fault, match="another user's"):
        ask(tmp_path, "open")


def test_it_waves_or_shows_the_board_until_it_is_told_otherwise_or_the_time_is_over(lab: Lab) -> None:
    off = threading.Event()

    def attend() -> bool:
        lab.hand.attend()
        return not off.is_set()

    at_work = threading.Thread(target=lab.hands.run, args=[attend])
    at_work.start()
    try:
        assert ask(lab.folder, "wave", None, 60.0) == "wave: follower_main, for 60 s"
        before = where(lab, "follower_main")
        patience_s = time.monotonic() + 60
        while np.abs(where(lab, "follower_main") - before)[:5].min() < 0.05:
            assert time.monotonic() < patience_s, "it does not wave"
        assert seen(lab)[0] is None
        assert ask(lab.folder, "board", None, 60.0) == "the board is in front of every camera for 60 s"
        board, number = seen(lab)
        assert board is not None and number >= 2
        lies = where(lab, "follower_main")
        assert ask(lab.folder, "away") == "nothing moves"
        assert seen(lab)[0] is None
        np.testing.assert_array_equal(where(lab, "follower_main"), lies)
        assert ask(lab.folder, "board", None, 0.1)
        while seen(lab)[0] is not None:
            assert time.monotonic() < patience_s, "it stays"
        with pytest.raises(BadInput, match=f"{lab.folder}: a hand cannot do 'bored'"):
            ask(lab.folder, "bored")
    finally:
        off.set()
        at_work.join()


def where(lab: Lab, arm: str) -> np.ndarray:
    """(J,) where an arm really is."""
    lab.hands.feel(arm)
    return lab.hands.position(arm)


def seen(lab: Lab) -> tuple[object, int]:
    """The board in the third image of a camera that is opened now, if it is seen, and that image's number."""
    settings = lab.rig.cameras[0]
    source = source_of(settings, lab.wiring.cameras[settings.name])
    source.open()
    images = [source.next() for _ in range(3)]
    assert images[-1] is not None
    image = simplejpeg.decode_jpeg(images[-1].jpeg)
    view = find_board(image, Board())
    return view if view.usable else None, read_frame(image)
