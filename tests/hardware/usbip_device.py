"""A USB device without a cable: the kernel's USB/IP host controller (vhci-hcd) talks to this process over a socket.

The kernel enumerates it, loads its real driver and lets udev name it, as it does with what is plugged in.
Source: Documentation/usb/usbip_protocol.rst of Linux; chapter 9 of the USB 2.0 specification.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from pathlib import Path

VHCI = Path("/sys/devices/platform/vhci_hcd.0")
SUBMIT, UNLINK, SUBMITTED, UNLINKED = 1, 2, 3, 4
HEAD = struct.Struct(">IIIII")
"""Command, number, device, direction (1: to the computer), endpoint."""
REQUEST = struct.Struct(">IIIII8s")
"""Flags, length, start, packets, interval, setup packet."""
SETUP = struct.Struct("<BBHHH")
STALL, UNLINKED_STATUS = -32, -104
HIGH_SPEED = 3
GET_DESCRIPTOR = (0x80, 6)
TO_COMPUTER = 0x80


def can_plug_in() -> bool:
    """Whether this kernel has a USB/IP host controller and lets us use it (root, ``modprobe vhci-hcd``)."""
    return os.access(VHCI / "attach", os.W_OK)


class UsbIpDevice:
    """A device of one configuration. What it is and does, a subclass says."""

    device_descriptor: bytes
    configuration: bytes
    strings: tuple[str, ...]
    """By index, from 1."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sending = threading.Lock()
        self._waiting: list[tuple[int, int]] = []
        """(number, length) of requests for bulk data, oldest first."""

    def control(self, kind: int, request: int, value: int, index: int, data: bytes) -> bytes | None:
        """The answer to a request of the class; None refuses it (a stall). ``kind``: bmRequestType."""
        raise NotImplementedError

    def plug_in(self) -> None:
        """From now on the kernel sees it."""
        rows = [line.split() for line in (VHCI / "status").read_text().splitlines()[1:]]
        port = next(int(row[1]) for row in rows if row[0] == "hs" and row[2] == "004")
        self._socket, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._waiting.clear()
        (VHCI / "attach").write_text(f"{port} {kernels.fileno()} {1 << 16 | port + 1} {HIGH_SPEED}")
        kernels.close()
        self._wire = threading.Thread(target=self._serve, args=(self._socket,), name="USB device", daemon=True)
        self._wire.start()

    def unplug(self) -> None:
        """Pulls the cable. May be called twice."""
        if self._socket is None:
            return
        with self._sending:
            self._socket.shutdown(socket.SHUT_RDWR)
        self._wire.join()
        self._socket.close()
        self._socket = None

    def send(self, data: bytes) -> bool:
        """Bulk data to the computer, ended by a short packet; False when nobody is waiting for it."""
        with self._sending:
            if not self._waiting:
                return False
            while True:
                if not self._waiting:
                    return True  # the computer stopped listening in the middle
                number, length = self._waiting.pop(0)
                part, data = data[:length], data[length:]
                self._answer(number, part)
                if len(part) < length:
                    return True

    def _serve(self, wire: socket.socket) -> None:
        with contextlib.suppress(ConnectionError), wire.makefile("rb") as kernel:
            while head := kernel.read(HEAD.size):
                command, number, _, to_computer, endpoint = HEAD.unpack(head)
                flags_or_number, length, _, _, _, setup = REQUEST.unpack(kernel.read(REQUEST.size))
                if command == UNLINK:
                    self._unlink(number, flags_or_number)
                    continue
                data = b"" if to_computer else kernel.read(length)
                with self._sending:
                    if endpoint:
                        self._waiting.append((number, length))
                    else:
                        self._control(number, setup, data, length)

    def _control(self, number: int, setup: bytes, data: bytes, length: int) -> None:
        kind, request, value, index, _ = SETUP.unpack(setup)
        answer: bytes | None = b""  # set configuration, set interface, clear halt: always fine
        if (kind, request) == GET_DESCRIPTOR:
            answer = self._descriptor(value >> 8, value & 0xFF)
        elif kind & 0x60:
            answer = self.control(kind, request, value, index, data)
        if kind & TO_COMPUTER:
            self._answer(number, (answer or b"")[:length], STALL if answer is None else 0)
        else:
            self._answer(number, b"", STALL if answer is None else 0, len(data))

    def _descriptor(self, kind: int, index: int) -> bytes | None:
        if kind == 1:
            return self.device_descriptor
        if kind == 2:
            return self.configuration
        if kind == 3 and index == 0:
            return struct.pack("<BBH", 4, 3, 0x0409)
        if kind == 3 and index <= len(self.strings):
            text = self.strings[index - 1].encode("utf-16-le")
            return struct.pack("<BB", 2 + len(text), 3) + text
        return None

    def _unlink(self, number: int, victim: int) -> None:
        with self._sending:
            left = [entry for entry in self._waiting if entry[0] != victim]
            status = UNLINKED_STATUS if len(left) < len(self._waiting) else 0
            self._waiting = left
            self._write(HEAD.pack(UNLINKED, number, 0, 0, 0) + struct.pack(">i24x", status))

    def _answer(self, number: int, data: bytes, status: int = 0, taken: int = 0) -> None:
        body = struct.pack(">iIIII8x", status, taken or len(data), 0, 0, 0)
        self._write(HEAD.pack(SUBMITTED, number, 0, 0, 0) + body + data)

    def _write(self, message: bytes) -> None:
        assert self._socket is not None
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            self._socket.sendall(message)
