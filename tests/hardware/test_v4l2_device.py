"""Cameras of a real kernel: a USB camera behind USB/IP (the kernel's own uvcvideo and udev), and its test driver vivid.

Run as root after ``modprobe -a uvcvideo vhci-hcd vivid``; elsewhere skipped.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import simplejpeg
from test_camera import CameraContract, decode
from usb_camera import CAMERA_UNIT, PROCESSING_UNIT, UsbCamera
from usbip_device import can_plug_in

from hardware.camera import ThreadedCamera
from hardware.camera_wiring import CameraWiring
from hardware.pattern_camera import draw_frame, read_frame
from hardware.v4l2 import V4l2Source
from il_robot.errors import Fault
from il_robot.rig import Camera as CameraSettings

SERIAL = "TEST0001"
DEVICE = Path(f"/dev/v4l/by-id/usb-il-robot_test_camera_{SERIAL}-video-index0")
SETTINGS = CameraSettings("cam_high", 320, 240)
RATE_HZ = 10
QUALITIES = (95, 40, 80, 20)
"""Frames of changing length: nothing of a longer one may stick to a shorter one."""
JPEGS = [
    simplejpeg.encode_jpeg(draw_frame(n, 320, 240), QUALITIES[n % 4], colorspace="RGB", colorsubsampling="420")
    for n in range(64)
]
VIVID = [node for node in Path("/sys/class/video4linux").glob("*") if "vivid" in (node / "name").read_text()]


def wait_until(holds: Callable[[], bool], patience_s: float = 20) -> None:
    deadline_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.02)


def source(controls: dict[str, int] | None = None, **wiring: object) -> V4l2Source:
    asked: dict[str, object] = {"device": str(DEVICE), "rate_hz": float(RATE_HZ), "controls": controls or {}} | wiring
    return V4l2Source(SETTINGS, CameraWiring(**asked))  # type: ignore[arg-type]


def answers(camera: ThreadedCamera) -> bool:
    """Whether it has a frame of this moment."""
    try:
        frame = camera.latest()
    except Fault:
        return False
    return frame is not None and time.time_ns() - frame.time_ns < 1e9


def fault_of(camera: ThreadedCamera) -> str:
    """What it says within a few seconds of going wrong."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        try:
            camera.latest()
        except Fault as fault:
            return str(fault)
        time.sleep(0.02)
    return ""


def plug(usb: UsbCamera) -> None:
    """Plugs it in and keeps the kernel from sending it to sleep, from which vhci-hcd can wake none without a reset."""
    usb.plug_in()
    wait_until(DEVICE.exists)
    for serial in Path("/sys/bus/usb/devices").glob("*/serial"):
        if serial.read_text().strip() == SERIAL:
            (serial.parent / "power" / "control").write_text("on")


@pytest.fixture(scope="module")
def plugged_in() -> Iterator[UsbCamera]:
    if not can_plug_in():
        pytest.skip("no USB/IP host controller that may be used (root, modprobe -a uvcvideo vhci-hcd)")
    usb = UsbCamera(SERIAL, JPEGS, 320, 240, RATE_HZ)
    try:
        plug(usb)
        yield usb
    finally:
        usb.unplug()


class TestUsbCamera(CameraContract):
    @pytest.fixture(autouse=True)
    def running(self, plugged_in: UsbCamera) -> Iterator[None]:
        self.usb = plugged_in
        self.camera = ThreadedCamera("cam_high", source())
        wait_until(lambda: answers(self.camera))
        yield
        self.usb.muted.clear()
        self.camera.close()

    def test_a_frames_number_counts_what_the_camera_made(self) -> None:
        before = self.collect(1)[0]
        self.usb.losing = 3
        after = self.collect(12)[-1]
        made = read_frame(decode(after)) - read_frame(decode(before))
        assert made % len(JPEGS) == after.sequence - before.sequence
        assert self.camera.health().skipped == 3

    def test_a_frame_cut_short_is_corrupt_and_not_skipped_too(self) -> None:
        skipped = self.camera.health().skipped
        self.usb.cutting = 4
        wait_until(lambda: self.camera.health().corrupt == 4)
        self.collect(2)
        assert self.camera.health().skipped == skipped

    def test_a_silent_camera_is_a_fault_and_comes_back(self) -> None:
        self.usb.muted.set()
        assert "cam_high: no frame for" in fault_of(self.camera)
        wait_until(lambda: "lost or silent" in fault_of(self.camera))
        self.usb.muted.clear()
        wait_until(lambda: answers(self.camera))
        assert self.camera.health().reopened == 1

    def test_an_unplugged_camera_is_a_fault_and_comes_back_with_its_settings(self) -> None:
        self.camera.close()
        focus = (CAMERA_UNIT, 6)
        self.camera = ThreadedCamera("cam_high", source({"autofocus": 0, "focus": 35}))
        wait_until(lambda: answers(self.camera))
        self.usb.unplug()
        assert fault_of(self.camera).endswith("is it plugged in?")
        wait_until(lambda: not DEVICE.exists())
        plug(self.usb)
        wait_until(lambda: answers(self.camera))
        assert self.usb.settings[focus].value == 35
        assert self.camera.health().reopened == 1

    def test_a_camera_has_one_user(self) -> None:
        with pytest.raises(Fault, match="cannot open; another program has it"):
            source().open()
        assert answers(self.camera)


