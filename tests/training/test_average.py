from __future__ import annotations

import copy

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from il_robot.policies.bet import Bet, BetConfig
from il_robot.policies.inputs import Inputs
from il_robot.training.average import Average


def test_it_is_torchs_average_to_the_bit() -> None:
    torch.manual_seed(0)
    network = Bet(BetConfig(chunk_size=2, centres=3, width=8, heads=2, feed_forward=8), Inputs(("a", "b")))
    ours = Average(network, 0.5)

    def torchs(averaged: object, newest: object, _: object) -> None:
        count = int(theirs.n_averaged)
        get_ema_multi_avg_fn(min(0.5, (1 + count) / (10 + count)))(averaged, newest, count)  # type: ignore[arg-type]

    theirs = AveragedModel(copy.deepcopy(network), multi_avg_fn=torchs)
    for _ in range(9):
        for parameter in network.parameters():
            parameter.data.add_(torch.randn_like(parameter))
        ours.update()
        theirs.update_parameters(network)
    expected = theirs.module.state_dict()
    averaged = ours.network.state_dict()
    assert all(torch.equal(averaged[name], tensor) for name, tensor in expected.items())
    assert not torch.equal(averaged["category.weight"], network.category.weight)
    assert (ours.count, int(theirs.n_averaged)) == (9, 9)
