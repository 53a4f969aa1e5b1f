"""The sheet to print: true to size, and found again by what looks for the board."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calibration.board_sheet import write_sheet
from calibration.camera import Board, find_board
from il_robot.errors import BadInput, Fault


def test_the_picture_is_an_a4_sheet_whose_squares_are_30_mm(tmp_path: Path) -> None:
    board = Board()
    write_sheet(tmp_path / "board.png", board)
    with Image.open(tmp_path / "board.png") as sheet:
        mm_per_px = 25.4 / np.array(sheet.info["dpi"])
        np.testing.assert_allclose(sheet.size * mm_per_px, (297, 210), rtol=1e-4)
        view = find_board(np.array(sheet.convert("RGB")), board)
    assert len(view.ids) == (board.columns - 1) * (board.rows - 1), "all of them are seen"
    first = view.corners[view.ids == 0] - view.corners[view.ids == board.columns - 2]
    assert np.linalg.norm(first * mm_per_px) == pytest.approx((board.columns - 2) * 30, abs=0.1)


def test_the_document_is_an_a4_page(tmp_path: Path) -> None:
    write_sheet(tmp_path / "board.pdf", Board())
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (tmp_path / "board.pdf").read_bytes())
    assert box is not None
    assert [float(side) / 72 * 25.4 for side in box.groups()] == pytest.approx([297, 210], abs=0.1)


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"board.jpg: a name that ends in .png or .pdf is needed"):
        write_sheet(tmp_path / "board.jpg", Board())
    with pytest.raises(Fault, match=r"none/board.png: cannot be written: No such file"):
        write_sheet(tmp_path / "none" / "board.png", Board())
    with pytest.raises(BadInput, match=r"360 by 240 mm does not fit A4"):
        write_sheet(tmp_path / "board.png", Board(square_m=0.04))
