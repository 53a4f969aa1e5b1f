"""Turns a matplotlib figure into inline SVG whose colours are those of the page, light or dark."""

from __future__ import annotations

import io
import re

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Figures are drawn in these stand-in colours; each becomes the page's CSS variable of that name.
INK, MUTED, GRID, BLUE, ORANGE, GREEN, PURPLE, RED, HUMAN, CHANGE = (f"#0{n:x}0{n:x}0{n:x}" for n in range(1, 11))
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    PURPLE: "--purple",
    RED: "--red",
    HUMAN: "--human",
    CHANGE: "--change",
}
SERIES = (BLUE, ORANGE, GREEN, PURPLE)


def new_figure(width: float, height: float) -> Figure:
    """Size in inches; no background of its own."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_visible(False)
    return figure


def dress(axes: Axes) -> None:
    """The page's colours for frame, ticks and labels; a light grid behind."""
    axes.patch.set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color=GRID, lw=0.6)
    for side, spine in axes.spines.items():
        spine.set_color(MUTED)
        spine.set_visible(side in ("left", "bottom"))
    axes.tick_params(which="both", colors=MUTED, labelcolor=INK, labelsize=8)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_color(INK)
        text.set_fontsize(9)
    legend = axes.get_legend()
    for text in legend.get_texts() if legend else []:
        text.set_color(INK)


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """The ``<svg>`` element alone. ``name`` keeps the element ids of several figures on a page apart."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Ids that matplotlib does not salt (figure_1, axes_1 ...) would otherwise occur once per figure.
    svg = re.sub(r'id="([\w.]+_\d+)"', rf'id="{name}_\1"', svg)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font: \1 var(--font)", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{alt}"', 1)
