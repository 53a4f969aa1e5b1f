"""A USB camera (UVC 1.1) that gives JPEG over a bulk endpoint, for the kernel's own uvcvideo driver.

Source: USB Device Class Definition for Video Devices 1.1, and its MJPEG payload.
"""

from __future__ import annotations

import struct
import threading
import time
from dataclasses import dataclass

from usbip_device import UsbIpDevice

VENDOR, PRODUCT = 0x1209, 0x0001  # pid.codes, for tests: no quirk of the kernel is meant for it
CAMERA_UNIT, PROCESSING_UNIT = 1, 2
SET_CUR, GET_CUR, GET_MIN, GET_MAX, GET_RES, GET_LEN, GET_INFO, GET_DEF = 1, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87
PROBE, COMMIT = 1, 2
PROBE_LENGTH = 34
LARGEST_PAYLOAD = 1 << 17
FRAME_ID, END_OF_FRAME, END_OF_HEADER = 1, 2, 0x80


@dataclass
class Control:
    """One setting of the camera."""

    size: int
    low: int
    high: int
    step: int
    default: int
    automatic: tuple[int, int] | None = None
    """(unit, selector) of what must be off, or manual, before it can be set."""
    value: int = 0


def factory_settings() -> dict[tuple[int, int], Control]:
    """(unit, selector) -> control. Automatic exposure is a bit mask: 1 manual, 8 automatic (aperture priority)."""
    exposure, focus, white = (CAMERA_UNIT, 2), (CAMERA_UNIT, 8), (PROCESSING_UNIT, 0x0B)
    controls = {
        exposure: Control(1, 1, 8, 0x09, 8),
        (CAMERA_UNIT, 4): Control(4, 3, 2047, 1, 250, exposure),
        focus: Control(1, 0, 1, 1, 1),
        (CAMERA_UNIT, 6): Control(2, 0, 250, 5, 0, focus),
        (CAMERA_UNIT, 0x0B): Control(2, 100, 500, 1, 100),
        white: Control(1, 0, 1, 1, 1),
        (PROCESSING_UNIT, 0x0A): Control(2, 2000, 6500, 1, 4000, white),
        (PROCESSING_UNIT, 1): Control(2, 0, 1, 1, 0),
        (PROCESSING_UNIT, 2): Control(2, 0, 255, 1, 128),
        (PROCESSING_UNIT, 3): Control(2, 0, 255, 1, 128),
        (PROCESSING_UNIT, 4): Control(2, 0, 255, 1, 0),
        (PROCESSING_UNIT, 7): Control(2, 0, 255, 1, 128),
        (PROCESSING_UNIT, 8): Control(2, 0, 255, 1, 128),
    }
    for control in controls.values():
        control.value = control.default
    return controls


