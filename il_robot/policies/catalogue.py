"""Which policies there are: name, configuration, network."""

from __future__ import annotations

from typing import Literal, TypeAlias

from il_robot.policies.act import Act, ActConfig
from il_robot.policies.bc import Bc, BcConfig
from il_robot.policies.bet import Bet, BetConfig
from il_robot.policies.bins import Bins, BinsConfig
from il_robot.policies.diffusion import Diffusion, DiffusionConfig
from il_robot.policies.flow import Flow, FlowConfig
from il_robot.policies.gmm import Gmm, GmmConfig
from il_robot.policies.inputs import Inputs
from il_robot.policies.vae import Vae, VaeConfig
from il_robot.policies.vinn import Vinn, VinnConfig

PolicyName: TypeAlias = Literal["act", "bc", "bet", "bins", "diffusion", "flow", "gmm", "vae", "vinn"]
Config: TypeAlias = (
    ActConfig | BcConfig | BetConfig | BinsConfig | DiffusionConfig | FlowConfig | GmmConfig | VaeConfig | VinnConfig
)
Network: TypeAlias = Act | Bc | Bet | Bins | Diffusion | Flow | Gmm | Vae | Vinn

CONFIGS: dict[str, type[Config]] = {
    "act": ActConfig,
    "bc": BcConfig,
    "bet": BetConfig,
    "bins": BinsConfig,
    "diffusion": DiffusionConfig,
    "flow": FlowConfig,
    "gmm": GmmConfig,
    "vae": VaeConfig,
    "vinn": VinnConfig,
}


def build(config: Config, inputs: Inputs) -> Network:
    """A new network; its weights come from torch's random state. Raises BadInput on an impossible configuration."""
    match config:
        case ActConfig():
            return Act(config, inputs)
        case BcConfig():
            return Bc(config, inputs)
        case BetConfig():
            return Bet(config, inputs)
        case BinsConfig():
            return Bins(config, inputs)
        case DiffusionConfig():
            return Diffusion(config, inputs)
        case FlowConfig():
            return Flow(config, inputs)
        case GmmConfig():
            return Gmm(config, inputs)
        case VaeConfig():
            return Vae(config, inputs)
        case VinnConfig():
            return Vinn(config, inputs)
