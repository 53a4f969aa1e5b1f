"""The original ACT (github.com/tonyzhaozh/act) in ``policy_contest.py``, from a clone that the user has.

Built by its own code, less what does not concern speed: no download of ImageNet weights, no ``.cuda()``, no IPython.
The published configuration asks for seven decoder layers of which the loss sees the first alone; at equal parameters
it gets one. A step is what its ``imitate_episodes.py`` does; its images come as floats, normalised before the clock
starts.
"""

from __future__ import annotations

import sys
import types
from argparse import Namespace

import torch
from lerobot_torchvision import import_torchvision
from policy_side import Options, Scene, clipped_step, serve
from torch.nn import functional as F

LEARNING_RATE, WEIGHT_DECAY, KL_WEIGHT = 1e-5, 1e-4, 10
ARGUMENTS = {
    "hidden_dim": 512,
    "dim_feedforward": 3200,
    "enc_layers": 4,
    "nheads": 8,
    "dropout": 0.1,
    "pre_norm": False,
    "backbone": "resnet18",
    "lr_backbone": LEARNING_RATE,
    "dilation": False,
    "masks": False,
    "position_embedding": "sine",
}


class Original:
    version = "original ACT"

    def __init__(self, scene: Scene, options: Options) -> None:
        self._options = options
        import_torchvision()
        _without_ipython()
        sys.path[:0] = [options.repository, f"{options.repository}/detr"]
        from models import backbone, build_ACT_model

        backbone.is_main_process = lambda: False  # Asked only whether to load ImageNet weights.
        cameras = [f"camera_{number}" for number in range(len(scene.images_CBHWC))]
        arguments = Namespace(
            **ARGUMENTS,
            dec_layers=options.decoder_layers,
            num_queries=scene.action_BkJ.shape[1],
            camera_names=cameras,
        )
        self.network = build_ACT_model(arguments).to(options.device)
        if options.decoder_layers > 1:
            self.version = f"original ACT, {options.decoder_layers} decoder layers as published"
        self._images = torch.stack(scene.float_images(options.device), 1)
        self._state = torch.from_numpy(scene.state_BS).to(options.device)
        self._action = torch.from_numpy(scene.action_BkJ).to(options.device)
        self._pad = torch.from_numpy(scene.pad_Bk).to(options.device)
        self._optimiser = torch.optim.AdamW(self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)

    def train(self) -> float:
        self.network.train()
        with self._options.autocast():
            actions, _, (mean, log_variance) = self.network(self._state, self._images, None, self._action, self._pad)
            kl = -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum(1).mean()
            l1 = (F.l1_loss(self._action, actions, reduction="none") * ~self._pad.unsqueeze(-1)).mean()
        return clipped_step(self.network, l1 + KL_WEIGHT * kl, self._optimiser, clip=0)

    def predict(self) -> object:
        self.network.eval()
        with torch.inference_mode(), self._options.autocast():
            return self.network(self._state[:1], self._images[:1], None)[0].cpu()


def _without_ipython() -> None:
    """Its modules import IPython to debug with, and never call it."""
    try:
        import IPython  # noqa: F401
    except ImportError:
        sys.modules["IPython"] = types.SimpleNamespace(embed=None)  # type: ignore[assignment]


if __name__ == "__main__":
    serve(Original)
