"""The commands ``il-robot doctor``, ``il-robot emulate`` and ``il-robot emulate hand``."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from tyro.conf import Positional

from il_robot.errors import BadInput, Fault


def doctor(*, rig: str = "aloha", dataset: Path = Path("data")) -> int:
    """Look a rig over before a session; every finding with its cure. Moves nothing, writes no register.

    The exit code is 0 when all is well, 3 with warnings, 1 with faults.

    For example:

        il-robot doctor --rig aloha
        il-robot doctor --rig my_lab/ --dataset /mnt/fast/cube

    Args:
        rig: a rig's name, or its folder.
        dataset: where you will record to: its disk is measured.
    """
    from hardware.doctor import Doctor, examine

    console = Console()
    return int(examine(Doctor(rig, dataset), console if console.is_terminal else Console(width=160)))


def emulate(out: Positional[Path], /, *, rig: str | None = None) -> int:
    """Run a lab without devices: emulated servos, pedal and cameras behind the real drivers, until Ctrl-C.

    Writes a rig folder that every command takes. Hands squeeze leader grippers that come free, then move the leaders.
    The keys of this terminal are the pedal: space takes over, r records, s success, d discards. For all else,
    calibrating above all, there is `il-robot emulate hand`.

    For example:

        il-robot emulate lab --rig aloha
        il-robot doctor --rig lab            (in another terminal)

    Args:
        out: the folder to make, or one made before.
        rig: the rig to imitate: a name, or a folder; a new lab's is aloha unless you say.
    """
    from calibration.arm import load_calibration
    from calibration.guide import Poses
    from calibration.rig_folder import file_of_rig
    from hardware.emulated_hand import EmulatedHand
    from hardware.emulated_lab import BUILT, SCENE, Hands, lab_in, open_lab
    from hardware.emulated_scene import Scene
    from hardware.pedal import KeyboardPedal
    from il_robot import strict_yaml
    from il_robot.control.precedence import HARDWARE_PRIORITY, take_precedence
    from il_robot.stopping import StopRequest

    with lab_in(out, rig), contextlib.ExitStack() as opened:
        poses = strict_yaml.load(file_of_rig(str(out), "poses.yaml"), Poses)
        built = load_calibration(out / BUILT)
        devices = out / "devices"
        shutil.rmtree(devices, ignore_errors=True)  # of a lab that was killed
        devices.mkdir()
        described, wiring, _, emulated = open_lab(out)
        opened.callback(shutil.rmtree, devices)
        opened.enter_context(emulated)
        stop = opened.enter_context(StopRequest())
        hands = Hands(described, wiring, built, emulated)
        scene = Scene(devices / SCENE, described)
        hand = opened.enter_context(EmulatedHand(devices, described, poses, hands, scene, emulated))
        keys: KeyboardPedal | None = None
        with contextlib.suppress(Fault):  # without a terminal nobody presses the pedal
            keys = KeyboardPedal(described.pedal)
            opened.callback(keys.close)

        lost: dict[str, str | None] = {}

        def attend() -> bool:
            for arm, bus in emulated.buses.items():
                if bus.lost and not lost.get(arm):
                    print(f"{bus.lost}; il-robot emulate hand {out} plug --arm {arm} brings it back", flush=True)
                lost[arm] = bus.lost
            with emulated.bearing_losses():
                hand.attend()
            for event in keys.events() if keys else ():
                (emulated.pedal.press if event.pressed else emulated.pedal.release)(event.button)
            return not stop.asked

        print(f"running: rig {out}; keys are its pedal (space, r, s, d); Ctrl-C ends it", flush=True)
        take_precedence(HARDWARE_PRIORITY)  # no hand waits for a busy computer
        hands.run(attend)
    return 0


def hand(
    lab: Positional[Path],
    does: Annotated[Positional[str], tyro.conf.arg(metavar="DOES")],
    /,
    *,
    arm: str | None = None,
    seconds: float | None = None,
) -> int:
    """Ask the hand in an emulated lab to do what a person would: there is nobody else.

    It can do:

        straight, turned, ...  every arm that is free goes into that pose of the lab's poses.yaml
        closed, open           every gripper that is free
        wave                   the followers that are free move irregularly, for calibrating latency
        board                  the calibration board moves about in front of every camera
        away                   neither of these any more
        record, success, discard, takeover
                               that button of the pedal is pressed
        unplug, plug           the adapter of --arm is pulled out, or in again

    For example:

        il-robot emulate hand lab straight
        il-robot emulate hand lab open --arm leader_left
        il-robot emulate hand lab record

    Args:
        lab: the folder of a lab that runs (`il-robot emulate lab`).
        does: one of these.
        arm: only this arm; not with board, away and buttons.
        seconds: how long it waves, or shows the board; 120 unless you say.
    """
    from hardware.emulated_hand import ask

    if seconds is not None and not 0 < seconds <= 3600:
        raise BadInput(f"--seconds {seconds:g}; allowed: above 0, at most 3600")
    print(ask(lab, does, arm, seconds))
    return 0
