from __future__ import annotations

import io

import pytest
from rich.console import Console

from il_robot.policies.catalogue import CONFIGS
from il_robot.training.display import note, progress_bar
from il_robot.training.progress import Progress


@pytest.mark.parametrize("policy", CONFIGS)
def test_all_of_the_progress_fits_80_columns(policy: str) -> None:
    console = Console(width=80, force_terminal=True, file=io.StringIO(), color_system=None)
    with progress_bar(console) as bar:
        bar.add_task("decode images", total=1_000_000, completed=1_000_000, visible=False, note="")
        task = bar.add_task(policy, total=1_000_000, note="")
        bar.update(task, completed=999_999, note=note(Progress(999_999, 0.00123456, 1234.56, 1.0)))
        shown = bar.get_renderable()
    page = Console(width=80, file=io.StringIO(), color_system=None)
    page.print(shown)
    assert isinstance(page.file, io.StringIO)
    (line,) = page.file.getvalue().splitlines()
    for part in (policy, "999999/1000000", "loss 0.00123, 1235 steps/s, wait 100%", " left"):
        assert part in line


def test_a_save_is_told_while_it_lasts() -> None:
    assert note(Progress(3, 0.5, 10.0, 0.0, saving=True)) == "loss 0.5, looks and saves"
