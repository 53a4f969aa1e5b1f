"""LeRobot's policies in ``policy_contest.py``; run by the interpreter that has LeRobot.

A step is what its own training script does. Its images come as the floats it wants, scaled and normalised before the
clock starts, so what its processors cost is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch
from lerobot_torchvision import import_torchvision
from policy_side import Options, Scene, clipped_step, serve

import_torchvision()

from lerobot.configs.types import FeatureType, PolicyFeature  # noqa: E402
from lerobot.policies.act.configuration_act import ACTConfig  # noqa: E402
from lerobot.policies.act.modeling_act import ACTPolicy  # noqa: E402
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig  # noqa: E402
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy  # noqa: E402

STATE, OBJECTS = "observation.state", "observation.environment_state"


class LeRobot:
    """ACT with its defaults, which are the published dimensions; diffusion as large as this project's ``tiny``."""

    version = f"LeRobot {version('lerobot')}"

    def __init__(self, scene: Scene, options: Options) -> None:
        self._options = options
        # For a GPU, as its own scripts have it.
        torch.backends.cudnn.benchmark = torch.backends.cuda.matmul.allow_tf32 = True
        tensors = {STATE: torch.from_numpy(scene.state_BS)}
        if scene.object_BX.size:
            tensors[OBJECTS] = torch.from_numpy(scene.object_BX)
        inputs = {name: PolicyFeature(FeatureType.STATE, tensor.shape[1:]) for name, tensor in tensors.items()}
        if OBJECTS in inputs:
            inputs[OBJECTS] = PolicyFeature(FeatureType.ENV, scene.object_BX.shape[1:])
        for number, image in enumerate(scene.float_images("cpu")):
            name = f"observation.images.camera_{number}"
            tensors[name], inputs[name] = image, PolicyFeature(FeatureType.VISUAL, tuple(image.shape[1:]))
        steps, joints = scene.action_BkJ.shape[1:]
        outputs = {"action": PolicyFeature(FeatureType.ACTION, (joints,))}
        common = {"input_features": inputs, "output_features": outputs, "device": options.device}
        if options.network == "act":
            config = ACTConfig(chunk_size=steps, n_action_steps=steps, pretrained_backbone_weights=None, **common)
            self.network = ACTPolicy(config).to(options.device)
        else:
            self.network = DiffusionPolicy(_diffusion(steps, common)).to(options.device)
            # It keeps a history of observations, here of one.
            tensors = {name: tensor.unsqueeze(1) for name, tensor in tensors.items()}
        self._one = {name: tensor[:1].to(options.device) for name, tensor in tensors.items()}
        self._batch = {name: tensor.to(options.device) for name, tensor in tensors.items()}
        self._batch["action"] = torch.from_numpy(scene.action_BkJ).to(options.device)
        self._batch["action_is_pad"] = torch.from_numpy(scene.pad_Bk).to(options.device)
        optimiser = self.network.config.get_optimizer_preset()
        self._clip = optimiser.grad_clip_norm
        self._optimiser = optimiser.build(self.network.get_optim_params())

    def train(self) -> float:
        self.network.train()
        with self._options.autocast():
            loss, _ = self.network.forward(self._batch)
        return clipped_step(self.network, loss, self._optimiser, self._clip)

    def predict(self) -> object:
        self.network.eval()
        with torch.no_grad(), self._options.autocast():
            if self._options.network == "act":
                return self.network.predict_action_chunk(self._one).cpu()
            return self.network.diffusion.generate_actions(self._one).cpu()


def _diffusion(steps: int, common: Mapping[str, Any]) -> DiffusionConfig:
    """Two levels of 64 and 128 channels, ten steps of DDIM. Its chunks are multiples of four: up to two steps more."""
    return DiffusionConfig(
        horizon=-(-steps // 4) * 4,
        n_action_steps=steps,
        n_obs_steps=1,
        down_dims=(64, 128),
        diffusion_step_embed_dim=64,
        noise_scheduler_type="DDIM",
        num_inference_steps=10,
        **common,
    )


if __name__ == "__main__":
    serve(LeRobot)
