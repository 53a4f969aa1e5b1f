"""``calibration.report.yaml`` beside a calibration: how good its numbers are, each part as it was measured last."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from calibration.yaml_file import write_yaml
from il_robot import strict_yaml
from il_robot.errors import BadInput

VERSION = 1


@dataclass(frozen=True)
class ArmReport:
    """What a calibration found out about one arm."""

    residual_rad: dict[str, float]
    """By joint: how far the poses are from one straight line."""
    sign_changed: tuple[str, ...]
    zero_moved_rad: dict[str, float]
    """By joint: against the calibration before."""
    sign_unproven: tuple[str, ...] = ()
    """Joints that no pose turns: their signs are those of before."""


@dataclass(frozen=True)
class CameraReport:
    """How well a camera's intrinsics explain the views of the board."""

    views: int
    error_px: float
    """Root mean square of the reprojection over all views."""
    worst_view_px: float
    """The same of the worst view."""
    covered: tuple[float, ...]
    """Share of the image's width and of its height that the board was seen in."""
    within_px: dict[str, float]
    """Of fx, fy, cx and cy: one standard deviation, as the views say."""


@dataclass(frozen=True)
class LatencyReport:
    """How well a camera's lateness is known."""

    arm: str
    """Whose motion it was measured against."""
    late_s: float
    within_s: float
    """How far three of four parts of the recording are from it at most."""
    correlation: float
    """Of the camera's motion with the arm's: 1 where they are alike."""


@dataclass(frozen=True)
class Report:
    """All parts; those that were never measured are empty."""

    version: int = VERSION
    arms: dict[str, ArmReport] = field(default_factory=dict)
    pairs_apart: dict[str, dict[str, float]] = field(default_factory=dict)
    """By pair and joint, grippers aside: leader against follower in the same poses [rad]."""
    cameras: dict[str, CameraReport] = field(default_factory=dict)
    latency: dict[str, LatencyReport] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise BadInput(f"calibration report version {self.version}: this program reads version {VERSION}")


def load_report(calibration: Path) -> Report:
    """The report beside the file ``calibration``; an empty one where there is none. Raises BadInput."""
    path = report_of(calibration)
    return strict_yaml.load(path, Report) if path.exists() else Report()


def add_to_report(calibration: Path, **parts: Any) -> Report:
    """Writes these fields of :class:`Report`, the rest stays. Raises BadInput or Fault."""
    report = replace(load_report(calibration), **parts)
    write_yaml(report_of(calibration), asdict(report))
    return report


def report_of(calibration: Path) -> Path:
    """Where the report of the file ``calibration`` is."""
    return calibration.with_suffix(".report.yaml")
