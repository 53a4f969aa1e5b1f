"""Long lines on a terminal lose no word, and break none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_robot.screen import broken, for_screen

WORDS = st.lists(st.text("abc-/", min_size=1, max_size=30), min_size=1, max_size=30)


@given(WORDS, st.sampled_from(["", "  follower | "]), st.integers(20, 80))
def test_a_line_is_broken_between_words_only(words: list[str], begin: str, width: int) -> None:
    rows = broken(" ".join(words), begin, width).split("\n")
    assert rows[0].startswith(begin) and all(row.startswith(" " * len(begin)) for row in rows[1:])
    assert [word for row in rows for word in row[len(begin) :].split()] == words
    assert all(len(row) <= width or " " not in row[len(begin) :] for row in rows)


def test_a_pipe_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert for_screen("word " * 100, "arms | ") == "arms | " + "word " * 100
