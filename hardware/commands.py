"""The commands ``il-robot doctor`` and ``il-robot emulate``."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from rich.console import Console
from tyro.conf import Positional

from il_robot.errors import Fault


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


def emulate(out: Positional[Path], /, *, rig: str = "aloha") -> int:
    """Run a lab without devices: emulated servos, pedal and cameras behind the real drivers, until Ctrl-C.

    Writes a rig folder that every command takes. Hands squeeze leader grippers that come free, then move the leaders.
    The keys of this terminal are the pedal: space takes over, r records, s success, d discards.

    For example:

        il-robot emulate lab --rig aloha
        il-robot doctor --rig lab            (in another terminal)

    Args:
        out: the folder to make, or one made before.
        rig: the rig to imitate: a name, or a folder.
    """
    from hardware.emulated_lab import Hands, lab_in, open_lab
    from hardware.pedal import KeyboardPedal

    with lab_in(out, rig), contextlib.ExitStack() as opened:
        (out / "devices").mkdir(exist_ok=True)
        described, wiring, calibration, emulated = open_lab(out)
        opened.callback(shutil.rmtree, out / "devices")
        opened.enter_context(emulated)
        keys: KeyboardPedal | None = None
        with contextlib.suppress(Fault):  # without a terminal nobody presses the pedal
            keys = KeyboardPedal(described.pedal)
            opened.callback(keys.close)

        def press() -> bool:
            emulated.check()
            for event in keys.events() if keys else ():
                (emulated.pedal.press if event.pressed else emulated.pedal.release)(event.button)
            return True

        print(f"running: rig {out}; keys are its pedal (space, r, s, d); Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            Hands(described, wiring, calibration, emulated).run(press)
    return 0
