"""A hand in an emulated lab: puts free arms into poses, shows the board, presses the pedal, when a command asks it to.

The lab listens on a socket beside its devices; ``il-robot emulate hand`` speaks to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from calibration.guide import Poses
from hardware.closing import Closing
from hardware.emulated_lab import BUILT, NO_LAB, Hands
from hardware.emulated_rig import EmulatedRig
from hardware.emulated_scene import Scene
from il_robot.errors import BadInput, Fault, IlRobotError, nearest
from il_robot.rig import Rig
from il_robot.types import Floats

SOCKET = "hand"
ASK_S, ANSWER_S = 5.0, 30.0
"""So long may take who asks until it has said what, and the lab on a busy computer until it is done."""
GRIPPERS = {"closed": 0.0, "open": 1.0}
BUTTONS = ("record", "success", "discard", "takeover")
BOARD, WAVE, AWAY = "board", "wave", "away"
PLUG, UNPLUG = "plug", "unplug"
TAKES = {WAVE: ("arm", "seconds"), BOARD: ("seconds",), AWAY: (), **dict.fromkeys(BUTTONS, ())}
"""Which options go with what the hand does; with all else it is ``arm``."""
SECONDS = 120.0
"""How long it waves, or shows the board, unless somebody says."""


class EmulatedHand(Closing):
    """The lab's end of it. Call :meth:`attend` often."""

    def __init__(
        self, devices: Path, rig: Rig, poses: Poses, hands: Hands, scene: Scene, emulated: EmulatedRig
    ) -> None:
        """Listens in the folder ``devices``."""
        self._rig, self._hands, self._scene, self._emulated = rig, hands, scene, emulated
        self._poses = {pose.name: pose.angles for pose in poses.poses}
        self._pairs = {name: pair for pair in rig.arms for name in (pair.follower, pair.leader)}
        self._board_until_s = 0.0
        self._waving: dict[str, tuple[float, float, Floats]] = {}
        """By arm: since and until when, and around which pose."""
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.setblocking(False)
        with _short(devices / SOCKET) as path:
            self._listening.bind(path)
        self._listening.listen()

    def close(self) -> None:
        """Stops listening. May be called twice."""
        self._listening.close()

    def attend(self) -> None:
        """Does what was asked meanwhile, goes on with what takes a while, and lets the cameras see it."""
        with contextlib.suppress(BlockingIOError):
            asking, _ = self._listening.accept()
            with asking:
                self._answer(asking)
        now_s = time.monotonic()
        if 0 < self._board_until_s < now_s:
            self._show_board(0.0)
        followers = [pair.follower for pair in self._rig.arms]
        for arm in filter(self._hands.reaches, {*followers, *self._waving}):
            free = not self._hands.feel(arm).any()
            since_s, until_s, around = self._waving.get(arm, (0.0, 0.0, None))
            if around is not None and free and now_s < until_s:
                self._hands.place(arm, around + _irregular(now_s - since_s), only=~self._hands.is_gripper(arm))
        self._scene.move(np.concatenate([self._hands.position(arm) for arm in followers]))

    def do(self, what: str, arm: str | None = None, seconds: float | None = None) -> str:
        """One thing that the hand can do; what it did, in words. Raises BadInput."""
        self._check(what, arm, seconds)
        lasts_s = SECONDS if seconds is None else seconds
        if what in BUTTONS:
            return self._press(what)
        if what in (BOARD, AWAY):
            self._show_board(time.monotonic() + lasts_s if what == BOARD else 0.0)
            self._waving.clear()
            return f"the board is in front of every camera for {lasts_s:g} s" if what == BOARD else "nothing moves"
        if what in (PLUG, UNPLUG):
            return self._plug(arm, what)
        asked = [arm] if arm else [pair.follower for pair in self._rig.arms] if what == WAVE else list(self._pairs)
        there = [name for name in asked if self._hands.reaches(name)]
        if not there:
            raise BadInput(f"{', '.join(asked)}: its emulated bus has ended; `plug` brings it back")
        moved = [name for name in there if not self._hands.feel(name).any()]
        if not moved:
            raise BadInput(f"{', '.join(there)}: stiff, and a hand moves only what is free; end what holds it first")
        if what == WAVE:
            self._show_board(0.0)
        for name in moved:
            self._move(name, what, lasts_s)
        return f"{what}: {', '.join(moved)}" + (f", for {lasts_s:g} s" if what == WAVE else "")

    def _check(self, what: str, arm: str | None, seconds: float | None) -> None:
        allowed = (*self._poses, *GRIPPERS, WAVE, BOARD, AWAY, PLUG, UNPLUG, *BUTTONS)
        if what not in allowed:
            raise BadInput(f"a hand cannot do {what!r}; {nearest(what, allowed)}")
        takes = TAKES.get(what, ("arm",))
        for option, value in (("arm", arm), ("seconds", seconds)):
            if value is not None and option not in takes:
                raise BadInput(f"{what} takes no --{option}; allowed: {f'--{takes[0]}' if takes else 'no option'}")
        if arm is not None and arm not in self._pairs:
            raise BadInput(f"no arm {arm!r}; {nearest(arm, self._pairs)}")

    def _move(self, arm: str, what: str, seconds: float) -> None:
        self._hands.rest(arm)
        self._waving.pop(arm, None)
        gripper = self._hands.is_gripper(arm)
        if what == WAVE:
            now_s, start = time.monotonic(), self._rig.start[self._rig.arm_slice(self._pairs[arm].name)]
            self._waving[arm] = (now_s, now_s + seconds, start)
        elif what in GRIPPERS:
            self._hands.place(arm, np.full(len(gripper), GRIPPERS[what], np.float32), only=gripper)
        else:
            angles = self._poses[what]
            target = [angles.get(joint, 0.0) for joint in self._pairs[arm].joint_names]
            self._hands.place(arm, np.array(target, np.float32), only=~gripper)

    def _plug(self, arm: str | None, what: str) -> str:
        if arm is None:
            raise BadInput(f"{what}: --arm is needed; allowed: {', '.join(self._pairs)}")
        if what == PLUG:
            self._emulated.plug(arm)
            return f"the adapter of {arm} is plugged in"
        if not self._hands.reaches(arm):
            raise BadInput(f"{arm}: its emulated bus has ended; `plug` brings it back")
        self._emulated.buses[arm].do(UNPLUG)
        return f"the adapter of {arm} is pulled out; its servos keep their power"

    def _press(self, meaning: str) -> str:
        button = getattr(self._rig.pedal, meaning)
        if button is None:
            raise BadInput(f"the pedal of {self._rig.name} has no button for {meaning}")
        self._emulated.pedal.tap(button)
        return f"pressed {meaning}"

    def _show_board(self, until_s: float) -> None:
        self._board_until_s = until_s
        self._scene.show_board(until_s > 0)

    def _answer(self, asking: socket.socket) -> None:
        asking.settimeout(ASK_S)
        with contextlib.suppress(OSError):  # whoever asked may have gone
            line = asking.makefile("r").readline()
            if not line.endswith("\n"):
                return
            asked = json.loads(line)
            try:
                answer = {"said": self.do(**asked)}
            except IlRobotError as error:
                answer = {"error": str(error)}
            asking.sendall(json.dumps(answer).encode() + b"\n")


