"""The doctor's look at cameras and pedal."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from hardware.camera import ThreadedCamera
from hardware.errors import group_of
from hardware.findings import Row, Verdict
from hardware.rig_cameras import PATTERN, source_of
from hardware.rig_pedal import open_pedal
from hardware.wiring import Wiring
from il_robot.errors import IlRobotError
from il_robot.rig import Rig

RATE_SHARE = 0.95
"""A camera that keeps less of its rate is too slow."""


def check_cameras(rig: Rig, wiring: Wiring, seconds: float) -> Iterator[Row]:
    """Opens all cameras at once, as a session does: USB bandwidth shows in nothing else so well."""
    with ExitStack() as stack:
        running: dict[str, ThreadedCamera] = {}
        for settings in rig.cameras:
            device = Path(wiring.cameras[settings.name].device)
            if wiring.cameras[settings.name].device != PATTERN and not device.exists():
                cure = "plug it in; install the udev rules of hardware/README.md"
                yield Row(settings.name, Verdict.FAULT, f"no {device}", cure)
                continue
            if closed := _no_permission(settings.name, device):
                yield closed
                continue
            try:
                camera = ThreadedCamera(settings.name, source_of(settings, wiring.cameras[settings.name]))
            except IlRobotError as error:
                yield Row(settings.name, Verdict.FAULT, str(error), "end what else uses it, or correct hardware.yaml")
                continue
            stack.callback(camera.close)
            running[settings.name] = camera
        yield from measure_rates(running, {n: wiring.cameras[n].rate_hz for n in running}, seconds)


def measure_rates(cameras: dict[str, ThreadedCamera], asked_hz: dict[str, float], seconds: float) -> Iterator[Row]:
    """How many frames of each camera arrive while all of them run."""
    before = {name: camera.health() for name, camera in cameras.items()}
    began_s = time.monotonic()
    if cameras:
        time.sleep(seconds)
    passed_s = time.monotonic() - began_s
    for name, camera in cameras.items():
        health = camera.health()
        frames = health.frames - before[name].frames
        hz = frames / passed_s
        skipped, corrupt = health.skipped - before[name].skipped, health.corrupt - before[name].corrupt
        found = f"{hz:.1f} of {asked_hz[name]:g} Hz, {skipped} skipped, {corrupt} corrupt"
        # Looking may have begun just after a frame and ended just before one.
        if frames + 1 >= RATE_SHARE * asked_hz[name] * passed_s and not corrupt:
            yield Row(name, Verdict.OK, found)
        else:
            cure = "fix its exposure; plug it into a USB port of its own; choose format MJPG"
            yield Row(name, Verdict.FAULT if hz == 0 else Verdict.WARNING, found, cure)


def check_pedal(rig: Rig, wiring: Wiring) -> Row:
    """Whether the pedal is there and speaks."""
    if wiring.pedal.port and (closed := _no_permission("pedal", Path(wiring.pedal.port))):
        return closed
    try:
        open_pedal(wiring.pedal, rig.pedal).close()
    except IlRobotError as error:
        return Row("pedal", Verdict.FAULT, str(error), "plug it in, or set pedal in hardware.yaml")
    return Row("pedal", Verdict.OK, f"{wiring.pedal.kind} {wiring.pedal.port}".strip())


def _no_permission(what: str, device: Path) -> Row | None:
    """The row of a device that is there, but not for this user."""
    if not device.exists() or os.access(device, os.R_OK):
        return None
    cure = f"add your user to group {group_of(device)} and log in again"
    return Row(what, Verdict.FAULT, f"{device}: no permission", cure)
