"""The doctor's look at the computer: disk, clock, priority."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hardware.findings import Row, Verdict
from il_robot.control.precedence import take_precedence
from il_robot.episodes.location import local_folder
from il_robot.errors import BadInput, said_by_the_system

PROBE_BYTES = 32 * 1024 * 1024
FAST_MB_S, SLOW_MB_S = 60, 25
"""Four JPEG cameras at 50 Hz write 14 MB/s; twice and four times that leave room."""
ROOMY_GB, TIGHT_GB = 20, 2
GB_PER_MINUTE = 0.84
"""Of four such cameras."""
LIMITS = Path("/etc/security/limits.d")
GROUP = "dialout"
TIME_ERROR, REFUSED = 5, -1
"""What adjtimex(2) returns when nothing keeps the clock right, and in a container that forbids to ask."""


def check(dataset: Path) -> Iterator[Row]:
    """Rows for the disk of ``dataset``, the clock and the priority."""
    try:
        folder = local_folder(dataset, "recording")
        there = _existing(folder)
    except BadInput as error:
        yield Row("disk", Verdict.FAULT, str(error), "give another one to --dataset")
    else:
        yield _space(folder, there)
        yield _speed(there)
    yield _clock()
    yield _priority()


def _existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that is there. Raises BadInput when that is no folder."""
    try:
        folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # what is above it says more
    except OSError as error:
        raise BadInput(str(said_by_the_system(error))) from None
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        raise BadInput(f"{there}: not a folder; a dataset is one")
    return there


def _space(dataset: Path, there: Path) -> Row:
    free_gb = shutil.disk_usage(there).free / 1e9
    verdict = Verdict.OK if free_gb >= ROOMY_GB else Verdict.WARNING if free_gb >= TIGHT_GB else Verdict.FAULT
    found = f"{free_gb:.1f} GB free at {dataset}: {free_gb / GB_PER_MINUTE:.0f} minutes of four cameras"
    if verdict is Verdict.OK:
        return Row("disk space", verdict, found)
    return Row("disk space", verdict, found, *_room(there, ROOMY_GB - free_gb))


def _room(folder: Path, needed_gb: float) -> tuple[str, str]:
    """The cure of a full disk, and a command."""
    mount = next(path for path in (folder, *folder.parents) if path.is_mount())
    cure = f"free {needed_gb:.1f} GB on {mount}, or record to another disk (--dataset); this shows what fills it:"
    return cure, f"du -xhd1 {mount} | sort -h"


def _speed(folder: Path) -> Row:
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            block = os.urandom(1024 * 1024)
            began_s = time.perf_counter()
            for _ in range(PROBE_BYTES // len(block)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            mb_s = PROBE_BYTES / 1e6 / (time.perf_counter() - began_s)
    except OSError as error:
        return Row("disk speed", Verdict.FAULT, f"{folder}: {error.strerror}", *_writable(folder, error))
    verdict = Verdict.OK if mb_s >= FAST_MB_S else Verdict.WARNING if mb_s >= SLOW_MB_S else Verdict.FAULT
    found = f"{mb_s:.0f} MB/s at {folder}"
    if verdict is Verdict.OK:
        return Row("disk speed", verdict, found)
    found += f"; four cameras need {SLOW_MB_S}, with room {FAST_MB_S}"
    return Row("disk speed", verdict, found, "end what else writes there, or record to a faster disk (--dataset)")


def _writable(folder: Path, error: OSError) -> tuple[str, str]:
    """The cure for a folder that takes no file, and a command."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return _room(folder, ROOMY_GB)
        case errno.EROFS:
            return "its disk is read-only: record to another (--dataset); this shows how it is mounted:", (
                f"findmnt -T {folder}"
            )
        case _:
            return "record to a folder of yours (--dataset), or make this one yours:", f"sudo chown $USER {folder}"


def _clock() -> Row:
    """As the kernel sees it, whoever sets it (systemd-timesyncd, chrony, ntpd)."""
    written_s = Path(__file__).stat().st_mtime
    now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    asked_nothing = ctypes.create_string_buffer(256)  # struct timex, whose first field says what to set: nothing
    state = int(ctypes.CDLL(None).adjtimex(asked_nothing))
    cure, command = "let the system set it from the network:", "sudo timedatectl set-ntp true"
    if shutil.which("timedatectl") is None:
        command = "sudo apt install chrony"
    if time.time() < written_s:
        return Row("clock", Verdict.FAULT, f"it says {now} UTC, when this program was not yet there", cure, command)
    if state in (TIME_ERROR, REFUSED):
        by = "anything" if state == TIME_ERROR else "anything that may be asked here"
        found = f"not kept right by {by}: {now} UTC; episodes are named and ordered by it"
        return Row("clock", Verdict.WARNING, found, cure, command)
    return Row("clock", Verdict.OK, f"kept right: {now} UTC")


def _priority() -> Row:
    granted: list[bool] = []
    asking = threading.Thread(target=lambda: granted.append(take_precedence()))  # a thread, which takes it along
    asking.start()
    asking.join()
    if granted == [True]:
        return Row("priority", Verdict.OK, "control gets real-time priority")
    found = "no real-time priority: a busy computer makes control late"
    if any(LIMITS.glob("il-robot.conf")):
        cure = f"{LIMITS}/il-robot.conf is there: log out and in again; it counts for members of the group it names"
        return Row("priority", Verdict.WARNING, found, cure, f"sudo usermod -aG {GROUP} $USER")
    command = f"echo '@{GROUP} - rtprio 60' | sudo tee {LIMITS}/il-robot.conf"
    return Row("priority", Verdict.WARNING, found, f"as a member of group {GROUP}, then log out and in again:", command)
