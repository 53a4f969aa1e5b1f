"""Cameras: one contract for each kind; the pattern that proves which frame it is; what V4L2 buffers become."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.camera import Captured, ThreadedCamera
from hardware.camera_wiring import CONTROLS, CameraWiring
from hardware.pattern_camera import FileSource, PatternSource, draw_frame, read_frame
from hardware.v4l2 import PROPERTIES, V4l2Source, as_jpeg, since_1970
from il_robot.control.rate import SystemClock
from il_robot.errors import BadInput, Fault
from il_robot.rig import Camera as CameraSettings
from il_robot.types import Frame

SETTINGS = CameraSettings("cam_high", 320, 240)
CLOCK = SystemClock()


def decode(frame: Frame) -> np.ndarray:
    return simplejpeg.decode_jpeg(frame.jpeg, colorspace="RGB")


class NumberedSource:
    """Frame n was captured n hundredths of a second after the epoch of 2001."""

    rate_hz = 100.0

    def __init__(self) -> None:
        self.made = 0

    def open(self) -> None: ...

    def next(self) -> Captured | None:
        self.made += 1
        time.sleep(0.002)
        return Captured(b"", 10**18 + self.made * 10_000_000)

    def close(self) -> None: ...


def test_a_calibrated_lateness_is_taken_off_every_stamp() -> None:
    camera = ThreadedCamera("cam_high", NumberedSource(), late_s=0.035)
    frame = camera.wait_newer(2, timeout_s=5)
    camera.close()
    assert frame is not None
    assert (frame.time_ns + 35_000_000 - 10**18) == (frame.sequence + 1) * 10_000_000
    assert camera.health().skipped == 0


class CameraContract:
    """What every camera keeps."""

    camera: ThreadedCamera

    def collect(self, count: int) -> list[Frame]:
        frames: list[Frame] = []
        while len(frames) < count:
            frame = self.camera.wait_newer(frames[-1].sequence if frames else -1, timeout_s=5)
            assert frame is not None
            frames.append(frame)
        return frames

    def test_frames_have_the_settled_size(self) -> None:
        for frame in self.collect(2):
            assert decode(frame).shape == (240, 320, 3)

    def test_sequence_and_time_rise_together(self) -> None:
        frames = self.collect(10)
        assert all(b.sequence > a.sequence and b.time_ns > a.time_ns for a, b in itertools.pairwise(frames))
        assert abs(frames[-1].time_ns - time.time_ns()) < 60e9

    def test_latest_is_the_newest_and_may_be_asked_twice(self) -> None:
        last = self.collect(3)[-1]
        again = self.camera.latest()
        assert again is not None and again.sequence >= last.sequence

    def test_the_count_adds_up(self) -> None:
        last = self.collect(10)[-1]
        self.camera.close()
        newest, health = self.camera.latest(), self.camera.health()
        assert newest is not None and newest.sequence >= last.sequence
        assert health.frames + health.skipped == newest.sequence + 1

    def test_closing_twice_is_fine(self) -> None:
        self.camera.close()
        self.camera.close()


class TestPatternCamera(CameraContract):
    @pytest.fixture(autouse=True)
    def running(self) -> Iterator[None]:
        self.camera = ThreadedCamera("cam_high", PatternSource(SETTINGS, 100.0, CLOCK))
        yield
        self.camera.close()

    def test_a_frames_sequence_is_the_number_drawn_in_it(self) -> None:
        assert all(read_frame(decode(frame)) == frame.sequence for frame in self.collect(10))


class TestFileCamera(CameraContract):
    @pytest.fixture(autouse=True)
    def running(self, tmp_path: Path) -> Iterator[None]:
        path = tmp_path / "clip.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (640, 480))
        for number in range(5):
            writer.write(draw_frame(number, 640, 480)[:, :, ::-1].copy())
        writer.release()
        self.camera = ThreadedCamera("cam_high", FileSource(SETTINGS, path, CLOCK))
        yield
        self.camera.close()

    def test_the_file_is_played_in_a_loop(self) -> None:
        assert {read_frame(decode(frame)) for frame in self.collect(12)} <= set(range(5))


class Interrupted:
    """The test pattern on a cable that can be pulled."""

    def __init__(self) -> None:
        self.rate_hz = 100.0
        self.plugged = True
        self.cut = False
        self._pattern = PatternSource(SETTINGS, self.rate_hz, CLOCK)

    def open(self) -> None:
        if not self.plugged:
            raise Fault("cannot open")

    def next(self) -> Captured | None:
        captured = self._pattern.next()
        if not self.plugged:
            raise Fault("camera cam_high: lost")
        return None if self.cut else captured

    def close(self) -> None:
        pass


def test_unusable_frames_are_not_counted_twice() -> None:
    source = Interrupted()
    camera = ThreadedCamera("cam_high", source)
    assert camera.wait_newer(3, timeout_s=5) is not None
    source.cut = True
    while camera.health().corrupt < 5:
        time.sleep(0.01)
    source.cut = False
    newest = camera.latest()
    assert newest is not None
    assert camera.wait_newer(newest.sequence, timeout_s=5) is not None
    camera.close()
    newest, health = camera.latest(), camera.health()
    assert newest is not None
    assert health.frames + health.skipped + health.corrupt == newest.sequence + 1


def test_a_pulled_camera_is_a_fault_and_comes_back() -> None:
    source = Interrupted()
    camera = ThreadedCamera("cam_high", source)
    before = camera.wait_newer(-1, timeout_s=5)
    source.plugged = False
    with pytest.raises(Fault, match="cam_high: lost"):
        while True:
            camera.wait_newer(2**31, timeout_s=0.05)
    source.plugged = True
    deadline_s = time.monotonic() + 10
    after = None
    while after is None and time.monotonic() < deadline_s:
        try:
            after = camera.wait_newer(before.sequence + 20 if before else 0, timeout_s=0.5)
        except Fault:
            time.sleep(0.02)
    camera.close()
    health = camera.health()
    assert after is not None and read_frame(decode(after)) == after.sequence
    assert health.reopened == 1
    assert health.skipped > 20


def test_a_camera_that_sends_rubbish_or_nothing_is_not_silent() -> None:
    source = Interrupted()
    camera = ThreadedCamera("cam_high", source)
    assert camera.wait_newer(-1, timeout_s=5) is not None
    source.cut = True
    with pytest.raises(Fault, match=r"cam_high: no frame for \d"):
        while True:
            camera.latest()
            time.sleep(0.02)
    camera.close()
    assert camera.health().corrupt > 10


@settings(max_examples=30, deadline=None)
@given(
    number=st.integers(0, 2**32 - 1),
    size=st.sampled_from([(320, 240), (640, 480), (224, 224), (160, 120)]),
    quality=st.integers(50, 95),
)
def test_the_number_survives_jpeg_and_scaling(number: int, size: tuple[int, int], quality: int) -> None:
    image = draw_frame(number, *size)
    jpeg = simplejpeg.encode_jpeg(image, quality, colorspace="RGB", colorsubsampling="420")
    decoded = simplejpeg.decode_jpeg(jpeg, colorspace="RGB")
    assert read_frame(decoded) == number
    assert read_frame(cv2.resize(decoded, (128, 96), interpolation=cv2.INTER_AREA)) == number


def own_jpeg() -> bytes:
    jpeg: bytes = simplejpeg.encode_jpeg(draw_frame(7, 320, 240), 90, colorspace="RGB")
    return jpeg


@pytest.mark.parametrize("padding", [0, 1, 4096])
def test_a_cameras_own_jpeg_is_passed_on_untouched(padding: int) -> None:
    buffer = np.frombuffer(own_jpeg() + bytes(padding), np.uint8)
    assert as_jpeg(buffer.reshape(1, -1), SETTINGS) == own_jpeg()


@pytest.mark.parametrize(
    "buffer",
    [own_jpeg()[:-500], own_jpeg()[10:], b"\x00" * 100, simplejpeg.encode_jpeg(draw_frame(7, 640, 480), 90)],
    ids=["cut short", "no beginning", "empty", "another size"],
)
def test_a_broken_jpeg_is_no_frame(buffer: bytes) -> None:
    assert as_jpeg(np.frombuffer(buffer, np.uint8).reshape(1, -1), SETTINGS) is None


def test_a_raw_image_is_encoded() -> None:
    jpeg = as_jpeg(draw_frame(1234, 320, 240)[:, :, ::-1], SETTINGS)
    assert jpeg is not None
    assert read_frame(simplejpeg.decode_jpeg(jpeg, colorspace="RGB")) == 1234


def test_the_drivers_time_counts_where_it_is_one() -> None:
    for age_s in (0.0, 0.03):
        stamp = since_1970((time.monotonic_ns() - age_s * 1e9) / 1e6)
        assert -1e6 < time.time_ns() - stamp - age_s * 1e9 < 5e9
    for nonsense_ms in (0.0, -1.0, time.monotonic_ns() / 1e6 + 1e6, 1.0):
        assert -1e6 < time.time_ns() - since_1970(nonsense_ms) < 5e9


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_camera_of_another_group_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "video0").touch(mode=0o000)
    with pytest.raises(Fault, match=rf"no permission; is your user in the group that owns it \({tmp_path.group()}\)"):
        V4l2Source(SETTINGS, CameraWiring(str(tmp_path / "video0"), 60.0)).open()


def test_what_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"cam_high \(/dev/no-camera\): no such device; is it plugged in"):
        ThreadedCamera("cam_high", V4l2Source(SETTINGS, CameraWiring("/dev/no-camera", 60.0)))
    (tmp_path / "video0").write_text("not a camera")
    with pytest.raises(Fault, match="cannot open; another program has it"):
        ThreadedCamera("cam_high", V4l2Source(SETTINGS, CameraWiring(str(tmp_path / "video0"), 60.0)))
    (tmp_path / "clip.avi").write_text("no video")
    with pytest.raises(BadInput, match="not a video"):
        FileSource(SETTINGS, tmp_path / "clip.avi", CLOCK)


def test_every_control_of_hardware_yaml_is_one_that_opencv_sets() -> None:
    assert set(PROPERTIES) == set(CONTROLS)
