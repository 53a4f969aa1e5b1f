"""What decides which weights are best: they are driven in simulation, in this process or in others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from calibration.rig_file import load_rig
from il_robot.policies.catalogue import build
from il_robot.sim.collect import collect, with_cameras
from il_robot.training import judge
from il_robot.training.checkpoint import save_tensors
from il_robot.training.description import Description, read_description
from il_robot.training.run_folder import weights_path
from il_robot.training.train import train


def trained(folder: Path) -> Description:
    collect(folder / "data", with_cameras(load_rig("sim"), ()), episodes=1)
    train("bc", (folder / "data",), out=folder / "run", steps=1, batch=4)
    return read_description(folder / "run")


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_driven_here_or_in_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    description = trained(tmp_path)
    network = build(description.network, description.inputs)
    monkeypatch.setattr(judge, "starts_at_once", lambda *_: workers)
    told: list[int] = []
    threads = torch.get_num_threads()
    with judge.simulated_judge(description, tmp_path, 2, "cpu", told.append) as judged:
        share = judged(network)
        assert (share.count, share.of, told) == (0, 2, [0, 1, 2])
        assert torch.get_num_threads() == threads
    assert not weights_path(tmp_path, "judged").exists()


def test_every_judgement_is_of_the_weights_as_they_are_then(tmp_path: Path) -> None:
    description = trained(tmp_path)
    network, weights = build(description.network, description.inputs), tmp_path / "weights.safetensors"
    save_tensors(weights, network.state_dict(), {})
    with judge.driving(description, weights, "cpu") as drive:
        assert drive((0, 0)).crash.count == 0
        next(network.parameters()).data.fill_(torch.nan)
        save_tensors(weights, network.state_dict(), {})
        assert drive((0, 1)).crash.count == 0, "the same judgement"
        assert drive((1, 0)).crash.count == 1, "the next one"
