"""The board on a sheet of paper, as a file that knows its own size in millimetres."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from calibration.camera import Board
from il_robot.errors import BadInput
from il_robot.whole_file import write_whole

A4_MM = (297, 210)
PX_PER_MM = 10
MM_PER_INCH = 25.4
FORMATS = (".png", ".pdf")


def write_sheet(path: Path, board: Board) -> None:
    """Draws ``board`` in its size in the middle of an A4 sheet, and below it what it is and how to check the print.

    Raises BadInput when the name ends otherwise than in .png or .pdf or the board does not fit, Fault when it cannot be
    written.
    """
    if path.suffix.lower() not in FORMATS:
        raise BadInput(f"{path}: a name that ends in {' or '.join(FORMATS)} is needed")
    dpi = PX_PER_MM * MM_PER_INCH
    written = io.BytesIO()
    Image.fromarray(_drawn(board)).convert("1").save(written, path.suffix[1:], dpi=(dpi, dpi), resolution=dpi)
    write_whole(path, written.getvalue())


def _drawn(board: Board) -> np.ndarray:
    """(2100, 2970) grey."""
    drawn = board.draw(round(1e3 * board.square_m * PX_PER_MM))
    sheet = np.full((A4_MM[1] * PX_PER_MM, A4_MM[0] * PX_PER_MM), 255, np.uint8)
    (height, width), (high, wide) = drawn.shape, sheet.shape
    if height > high or width > wide:
        raise BadInput(f"a board of {width / PX_PER_MM:g} by {height / PX_PER_MM:g} mm does not fit A4")
    top, left = (high - height) // 2, (wide - width) // 2
    sheet[top : top + height, left : left + width] = drawn
    size = f"{width / PX_PER_MM:g} x {height / PX_PER_MM:g} mm, squares {1e3 * board.square_m:g} mm"
    text = f"il-robot board {board.columns} x {board.rows}: {size}. Print at actual size (100 %); measure both sides."
    cv2.putText(sheet, text, (left, top + height + 90), cv2.FONT_HERSHEY_SIMPLEX, 1.3, 0, 3, cv2.LINE_AA)
    return sheet
