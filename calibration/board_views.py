"""What a rig's cameras have seen of the board so far, kept in a file view by view, so that one can go on with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from calibration.camera import Board, BoardView
from calibration.state import kept_in
from calibration.yaml_file import write_yaml
from il_robot.errors import BadInput
from il_robot.rig import Camera

FAR = 2
"""A corner lies in the image, or hardly outside: never so many images away."""


@dataclass(frozen=True)
class CameraViews:
    """What one camera has seen, and of what: views of another board or another size of image say nothing together."""

    board: Board
    width: int
    height: int
    controls: dict[str, int]
    """The camera's, of hardware.yaml: another focus is another camera."""
    since: str = ""
    """When the first view was taken."""
    done: bool = False
    """Whether its intrinsics were found and written; the views are not needed any more."""
    rows: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """By view and corner: the corner's number on the board, x and y [px]."""

    def __post_init__(self) -> None:
        corners = (self.board.columns - 1) * (self.board.rows - 1)
        for corner in (corner for view in self.rows for corner in view):
            if len(corner) != 3 or corner[0] not in range(corners):
                raise BadInput(f"corner {list(corner)}; allowed: its number on the board, 0 to {corners - 1}, x and y")
            if max(abs(corner[1]) / self.width, abs(corner[2]) / self.height) > FAR:
                raise BadInput(f"corner {list(corner)} is not in an image of {self.width} by {self.height} px")

    @property
    def views(self) -> list[BoardView]:
        table = [np.array(rows).reshape(-1, 3) for rows in self.rows]
        return [BoardView(one[:, 1:].astype(np.float32), one[:, 0].astype(np.int64)) for one in table]

    def with_view(self, view: BoardView, now: str) -> CameraViews:
        """The same and one view more, seen ``now``."""
        row = tuple(
            (int(i), round(float(x), 3), round(float(y), 3)) for i, (x, y) in zip(view.ids, view.corners, strict=True)
        )
        return replace(self, since=self.since or now, rows=(*self.rows, row))

    def unlike(self, other: CameraViews) -> list[str]:
        """In what the two differ, so that their views must not be mixed."""
        named = {"board": "board", "width": "image size", "height": "image size", "controls": "camera controls"}
        return sorted({what for name, what in named.items() if getattr(self, name) != getattr(other, name)})


def no_views(board: Board, camera: Camera, controls: dict[str, int]) -> CameraViews:
    """Of a camera that has seen nothing yet."""
    return CameraViews(board, camera.width, camera.height, dict(controls))


@dataclass
class CamerasProgress:
    """The file: what an interrupted calibration of cameras has so far."""

    cameras: dict[str, CameraViews] = field(default_factory=dict)

    @classmethod
    def resume(cls, path: Path) -> CamerasProgress:
        """What is in the file, or nothing. Raises BadInput."""
        return kept_in(path, cls)

    def forget(self, cameras: Sequence[str]) -> None:
        """Drops all of these."""
        for name in cameras:
            self.cameras.pop(name, None)

    def save(self, path: Path) -> None:
        """Writes it; without any camera there is no file. Raises Fault."""
        if self.cameras:
            write_yaml(path, asdict(self))
        else:
            path.unlink(missing_ok=True)