def test_jpegs_pass_untouched_with_the_time_of_their_capture(plugged_in: UsbCamera) -> None:
    shares: list[float] = []
    with closing(source()) as device:
        device.open()
        for number in range(40):
            waited = number % 8 == 7
            if waited:
                time.sleep(1.5 / RATE_HZ)
            captured = device.next()
            read_ns, time_ns = time.time_ns(), captured.time_ns if captured else 0
            assert captured is not None
            assert captured.jpeg in JPEGS
            sent_ns = min(
                (ns for n, ns in plugged_in.sent_ns.copy().items() if JPEGS[n % len(JPEGS)] == captured.jpeg),
                key=lambda ns: abs(ns - time_ns),
            )
            assert sent_ns - 1_000_000 < time_ns < read_ns
            if waited:
                shares.append((time_ns - sent_ns) / (read_ns - sent_ns))
    # Frames that waited here bear the time when the kernel got them, not when they were read.
    assert statistics.median(shares) < 0.5


def test_settings_reach_the_camera_automatic_ones_first(plugged_in: UsbCamera) -> None:
    controls = {"exposure": 333, "auto_exposure": 1, "white_balance": 3200, "auto_white_balance": 0, "focus": 35}
    controls |= {"autofocus": 0, "gain": 7, "brightness": 9, "contrast": 11, "saturation": 13, "sharpness": 15}
    controls |= {"backlight": 1, "zoom": 120}
    with closing(source(controls)) as device:
        device.open()
    camera = {2: 1, 4: 333, 6: 35, 8: 0, 11: 120}
    picture = {0x0A: 3200, 0x0B: 0, 1: 1, 2: 9, 3: 11, 4: 7, 7: 13, 8: 15}
    asked = {(CAMERA_UNIT, k): v for k, v in camera.items()} | {(PROCESSING_UNIT, k): v for k, v in picture.items()}
    assert {key: control.value for key, control in plugged_in.settings.items()} == asked


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"controls": {"autofocus": 0, "focus": 36}}, "focus is 35 after setting it to 36"),
        ({"controls": {"auto_exposure": 1, "exposure": 9999}}, "exposure is 2047 after setting it to 9999"),
        ({"format": "YUYV"}, "format is MJPG after setting it to YUYV"),
        ({"rate_hz": 60.0}, "rate is 10 after setting it to 60"),
        ({"device": str(DEVICE).replace("index0", "index1")}, "gives no picture"),
    ],
    ids=["step", "range", "format", "rate", "its metadata"],
)
def test_what_a_camera_does_not_do_is_one_line(plugged_in: UsbCamera, asked: dict[str, object], words: str) -> None:
    with pytest.raises(Fault, match=words):
        source(**asked).open()  # type: ignore[arg-type]


@pytest.mark.skipif(not VIVID, reason="no vivid (modprobe vivid)")
def test_a_raw_camera_is_encoded_and_its_settings_read_back() -> None:
    (node,) = (n for n in VIVID if (n / "name").read_text().strip().endswith("000-vid-cap"))
    settings = CameraSettings("cam_high", 640, 480)

    def wired(**controls: int) -> V4l2Source:
        return V4l2Source(settings, CameraWiring(f"/dev/{node.name}", 25.0, "YUYV", controls))

    camera = ThreadedCamera("cam_high", wired(brightness=100, contrast=77))
    frame = camera.wait_newer(9, timeout_s=10)
    camera.close()
    assert frame is not None
    assert decode(frame).shape == (480, 640, 3)
    assert camera.health().corrupt == 0
    with pytest.raises(Fault, match="brightness is 255 after setting it to 999"):
        wired(brightness=999).open()
    with pytest.raises(Fault, match="focus is -1 after setting it to 5"):
        wired(focus=5).open()
