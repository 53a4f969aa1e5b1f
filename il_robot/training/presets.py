"""Presets: a network's configuration and the recipe that trains it. Any of it can be changed per run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from il_robot.policies.act import ActConfig
from il_robot.policies.bc import BcConfig
from il_robot.policies.bet import BetConfig
from il_robot.policies.bins import BinsConfig
from il_robot.policies.catalogue import Config, PolicyName
from il_robot.policies.diffusion import DiffusionConfig
from il_robot.policies.flow import FlowConfig
from il_robot.policies.gmm import GmmConfig
from il_robot.policies.unet import UNetConfig
from il_robot.policies.vae import VaeConfig
from il_robot.policies.vinn import VinnConfig
from il_robot.policies.vision import VisionConfig
from il_robot.training.recipe import Augmentation, Recipe

PresetName: TypeAlias = Literal["tiny", "tiny-image", "paper", "gpu"]


@dataclass(frozen=True)
class Preset:
    network: Config
    recipe: Recipe
    cameras: Literal["none", "first", "all"] = "none"
    """Which of the dataset's cameras the policy looks at, unless told otherwise."""
    objects: bool = True
    """Whether it is told the poses of objects, where the dataset has them."""
    image_height: int = 96
    image_width: int = 128
    history: int = 1
    """Newest observations that the policy sees."""


_LONG = Recipe(steps=100_000, learning_rate=1e-4, warm_up=500, average=0.999, threads=0)
_DENOISING = replace(_LONG, weight_decay=1e-6, clip=1.0, average=0.9999)
_WIDE_UNET = UNetConfig(channels=(512, 1024, 2048), time_width=128, vision=VisionConfig(backbone="resnet18"))


def _one_camera(network: Config, learning_rate: float = 1e-3, hide: float = 0.2) -> Preset:
    """Joints and one camera, no poses of objects; images are moved by up to 4 %, some states are hidden."""
    recipe = Recipe(steps=4000, learning_rate=learning_rate, augmentation=Augmentation(shift=0.04, hide=hide))
    return Preset(network, recipe, cameras="first", objects=False)


def _all_cameras(
    network: Config, recipe: Recipe, image_height: int = 480, image_width: int = 640, history: int = 1
) -> Preset:
    """As published: joints and every camera, no poses of objects."""
    return Preset(network, recipe, "all", False, image_height, image_width, history)


