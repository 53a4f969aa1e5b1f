"""What the operating system says about a device, in words that help."""

from __future__ import annotations

import errno
import re
import termios
from pathlib import Path

import serial

PORT_ERRORS = (serial.SerialException, OSError, termios.error)
"""All that using a serial port may throw."""
CURES = {
    errno.ENOENT: "no such device; is it plugged in?",
    errno.ENODEV: "no such device; is it plugged in?",
    errno.EACCES: "no permission; is your user in the group that owns it (dialout)?",
    errno.EAGAIN: "another program has it open",
    errno.EBUSY: "another program has it open",
    errno.EIO: "no answer from its adapter; was it unplugged?",
    errno.ENOTTY: "it is not a serial port",
    errno.EINVAL: "it is not a serial port, or does not know this speed",
}


_WRAPPED = re.compile(r"\((\d+), '")
"""What pyserial makes of an error of the system: its own text around it."""


def in_words(error: Exception) -> str:
    """One of PORT_ERRORS in a few words, with the likely cure."""
    if isinstance(error, serial.PortNotOpenError):
        return "its adapter went away and is not back"
    if "returned no data" in str(error):  # pyserial's words for a port that was hung up
        return CURES[errno.EIO]
    number = error.errno if isinstance(error, OSError) else error.args[0] if error.args else None
    if number is None and (wrapped := _WRAPPED.search(str(error))):
        number = int(wrapped[1])
    cure = CURES.get(number) if isinstance(number, int) else None
    return cure or " ".join(str(error).split())


def group_of(path: Path) -> str:
    """The group that owns a device; in a container it may have no name, only a number."""
    try:
        return path.group()
    except KeyError:
        return str(path.stat().st_gid)
