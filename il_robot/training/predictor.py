"""How a trained network computes a chunk: on which device, how precisely, and as which program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from il_robot.policies.catalogue import Network
from il_robot.training.recipe import Precision
from il_robot.types import Floats, Image

_Predict: TypeAlias = Callable[[Tensor, Mapping[str, Tensor]], Tensor]

_RECORDED: dict[str, str | int | bool | Callable[..., Any]] = {
    "triton.cudagraphs": True,
    "triton.cudagraph_trees": False,
}
"""The compiled program as one CUDA graph: launching hundreds of kernels one by one takes longer than they run for one
observation. Not torch's ``mode="reduce-overhead"``, whose graphs belong to the thread that recorded them (PyTorch's
issue 123177): the policy node loads in one thread and drives in another."""


class Predictor:
    """A network that is called with one observation."""

    def __init__(
        self, network: Network, device: str = "cpu", precision: Precision = "fp32", *, compile: bool = False
    ) -> None:
        """``compile``: the first call makes the program, which takes a minute or more; see :func:`told_compiler`."""
        self._device = torch.device(device)
        self._precise = precision == "fp32"
        network = network.to(self._device).eval()
        self._predict: _Predict = network.predict
        if compile:
            options = _RECORDED if self._device.type == "cuda" else None
            self._predict = cast(_Predict, torch.compile(network.predict, dynamic=False, options=options))

    def __call__(self, state_S: Floats, images: Mapping[str, Image]) -> Floats:
        """(S,) state and camera name -> (H, W, 3) or (frames, H, W, 3), normalised -> (k, J), in float32."""
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=not self._precise),
        ):
            state_1S = self._there(state_S)
            chunk_1kJ = self._predict(state_1S, {name: self._there(image) for name, image in images.items()})
            # In bfloat16, which NumPy does not have, where the last layer was computed so.
            chunk: Floats = chunk_1kJ[0].float().cpu().numpy()
        return chunk

    def _there(self, one: NDArray[np.float32] | NDArray[np.uint8]) -> Tensor:
        """As a batch of one, on the device."""
        return torch.from_numpy(np.ascontiguousarray(one)).to(self._device).unsqueeze(0)