class UsbCamera(UsbIpDevice):
    """Sends a list of JPEG frames over and over while the computer listens; remembers what it sent when."""

    def __init__(self, serial: str, jpegs: list[bytes], width: int, height: int, rate_hz: int) -> None:
        super().__init__()
        self.jpegs = jpegs
        self.rate_hz = rate_hz
        self.settings = factory_settings()
        self.sent_ns: dict[int, int] = {}
        """Number of a frame -> just before it went out, nanoseconds since 1970."""
        self.made = 0
        """Frames while the computer listened; frame n is ``jpegs[n % len(jpegs)]``."""
        self.muted = threading.Event()
        self.losing = 0
        """So many of the next frames are lost on the way."""
        self.cutting = 0
        """So many of the next frames arrive cut short."""
        self.strings = ("il-robot", "test camera", serial)
        self.device_descriptor = struct.pack(
            "<BBHBBBBHHHBBBB", 18, 1, 0x200, 0xEF, 2, 1, 64, VENDOR, PRODUCT, 1, 1, 2, 3, 1
        )
        self.configuration = configuration(width, height, rate_hz)
        self._probe = bytes(PROBE_LENGTH)
        self._pulled = threading.Event()

    def plug_in(self) -> None:
        """With factory settings, as after a power cut."""
        self.settings = factory_settings()
        self.sent_ns.clear()
        self.made = 0
        self._pulled.clear()
        super().plug_in()
        self._shutter = threading.Thread(target=self._film, name="USB camera", daemon=True)
        self._shutter.start()

    def unplug(self) -> None:
        if self._pulled.is_set() or not hasattr(self, "_shutter"):
            return
        self._pulled.set()
        self._shutter.join()
        super().unplug()

    def control(self, kind: int, request: int, value: int, index: int, data: bytes) -> bytes | None:
        selector, unit, interface = value >> 8, index >> 8, index & 0xFF
        if interface == 1:
            return self._negotiate(request, data)
        if unit == 0:
            return b"\x04"  # why the last one was refused: wrong state
        control = self.settings.get((unit, selector))
        if control is None:
            return None
        if request == SET_CUR:
            return self._set(control, int.from_bytes(data, "little", signed=control.low < 0))
        numbers = {
            GET_CUR: control.value,
            GET_MIN: control.low,
            GET_MAX: control.high,
            GET_RES: control.step,
            GET_DEF: control.default,
        }
        if request == GET_LEN:
            return struct.pack("<H", control.size)
        return b"\x03" if request == GET_INFO else numbers[request].to_bytes(control.size, "little")

    def _set(self, control: Control, value: int) -> bytes | None:
        if control.automatic is not None:
            ruler = self.settings[control.automatic]
            if ruler.value not in (0, 1) or (ruler.high == 1 and ruler.value == 1):
                return None
        control.value = value
        return b""

    def _negotiate(self, request: int, data: bytes) -> bytes | None:
        if request == SET_CUR:
            self._probe = data
            return b""
        if request == GET_LEN:
            return struct.pack("<H", PROBE_LENGTH)
        if request == GET_INFO:
            return b"\x03"
        # Format 1, frame 1, the one interval, the largest frame, the largest payload.
        interval = 10_000_000 // self.rate_hz
        return struct.pack(
            "<HBBIHHHHHIIIBBBB", 0, 1, 1, interval, 0, 0, 0, 0, 0, LARGEST_PAYLOAD, LARGEST_PAYLOAD, 0, 0, 0, 0, 0
        )

    def _film(self) -> None:
        due_s = time.monotonic()
        flip = 0
        while not self._pulled.is_set():
            due_s += 1 / self.rate_hz
            if self._pulled.wait(max(0.0, due_s - time.monotonic())):
                return
            if self.muted.is_set():
                continue
            jpeg = self.jpegs[self.made % len(self.jpegs)]
            if self.cutting:
                self.cutting, jpeg = self.cutting - 1, jpeg[: len(jpeg) // 2]
            if self.losing:
                self.losing, self.made = self.losing - 1, self.made + 1
                continue
            # Noted before it goes out: the computer may have it before send() is back.
            self.sent_ns[self.made] = time.time_ns()
            if self.send(bytes([2, END_OF_HEADER | END_OF_FRAME | flip]) + jpeg):
                self.made += 1
                flip ^= FRAME_ID


def configuration(width: int, height: int, rate_hz: int) -> bytes:
    """The configuration descriptor: one control interface, one streaming interface with a bulk endpoint."""
    camera = struct.pack("<BBBBHBBHHHB3s", 18, 0x24, 2, CAMERA_UNIT, 0x0201, 0, 0, 0, 0, 0, 3, bits(1, 3, 5, 9, 17))
    processing = struct.pack(
        "<BBBBBHB3sBB", 13, 0x24, 5, PROCESSING_UNIT, CAMERA_UNIT, 0, 3, bits(0, 1, 3, 4, 6, 8, 9, 12), 0, 0
    )
    output = struct.pack("<BBBBHBBB", 9, 0x24, 3, 3, 0x0101, 0, PROCESSING_UNIT, 0)
    units = camera + processing + output
    head = struct.pack("<BBBHHIBB", 13, 0x24, 1, 0x0110, 13 + len(units), 48_000_000, 1, 1)
    interval = 10_000_000 // rate_hz
    bit_rate = LARGEST_PAYLOAD * 8 * rate_hz
    formats = (
        struct.pack("<BBBBBBBBBBB", 11, 0x24, 6, 1, 1, 1, 1, 0, 0, 0, 0)
        + struct.pack(
            "<BBBBBHHIIIIBI",
            30, 0x24, 7, 1, 0, width, height, bit_rate, bit_rate, LARGEST_PAYLOAD, interval, 1, interval,
        )
        + struct.pack("<BBBBBB", 6, 0x24, 0x0D, 1, 1, 4)
    )  # fmt: skip
    stream = struct.pack("<BBBBHBBBBBBBB", 14, 0x24, 1, 1, 14 + len(formats), 0x81, 0, 3, 0, 0, 0, 1, 0)
    body = (
        struct.pack("<BBBBBBBB", 8, 0x0B, 0, 2, 0x0E, 3, 0, 2)
        + struct.pack("<BBBBBBBBB", 9, 4, 0, 0, 0, 0x0E, 1, 0, 0)
        + head
        + units
        + struct.pack("<BBBBBBBBB", 9, 4, 1, 0, 1, 0x0E, 2, 0, 0)
        + stream
        + formats
        + struct.pack("<BBBBHB", 7, 5, 0x81, 2, 512, 0)
    )
    return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 2, 1, 0, 0x80, 250) + body


def bits(*numbers: int) -> bytes:
    """Three bytes with these bits set."""
    return sum(1 << number for number in numbers).to_bytes(3, "little")