def ask(lab: Path, what: str, arm: str | None = None, seconds: float | None = None) -> str:
    """Asks the hand of the lab in this folder; what it did. Raises BadInput, or Fault when the lab does not answer."""
    answer: Mapping[str, str] = {}
    try:
        with socket.socket(socket.AF_UNIX) as asking, _short(lab / "devices" / SOCKET) as path:
            asking.settimeout(ANSWER_S)
            asking.connect(path)
            asking.sendall(json.dumps({"what": what, "arm": arm, "seconds": seconds}).encode() + b"\n")
            answer = json.loads(asking.makefile("r").readline() or "{}")
    except PermissionError:
        raise Fault(f"{lab}: its devices are another user's: only who started this lab may ask its hand") from None
    except OSError:
        pass
    if "error" in answer:
        raise BadInput(f"{lab}: {answer['error']}")
    if "said" not in answer:
        if (lab / "hardware.yaml").is_file() and not (lab / BUILT).is_file():
            raise BadInput(NO_LAB.format(lab))
        raise Fault(f"{lab}: no emulated lab runs here; start one: il-robot emulate {lab}")
    return answer["said"]


def _irregular(seconds: float) -> float:
    """Of a hand that moves quickly and never alike [rad]."""
    return float(0.4 * np.sin(2.1 * seconds) + 0.25 * np.sin(5.3 * seconds) * np.sin(0.9 * seconds))


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for ``path`` that fits a socket's address (107 bytes), however deep the folder lies. Raises OSError."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