# docs/results.md has what they come to, and the CPU time, for every policy that was measured; of `paper` and `gpu`
# nothing. tiny-image: soon after the start the joints tell where a demonstration went, so a network hardly looks for
# the cube, and reaches beside it where it must look. act's third seed was off by 24 mrad at the start (held 19 of the
# table's 50 starts); with images moved, by 9 (50 of 50 other starts). With images moved vinn was off by 39 mrad (held
# 8), bins by 56 (held 5); with every fifth state hidden, too, by 12 (held 38 of 50 others) and 11 (held 45 of them).
# bet's third seed was then still off by 54 mrad (held 13), with every second state hidden by 24 (held 41). Others did
# without the image: vae's latent told what it shows (off by 80 mrad, held 4 of the table's starts; with that dearer and
# 1,500 steps 63, with other noise 28), and gmm's likelihood left it to a wide distribution (72, held 4; with beta and
# 1,500 steps 26).
PRESETS: dict[tuple[PolicyName, PresetName], Preset] = {
    ("act", "tiny"): Preset(ActConfig(), Recipe(steps=2500)),
    ("act", "tiny-image"): _one_camera(ActConfig()),
    ("act", "paper"): _all_cameras(
        ActConfig(
            chunk_size=100,
            width=512,
            heads=8,
            feed_forward=3200,
            encoder_layers=4,
            decoder_layers=1,
            style_layers=4,
            latent=32,
            dropout=0.1,
            vision=VisionConfig(backbone="resnet18", keypoints=0, shared=True),
        ),
        replace(_LONG, batch=8, learning_rate=1e-5),
    ),
    ("bc", "tiny"): Preset(BcConfig(), Recipe(steps=8000)),
    ("bc", "tiny-image"): _one_camera(BcConfig(), learning_rate=2e-3),
    ("bc", "paper"): _all_cameras(
        BcConfig(chunk_size=1, hidden=(1024, 1024), vision=VisionConfig(backbone="resnet18", keypoints=32)),
        _LONG,
    ),
    ("bet", "tiny"): Preset(BetConfig(), Recipe(steps=3000)),
    ("bet", "tiny-image"): _one_camera(BetConfig(), hide=0.5),
    ("bet", "paper"): _all_cameras(
        BetConfig(
            chunk_size=1,
            centres=64,
            width=240,
            heads=6,
            feed_forward=960,
            layers=6,
            dropout=0.1,
            vision=VisionConfig(backbone="resnet18"),
        ),
        _LONG,
        history=10,
    ),
    ("bins", "tiny"): Preset(BinsConfig(), Recipe(steps=2500, learning_rate=2e-3)),
    ("bins", "tiny-image"): _one_camera(BinsConfig(), learning_rate=2e-3),
    ("bins", "paper"): _all_cameras(
        BinsConfig(
            chunk_size=1,
            bins=256,
            spread=0.0,
            width=512,
            heads=8,
            feed_forward=512,
            layers=8,
            dropout=0.1,
            vision=VisionConfig(backbone="resnet18", keypoints=0, shared=True),
        ),
        _LONG,
        image_height=300,
        image_width=300,
        history=6,
    ),
    ("vinn", "tiny"): Preset(VinnConfig(), Recipe(steps=12_000)),
    ("vinn", "tiny-image"): _one_camera(VinnConfig()),
    ("vinn", "paper"): _all_cameras(
        VinnConfig(chunk_size=1, features=512, neighbours=16, beta=1.0, vision=VisionConfig(backbone="resnet18")),
        _LONG,
    ),
    ("diffusion", "tiny"): Preset(DiffusionConfig(), Recipe(steps=2500)),
    ("diffusion", "tiny-image"): _one_camera(DiffusionConfig()),
    ("diffusion", "paper"): _all_cameras(
        DiffusionConfig(
            chunk_size=16,
            sample_steps=16,
            unet=_WIDE_UNET,
        ),
        _DENOISING,
        image_height=240,
        image_width=320,
        history=2,
    ),
    ("flow", "tiny"): Preset(FlowConfig(), Recipe(steps=2500)),
    ("flow", "tiny-image"): _one_camera(FlowConfig()),
    ("flow", "paper"): _all_cameras(
        FlowConfig(unet=_WIDE_UNET),
        _DENOISING,
        image_height=240,
        image_width=320,
        history=2,
    ),
    ("gmm", "tiny"): Preset(GmmConfig(), Recipe(steps=2500)),
    ("gmm", "tiny-image"): _one_camera(GmmConfig(beta=0.5)),
    ("gmm", "paper"): _all_cameras(
        GmmConfig(chunk_size=10, hidden=(1024, 1024), least_std=1e-4, vision=VisionConfig(backbone="resnet18")),
        replace(_LONG, batch=16),
        image_height=240,
        image_width=320,
    ),
    ("vae", "tiny"): Preset(VaeConfig(), Recipe(steps=8000)),
    ("vae", "tiny-image"): _one_camera(VaeConfig(kl_weight=0.1)),
    ("vae", "paper"): _all_cameras(
        VaeConfig(
            chunk_size=100, hidden=(1024, 1024), latent=32, vision=VisionConfig(backbone="resnet18", keypoints=32)
        ),
        _LONG,
    ),
}


def _gpu(paper: Preset) -> Preset:
    """The published network on one data-centre GPU: half the resolution, large batches, bf16, compiled. Not measured.

    Joints are hidden as in tiny-image. Without ImageNet weights a ResNet-18 told where the cube is to 5 mm after 300
    steps of batch 16, one camera of 96x128, at a rate of 1e-4.

    The learning rate grows with the batch (Goyal et al. 2017, "Accurate, Large Minibatch SGD"), up to 1e-4.
    """
    batch = max(64, paper.recipe.batch)
    recipe = replace(
        paper.recipe,
        steps=30_000,
        batch=batch,
        learning_rate=min(1e-4, paper.recipe.learning_rate * batch / paper.recipe.batch),
        augmentation=Augmentation(shift=0.04, colour=0.2, hide=0.2),
        precision="bf16",
        compile=True,
        channels_last=True,
        workers=8,
    )
    return replace(paper, recipe=recipe, image_height=240, image_width=320)


PRESETS |= {(policy, "gpu"): _gpu(preset) for (policy, name), preset in PRESETS.items() if name == "paper"}
