from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from il_robot.training.curves import Curve, draw_curves


def a_curve(name: str, policy: str, losses: Sequence[float], **last: float) -> Curve:
    """``last``: what else is known after the last step."""
    lines: list[dict[str, Any]] = [{"step": step, "loss": loss} for step, loss in enumerate(losses)]
    return Curve(name, policy, [*lines, {"step": len(lines), **last}])


def test_a_name_is_no_formula(tmp_path: Path) -> None:
    draw_curves([a_curve(r"a$\q$b", "act", (2.0, 1.0))], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").exists()


def drawn(curves: Sequence[Curve], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Figure:
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    draw_curves(curves, folder / "curves.png")
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    return figures[0]


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def names(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_policy_has_a_panel_of_its_loss_and_all_share_one_of_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = [4000.0, *np.linspace(1, -3, 200)]
    curves = [a_curve("a", "act", [260.0, 1.0, 0.1], validation=0.1), a_curve("g", "gmm", falling, validation=0.2)]
    found = panels(drawn(curves, tmp_path, monkeypatch))
    assert list(found) == ["act: training loss", "gmm: training loss", "validation (mean absolute error)"]
    act, gmm, validation = found.values()
    assert [axes.get_yscale() for axes in found.values()] == ["log", "linear", "log"]
    assert act.get_ylim()[1] > 260
    low, high = gmm.get_ylim()
    assert -5 < low < -3, "all of its end is seen"
    assert 1 < high < 5, "one value at the begin does not press all others flat"
    assert len(validation.lines) == 2


def test_a_linear_scale_shows_all_where_nothing_is_far_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (axes,) = panels(drawn([a_curve("g", "gmm", np.linspace(2, -3, 200).tolist())], tmp_path, monkeypatch)).values()
    low, high = axes.get_ylim()
    assert low < -3
    assert high > 2


def test_seeds_of_one_setting_look_alike_and_no_two_settings_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = [a_curve(f"setting {number // 3}", "act", [3.0, 2.0]) for number in range(180)]
    figure = drawn(curves, tmp_path, monkeypatch)
    looks: dict[str, set[tuple[Any, ...]]] = {}
    for line in figure.axes[0].lines:
        # Of a dashed line matplotlib tells "--" only; how it is dashed, nobody but itself.
        dashes = str(line._unscaled_dash_pattern)  # type: ignore[attr-defined]
        looks.setdefault(str(line.get_label()), set()).add((line.get_color(), dashes))
    assert all(len(look) == 1 for look in looks.values())
    assert len(set().union(*looks.values())) == 60
    assert names(figure) == [f"setting {number}" for number in range(60)]


@pytest.mark.parametrize(("settings", "tallest"), [(1, 3.9), (3, 3.9), (9, 4.5), (60, 7.0)])
def test_a_picture_is_mostly_panels_however_many_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: int, tallest: float
) -> None:
    curves = [a_curve(f"runs/sweep/width_{n}", "act", [3.0, 2.0], validation=1.0) for n in range(settings)]
    figure = drawn(curves, tmp_path, monkeypatch)
    assert figure.get_figwidth() == 10
    assert 3.6 < figure.get_figheight() <= tallest
    legend = figure.legends[0].get_window_extent()
    assert legend.width <= figure.bbox.width
    assert all(legend.y1 <= axes.get_tightbbox().y0 + 1 for axes in figure.axes)  # type: ignore[union-attr]


def test_nine_policies_are_laid_out_as_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = [a_curve(f"runs/{n}", f"policy {n}", [3.0, 2.0], validation=1.0) for n in range(9)]
    figure = drawn(curves, tmp_path, monkeypatch)
    assert len(panels(figure)) == 10
    assert 1 < figure.get_figwidth() / figure.get_figheight() < 2
