"""One observation, two ways: half of the demonstrations go to +1, half to -1. The mean, 0, is nobody's action."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from il_robot.policies.bc import Bc, BcConfig
from il_robot.policies.catalogue import Network
from il_robot.policies.inputs import Inputs
from il_robot.policies.network import Batch

INPUTS = Inputs(joints=("a",))


def two_ways(size: int = 64) -> tuple[Batch, Inputs]:
    """Windows of two equal steps, at +1 or at -1 with a little scatter."""
    random = torch.Generator().manual_seed(0)
    way_B = torch.where(torch.arange(size) % 2 == 0, 1.0, -1.0)
    action_BkJ = way_B.view(-1, 1, 1).expand(-1, 2, 1) + 0.05 * torch.randn(size, 2, 1, generator=random)
    return Batch(torch.zeros(size, 1), {}, action_BkJ, torch.zeros(size, 2, dtype=torch.bool)), INPUTS


def fit(network: nn.Module, loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def both_ways(network: Network, windows: Batch, steps: int, demonstrated: float = 0.95) -> None:
    """Trained on two ways, a policy that claims more than one mode goes each way, and both steps the same way.

    At least a share ``demonstrated`` of its actions is near one that was demonstrated.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 5e-3 * min(1.0, 2 - 2 * step / steps)
        fit(network, network.loss(windows).total, optimiser)
    with torch.no_grad():
        chunk_BkJ = network.eval().predict(windows.state_BS, windows.images_BHWC)
    near = (chunk_BkJ.abs() - 1).abs() < 0.3
    assert near.float().mean() > demonstrated, "what nobody demonstrated"
    up_Bk = chunk_BkJ[..., 0] > 0
    assert 0.25 < up_Bk[:, 0].float().mean() < 0.75, "one of the ways was forgotten"
    assert (up_Bk[:, 0] == up_Bk[:, 1]).float().mean() > 0.95, "the way changed within a chunk"


def l2_fails(windows: Batch) -> None:
    """The same network and steps, by the squared error: in between."""
    torch.manual_seed(0)
    network = Bc(BcConfig(chunk_size=2, hidden=(32,)), INPUTS)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(100):
        error = network.predict(windows.state_BS, {}) - windows.action_BkJ
        fit(network, error.square().mean(), optimiser)
    chunk_BkJ = network.predict(windows.state_BS, {}).detach()
    assert chunk_BkJ.abs().max() < 0.3
