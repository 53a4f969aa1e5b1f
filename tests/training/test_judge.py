"""What decides which weights are best: they are driven in simulation, in this process or in others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from calibration.rig_file import load_rig
from il_robot.errors import BadInput
from il_robot.policies.catalogue import build
from il_robot.sim.collect import collect, with_cameras
from il_robot.training import judge
from il_robot.training.description import read_description
from il_robot.training.train import train


@pytest.mark.parametrize("workers", [1, 2])
def test_every_judgement_is_of_the_weights_as_they_are_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    collect(tmp_path / "data", with_cameras(load_rig("sim"), ()), episodes=1)
    train("bc", (tmp_path / "data",), out=tmp_path / "run", steps=1, batch=4)
    description = read_description(tmp_path / "run")
    network = build(description.network, description.inputs)
    monkeypatch.setattr(judge, "crew_size", lambda *_: workers)
    told: list[int] = []
    threads = torch.get_num_threads()
    with judge.simulated_judge(description, 2, "cpu", told.append) as judged:
        share = judged(network)
        assert (share.count, share.of, told) == (0, 2, [0, 1, 2])
        assert torch.get_num_threads() == threads
        next(network.parameters()).data.fill_(torch.nan)
        with pytest.raises(BadInput, match="values that are not finite"):
            judged(network)
