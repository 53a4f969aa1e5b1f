"""This project's policies in ``policy_contest.py``: the optimiser that training uses, the policy that drives."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from policy_side import Options, Scene, serve

from calibration.rig_file import load_rig
from il_robot import __version__
from il_robot.policies.catalogue import build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.policies.network import Batch
from il_robot.training.description import Data, Description, Software
from il_robot.training.loaded_policy import LoadedPolicy
from il_robot.training.memory import keep_freed_memory
from il_robot.training.optimiser import Optimiser
from il_robot.training.presets import PRESETS, PresetName
from il_robot.training.statistics import Statistics
from il_robot.types import Observation

PRESET: dict[str, PresetName] = {"act": "paper", "diffusion": "tiny"}


class Ours:
    """From bytes to updated weights, and from an observation's bytes to joint targets in rad."""

    version = __version__

    def __init__(self, scene: Scene, options: Options) -> None:
        keep_freed_memory()
        rig, preset = load_rig("aloha"), PRESETS[options.network, PRESET[options.network]]
        height, width = scene.images_CBHWC.shape[2:4]
        names = rig.camera_names[: len(scene.images_CBHWC)]
        objects = ("cube",) if scene.object_BX.size else ()
        inputs = Inputs(rig.joint_names, objects, tuple(CameraInput(name, height, width) for name in names))
        self._recipe = replace(
            preset.recipe,
            batch=len(scene.state_BS),
            precision=options.precision,
            compile=options.compile,
            channels_last=options.device == "cuda",
        )
        self.network = build(preset.network, inputs).to(options.device)
        self._step, self._device = 0, torch.device(options.device)
        state_BS = np.concatenate([scene.state_BS, scene.object_BX], 1)
        self._batch = Batch(
            torch.from_numpy(state_BS),
            {name: torch.from_numpy(image) for name, image in zip(names, scene.images_CBHWC, strict=True)},
            torch.from_numpy(scene.action_BkJ),
            torch.from_numpy(scene.pad_Bk),
        ).to(self._device)
        statistics = Statistics.of(state_BS, scene.action_BkJ[:, 0], inputs.least_spread)
        data, software = Data((), (), ()), Software("", "", "")
        description = Description(
            options.network, preset.network, inputs, statistics, rig, self._recipe, 0, data, software
        )
        self._policy = LoadedPolicy(
            description, self.network, options.device, options.precision, compile=options.compile
        )
        images = {name: image[0] for name, image in zip(names, scene.images_CBHWC, strict=True)}
        poses = {name: np.array([0, 0, 0, 1, 0, 0, 0], np.float32) for name in objects}
        self._observation = Observation(scene.state_BS[0], 0, images=images, objects=poses)

    @cached_property
    def _optimiser(self) -> Optimiser:
        """Made where there is something to learn: it may change the order of the weights in memory."""
        return Optimiser(self.network, self._recipe, device=self._device)

    def train(self) -> float:
        loss, _ = self._optimiser.learn(self._batch, self._step)
        self._optimiser.update(self._step)
        self._step += 1
        return float(loss.total)

    def predict(self) -> object:
        return self._policy.predict(self._observation)


if __name__ == "__main__":
    serve(Ours)
