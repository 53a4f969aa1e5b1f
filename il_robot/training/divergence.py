"""A loss that is not finite, in words: what it most likely came from, and how to begin again."""

from __future__ import annotations

from pathlib import Path

from il_robot.errors import Fault
from il_robot.training.sampling import Indices
from il_robot.training.windows import Windows

FAR_OFF = 20.0
"""Standard deviations from the mean from which on a window may be the cause; what people do lies within 5 or so."""


class Diverged(Fault):
    """A run whose loss is not finite; in every process that takes part, at the same step."""


def diverged(loss: float, step: int, windows: Windows, which: Indices, rate: float, run: Path) -> Diverged:
    """That training step ``step``, on the windows number ``which``, had such a loss; ``rate`` is the recipe's."""
    where, deviations = windows.most_extreme(which)
    if deviations > FAR_OFF:
        cause = f"{where} is {deviations:.4g} standard deviations from the mean"
        cure = "mend or prune that episode and begin again"
    else:
        farthest = f"no window of this batch is far off: at most {deviations:.1f} deviations, {where}"
        cause = f"the learning rate {rate:g} is most likely too high ({farthest})"
        cure = "begin again with a lower --learning-rate"
    return Diverged(f"loss is {loss} at training step {step}: {cause}; {cure} in another --out, or remove {run} first")
