"""Which policies there are: name, configuration, network."""

from __future__ import annotations

from typing import Literal, TypeAlias

from il_robot.policies.act import Act, ActConfig
from il_robot.policies.bc import Bc, BcConfig
from il_robot.policies.inputs import Inputs

PolicyName: TypeAlias = Literal["act", "bc"]
Config: TypeAlias = ActConfig | BcConfig
Network: TypeAlias = Act | Bc

CONFIGS: dict[str, type[ActConfig] | type[BcConfig]] = {"act": ActConfig, "bc": BcConfig}


def build(config: Config, inputs: Inputs) -> Network:
    """A new network; its weights come from torch's random state. Raises BadInput on an impossible configuration."""
    match config:
        case ActConfig():
            return Act(config, inputs)
        case BcConfig():
            return Bc(config, inputs)
