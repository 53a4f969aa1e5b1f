from __future__ import annotations

from policy_contract import PolicyContract

from il_robot.policies.bc import BcConfig
from il_robot.policies.vision import VisionConfig


class TestBc(PolicyContract):
    def config(self, chunk_size: int) -> BcConfig:
        vision = VisionConfig(channels=(8, 8, 8), keypoints=8)
        return BcConfig(chunk_size=chunk_size, hidden=(64, 64), image_width=16, vision=vision)


class TestBcOnFeatureMaps(PolicyContract):
    def config(self, chunk_size: int) -> BcConfig:
        vision = VisionConfig(channels=(8, 8), keypoints=0, shared=True)
        return BcConfig(chunk_size=chunk_size, hidden=(64, 64), image_width=4, vision=vision)
