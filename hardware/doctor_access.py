"""Why a device cannot be used: it is not there, belongs to another user, or another program has it open."""

from __future__ import annotations

import contextlib
import grp
import itertools
import os
import pwd
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from hardware.errors import group_of
from hardware.findings import Row, Verdict

RULES = "hardware/udev/99-il-robot.rules"
RULES_FILE = Path(__file__).parent / "udev" / "99-il-robot.rules"
INSTALL = f"sudo cp {quote(str(RULES_FILE))} /etc/udev/rules.d/"
INSTALL += " && sudo udevadm control --reload && sudo udevadm trigger"
RULES_FOLDERS = Path("/etc/udev/rules.d"), Path("/lib/udev/rules.d")
_NAMES_OURS = re.compile(r'^[^#\n]*(SYMLINK|NAME)\+?="[^"]*\bil_', re.MULTILINE)
PSEUDO_TERMINAL_MASTER = "/dev/ptmx", "/dev/pts/ptmx"


def missing(what: str, device: Path, line: str, others: Sequence[Path]) -> Row:
    """``line``: where hardware.yaml names it. ``others``: devices of that kind which are there."""
    cure, command = "plug it in and switch it on", ""
    if device.parent == Path("/dev") and device.name.startswith("il_") and not _rules_installed():
        cure = f"no udev rule gives such names yet: put your serial numbers into {RULES}, install it, and {cure}"
        command = INSTALL
    if others:
        cure += (
            f"; or, if it is one of {', '.join(map(str, sorted(others)))}: give it that name ({RULES} says how), "
            f"or write its path at {line}"
        )
    return Row(what, Verdict.FAULT, f"no {device}", f"{cure}:" if command else cure, command)


def _rules_installed() -> bool:
    """Whether some udev rule gives names such as /dev/il_cam_high."""
    for rules in itertools.chain.from_iterable(folder.glob("*.rules") for folder in RULES_FOLDERS):
        with contextlib.suppress(OSError):  # one that only root may read
            if _NAMES_OURS.search(rules.read_text(errors="replace")):
                return True
    return False


def closed(what: str, device: Path, mode: int = os.R_OK | os.W_OK) -> Row | None:
    """The row of a device that is there, but not for this user."""
    if not device.exists() or os.access(device, mode):
        return None
    found = f"{device}: no permission"
    group, owner = group_of(device), device.stat()
    if not stat.S_IMODE(owner.st_mode) & stat.S_IRGRP or owner.st_gid == 0:
        cure = f"let its udev rule set group and mode: {RULES}; until it is plugged in again:"
        return Row(what, Verdict.FAULT, found, cure, f"sudo chgrp dialout {device} && sudo chmod 660 {device}")
    if _is_member(group):
        cure = f"log out and in again: you joined group {group} after this session had begun"
        return Row(what, Verdict.FAULT, found, cure)
    cure = f"join group {group}, then log out and in again:"
    return Row(what, Verdict.FAULT, found, cure, f"sudo usermod -aG {group} {_user()}")


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return "$USER"


def _is_member(group: str) -> bool:
    """As the system's files say it now, whatever this session was given when it began."""
    with contextlib.suppress(KeyError):
        return _user() in grp.getgrnam(group).gr_mem
    return False


@dataclass(frozen=True)
class Holder:
    """A process that has a device open."""

    pid: int
    command: str


def holders(device: Path) -> list[Holder]:
    """Other processes that have a device open, as far as this user may look. Not who emulates the device."""
    target, found = str(device.resolve()), []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            opened = {str(link.readlink()) for link in (process / "fd").iterdir()}
            if target in opened and opened.isdisjoint(PSEUDO_TERMINAL_MASTER):
                found.append(Holder(int(process.name), _command(process)))
    return sorted(found, key=lambda holder: holder.pid)


def _command(process: Path) -> str:
    """As it was started, without interpreter and folders."""
    words = (process / "cmdline").read_text(errors="replace").split("\0")
    if Path(words[0]).name.startswith("python"):
        words = words[1:]
    words = [word for word in words if word not in ("-m", "")]
    words = words[: words.index("--ros-args")] if "--ros-args" in words else words
    return " ".join([Path(words[0]).name, *words[1:]])[:60] if words else process.name


def busy(what: str, device: Path) -> Row | None:
    """The row of a device that another program has open."""
    others = holders(device)
    if not others:
        return None
    named = ", ".join(f"{one.command} (process {one.pid})" for one in others)
    cure = "end that first: Ctrl-C in its terminal if it is a session, else:"
    return Row(
        what, Verdict.FAULT, f"{device}: in use by {named}", cure, f"kill {' '.join(str(o.pid) for o in others)}"
    )


def held_by_somebody(what: str, device: Path, fault: str) -> Row:
    """The row of a device that another program must have open, as ``fault`` says; perhaps another user's."""
    cure = "end the program that has it open; this names it:"
    return busy(what, device) or Row(what, Verdict.FAULT, fault, cure, f"sudo fuser -v {device}")
