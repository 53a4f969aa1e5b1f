"""The doctor's look at cameras and pedal."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from shlex import quote

from hardware.camera import ThreadedCamera
from hardware.computer_load import CURE, ComputerLoad, watch_load
from hardware.doctor_access import busy, closed, held_by_somebody, missing
from hardware.findings import Row, Site, Verdict
from hardware.rig_cameras import PATTERN, is_emulated, source_of
from hardware.rig_pedal import open_pedal
from il_robot.control.rate import SystemClock
from il_robot.errors import Fault, IlRobotError
from il_robot.rig import Camera

RATE_SHARE = 0.95
"""A camera that keeps less of its rate is too slow."""
FIRST_FRAME_S = 3.0
"""A camera may take a second to begin."""
_OTHERWISE = re.compile(r": (?P<setting>\w+) is (?P<found>\S+) after setting it to (?P<asked>\S+)")
"""How a camera says that it does not do what it is told."""


def check_cameras(site: Site, seconds: float) -> Iterator[Row]:
    """Opens all cameras at once, as a session does: USB bandwidth shows in nothing else so well. Those that are slow
    then are tried alone, unless the computer had no time for them."""
    slow: dict[str, Row] = {}
    with ExitStack() as stack:
        running: dict[str, ThreadedCamera] = {}
        for settings in site.rig.cameras:
            opened = _open(settings, site)
            if isinstance(opened, Row):
                yield opened
                continue
            stack.callback(opened.close)
            running[settings.name] = opened
        rates, load = measure_rates(running, _asked_hz(site), seconds)
        for row in rates:
            if row.verdict is Verdict.OK:
                yield row
            else:
                slow[row.what] = row
    for settings in site.rig.cameras:
        if settings.name in slow:
            yield slow_row(settings, site, slow[settings.name], load, seconds, alone=len(running) == 1)


def _asked_hz(site: Site) -> dict[str, float]:
    return {name: camera.rate_hz for name, camera in site.wiring.cameras.items()}


def _open(settings: Camera, site: Site) -> ThreadedCamera | Row:
    name, wired = settings.name, site.wiring.cameras[settings.name]
    device = Path(wired.device)
    if wired.device != PATTERN:
        if not device.exists():
            others = [*Path("/dev/v4l/by-id").glob("*-index0")]
            return missing(name, device, site.line("cameras", name, "device"), others)
        if row := closed(name, device):
            return row
    try:
        return ThreadedCamera(name, source_of(settings, wired))
    except IlRobotError as error:
        if "another program" in str(error):
            return held_by_somebody(name, device, str(error))
        return Row(name, Verdict.FAULT, str(error), *set_otherwise(name, site, str(error)))


def set_otherwise(name: str, site: Site, fault: str) -> tuple[str, str]:
    """The cure for a camera that cannot do what the rig's files ask for, and a command."""
    listing = f"v4l2-ctl --device {site.wiring.cameras[name].device} --list-formats-ext --list-ctrls"
    refused = _OTHERWISE.search(fault)
    if refused is None:
        return f"correct {site.line('cameras', name, 'device')}; this says what it can do:", listing
    setting, found = refused["setting"], refused["found"]
    if setting in ("width", "height"):
        return f"write '{setting}: {found}' for {name} in rig.yaml, or what else it can do:", listing
    key = {"rate": "rate_hz"}.get(setting, setting)
    place = ("cameras", name, key) if setting in ("rate", "format") else ("cameras", name, "controls", key)
    return f"write '{key}: {found}' at {site.line(*place)}, or what else it can do:", listing


def slow_row(settings: Camera, site: Site, together: Row, load: ComputerLoad, seconds: float, *, alone: bool) -> Row:
    """A slow camera's row; before cable or light are blamed, the camera is tried by itself.

    ``load``: the computer's while the cameras ran ``together``, or this one ``alone``.
    """
    name, by_itself = settings.name, None
    if not (alone or load.busy or is_emulated(site.wiring.cameras[name])):
        opened = _open(settings, site)
        if isinstance(opened, Row):
            return opened
        try:
            (by_itself,), load = measure_rates({name: opened}, _asked_hz(site), seconds)
        finally:
            opened.close()
    return blamed(name, site, together, by_itself, load)


