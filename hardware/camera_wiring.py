"""Which camera is where and how it is set: its part of ``hardware.yaml``, checked as far as no camera need be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from il_robot.errors import BadInput, nearest
from il_robot.rig import LARGEST_HZ

ANY = (-(2**31), 2**31 - 1)
"""What the kernel can say; what of it a camera takes is told when it is opened."""
UNSIGNED = (0, ANY[1])
CONTROLS = {
    "auto_exposure": (0, 3),  # 1 manual, 3 automatic (2 and 0: the aperture's, and both, by themselves)
    "exposure": (1, ANY[1]),  # [100 us]
    "auto_white_balance": (0, 1),
    "white_balance": (1000, 65535),  # [K]
    "autofocus": (0, 1),
    "focus": UNSIGNED,
    "gain": ANY,
    "brightness": ANY,
    "contrast": ANY,
    "saturation": ANY,
    "sharpness": ANY,
    "backlight": ANY,
    "zoom": UNSIGNED,
}
"""Control names of hardware.yaml and the least and largest value. The automatic ones come first: they must be off
before a value holds."""
AUTOMATIC = {"exposure": ("auto_exposure", (0, 3), 1), "focus": ("autofocus", (1,), 0)}
AUTOMATIC |= {"white_balance": ("auto_white_balance", (1,), 0)}
"""A value, the control under which it does not hold, with which settings of that, and with which it does."""


@dataclass(frozen=True)
class CameraWiring:
    """One camera's device and settings; size and name are in rig.yaml."""

    device: str
    """A stable path: /dev/v4l/by-path/... or a udev name."""
    rate_hz: float
    format: Literal["MJPG", "YUYV"] = "MJPG"
    controls: dict[str, int] = field(default_factory=dict)
    """By the names in CONTROLS, written at start and read back: exposure, focus, white balance."""

    def __post_init__(self) -> None:
        if not self.device:
            raise BadInput("a camera's device is empty; allowed: a path such as /dev/il_cam_high")
        if not 0 < self.rate_hz <= LARGEST_HZ:
            raise BadInput(f"camera {self.device}: rate_hz {self.rate_hz:g}; allowed: above 0, at most {LARGEST_HZ}")
        _check(f"camera {self.device}: controls", self.controls)


def _check(where: str, controls: Mapping[str, int]) -> None:
    """Raises BadInput for a control nobody knows, and for a value no camera takes."""
    for name, value in controls.items():
        if name not in CONTROLS:
            raise BadInput(f"{where}: no control {name!r}; {nearest(name, CONTROLS)}")
        low, high = CONTROLS[name]
        if not low <= value <= high:
            allowed = f"at least {low}" if high == ANY[1] else f"{low} to {high}"
            raise BadInput(f"{where}: {name} {value}; allowed: {allowed}")
    for name, (automatic, moves, holds) in AUTOMATIC.items():
        if name in controls and controls.get(automatic) in moves:
            why = f"{name} {controls[name]} does not hold with {automatic} {controls[automatic]}"
            raise BadInput(f"{where}: {why}; allowed: {automatic} {holds}, or no {name}")
