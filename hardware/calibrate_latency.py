"""Measures how late cameras are: an arm is moved by hand in their view, and its motion is found again in the images."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from calibration.latency import ComputerBusy, Lag, Signal, find_lag, motion
from hardware.arm import Arm
from hardware.camera import Camera
from hardware.computer_load import CURE
from il_robot.control.precedence import take_precedence
from il_robot.control.rate import DeadlineLoop, SystemClock
from il_robot.errors import BadInput, Fault, IlRobotError

READ_HZ = 100.0
PROMPT_S = 0.02
"""A slower answer of the arm is left out."""
MOVED_RAD = 1.0
"""What all joints together must move at least."""
TOLD_EVERY_S = 0.25
SMALL = (80, 60)
"""Images are compared at this width and height: motion survives, noise does not."""

KeepOn = Callable[[], bool]


def measure_latency(
    arm: Arm, cameras: Mapping[str, Camera], seconds: float, watched: Callable[[float], object]
) -> dict[str, Lag | IlRobotError]:
    """By camera: how much later its stamps are than what its images show, against the stamps of ``arm``; or why not.

    The arm must be moved irregularly in view of the cameras meanwhile. Raises BadInput when it hardly is, Fault when
    it is lost. ``watched`` is told, several times a second, for how long it has been [s].
    """
    began_s, left = time.monotonic(), threading.Event()

    def keep_on() -> bool:
        return time.monotonic() < began_s + seconds and not left.is_set()

    with ThreadPoolExecutor(len(cameras) + 1) as together:
        try:
            images = {name: together.submit(_image_motion, name, camera, keep_on) for name, camera in cameras.items()}
            moved = together.submit(_arm_motion, arm, keep_on)
            while wait([moved], TOLD_EVERY_S).not_done:
                watched(time.monotonic() - began_s)
            reference = moved.result()
            return {name: _lag(reference, seen) for name, seen in images.items()}
        finally:
            left.set()  # Ctrl-C does not wait for the rest of it


def what_next(found: Mapping[str, Lag | IlRobotError], arm: str | None) -> str | None:
    """What to do about the cameras that were not measured, in one line; None when all were.

    ``arm``: the one that was asked for, if any.
    """
    busy = [camera for camera, lag in found.items() if isinstance(lag, ComputerBusy)]
    unseen = [camera for camera, lag in found.items() if not isinstance(lag, Lag | ComputerBusy)]
    of_arm = f" --arm {arm}" if arm else ""
    if busy and len(busy) == len(found):
        return f"no camera was measured: the computer was too busy; {CURE}, then again, with the same command"
    cures = []
    if busy:
        cures.append(
            f"the computer was too busy for {', '.join(busy)}: {CURE}, then again: --cameras {' '.join(busy)}{of_arm}"
        )
    if unseen:
        again = "again, with an arm that they see" if not busy else "the others want an arm that they see"
        cures.append(f"{again}: --cameras {' '.join(unseen)} --arm ...")
    return f"not every camera was measured; {'; '.join(cures)}" if cures else None


def _lag(reference: Signal, seen: Future[Signal]) -> Lag | IlRobotError:
    try:
        return find_lag(reference, seen.result())
    except IlRobotError as error:
        return error


def _arm_motion(arm: Arm, keep_on: KeepOn) -> Signal:
    take_precedence()  # this thread only
    loop = DeadlineLoop(SystemClock(), round(1e9 / READ_HZ))
    states = []
    while keep_on():
        loop.wait()
        began_s = time.monotonic()
        state = arm.read()
        # What took long to answer is from any time meanwhile.
        if state is not None and time.monotonic() - began_s < PROMPT_S:
            states.append((state.time_ns, state.qpos))
    if len(states) < 2:
        raise Fault("the arm did not answer while it was watched")
    stamps = np.array([time_ns for time_ns, _ in states])
    moved = np.abs(np.diff([qpos for _, qpos in states], axis=0)).sum(axis=1)
    if moved.sum() < MOVED_RAD:
        raise BadInput(f"the arm hardly moved ({moved.sum():.1f} rad in all joints together): move it all the time")
    return motion(stamps, moved)


def _image_motion(name: str, camera: Camera, keep_on: KeepOn) -> Signal:
    """How much each image differs from the one before. Raises Fault when the camera was lost."""
    sequence = -1
    frames: list[tuple[int, NDArray[np.int16]]] = []
    while keep_on():
        frame = camera.wait_newer(sequence, timeout_s=0.1)
        if frame is not None:
            sequence = frame.sequence
            frames.append((frame.time_ns, _small(frame.jpeg)))
    if len(frames) < 2:
        raise Fault(f"camera {name}: no images while it was watched")
    stamps = np.array([time_ns for time_ns, _ in frames])
    return motion(stamps, np.abs(np.diff([image for _, image in frames], axis=0)).mean(axis=(1, 2)))


def _small(jpeg: bytes) -> NDArray[np.int16]:
    """(60, 80) grey; decoding to little more than that is half of the work."""
    grey = simplejpeg.decode_jpeg(jpeg, colorspace="GRAY", min_height=SMALL[1], min_width=SMALL[0], min_factor=1)
    return np.asarray(cv2.resize(grey[:, :, 0], SMALL, interpolation=cv2.INTER_AREA), np.int16)