def blamed(name: str, site: Site, together: Row, by_itself: Row | None, load: ComputerLoad) -> Row:
    """What makes a camera slow: the computer, others on its line, or itself. An emulated one has no line, no light."""
    wired = site.wiring.cameras[name]
    if load.busy or is_emulated(wired):
        why = "the computer is too busy" if load.busy else "this computer draws its pictures"
        fewer = f", or write a lower rate_hz at {site.line('cameras', name, 'rate_hz')}" if is_emulated(wired) else ""
        again = f"il-robot doctor --rig {quote(site.name)}"
        return Row(name, together.verdict, f"{together.found}; {why}: {load}", f"{CURE}{fewer}; then again:", again)
    if by_itself is not None and by_itself.verdict is Verdict.OK:
        found = f"{together.found}; alone {by_itself.found.partition(',')[0]}"
        wire = "plug it into another USB controller (lsusb -t shows them), not into a hub with other cameras"
        compressed = "" if wired.format == "MJPG" else ", or let it send 'format: MJPG'"
        return Row(name, together.verdict, found, f"the cameras together are too much for one line: {wire}{compressed}")
    controls = site.line("cameras", name, "controls")
    exposure = f"give it more light, or a fixed short exposure (auto_exposure: 1, exposure: 100) at {controls}"
    return Row(name, together.verdict, f"{together.found}{'; alone no better' if by_itself else ''}", exposure)


def measure_rates(
    cameras: Mapping[str, ThreadedCamera], asked_hz: Mapping[str, float], seconds: float
) -> tuple[list[Row], ComputerLoad]:
    """How many frames of each camera arrive while all of them run, and how busy the computer is meanwhile. The rows
    have no cures yet."""
    for camera in cameras.values():
        with contextlib.suppress(Fault):  # then it has none in the seconds that follow, either
            camera.wait_newer(-1, FIRST_FRAME_S)
    before = {name: camera.health() for name, camera in cameras.items()}
    began_s = time.monotonic()
    load = watch_load(seconds if cameras else 0.0, SystemClock())
    passed_s = time.monotonic() - began_s
    rows = []
    for name, camera in cameras.items():
        health = camera.health()
        frames = health.frames - before[name].frames
        hz = frames / passed_s
        skipped, corrupt = health.skipped - before[name].skipped, health.corrupt - before[name].corrupt
        found = f"{hz:.1f} of {asked_hz[name]:g} Hz, {skipped} skipped, {corrupt} corrupt"
        # Looking may have begun just after a frame and ended just before one.
        if frames + 1 >= RATE_SHARE * asked_hz[name] * passed_s and not corrupt:
            rows.append(Row(name, Verdict.OK, found))
        else:
            rows.append(Row(name, Verdict.FAULT if hz == 0 else Verdict.WARNING, found))
    return rows, load


def check_pedal(site: Site) -> Row:
    """Whether the pedal is there and speaks."""
    pedal, line = site.wiring.pedal, site.line("pedal")
    device = Path(pedal.port)
    if pedal.kind != "keyboard":
        if not device.exists():
            kinds = {"serial": ("serial/by-id", "*"), "evdev": ("input/by-id", "*-event-*")}[pedal.kind]
            return missing("pedal", device, line, [*Path("/dev", kinds[0]).glob(kinds[1])])
        serial = pedal.kind == "serial"  # a foot switch is read by the desktop, too, until it is grabbed
        if row := closed("pedal", device, os.R_OK | os.W_OK * serial) or (busy("pedal", device) if serial else None):
            return row
    try:
        open_pedal(pedal, site.rig.pedal).close()
    except IlRobotError as error:
        if "another program" in str(error):
            return held_by_somebody("pedal", device, str(error))
        return Row("pedal", Verdict.FAULT, str(error), _pedal_cure(pedal.kind, line))
    return Row("pedal", Verdict.OK, f"{pedal.kind} {pedal.port}".strip())


def _pedal_cure(kind: str, line: str) -> str:
    match kind:
        case "serial":
            return f"load it with the sketch of hardware/README.md, or write the path of the pedal at {line}"
        case "evdev":
            return f"write the path of a foot switch, /dev/input/by-id/...-event-kbd, at {line}"
        case _:
            return f"run this in a terminal, in the foreground; a pedal that needs none is named at {line}"
