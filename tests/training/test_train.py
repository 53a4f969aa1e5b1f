from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from demonstrations import RIG, demonstrate, demonstrations

from il_robot.episodes.dataset import Dataset
from il_robot.errors import BadInput, Fault
from il_robot.policies.bc import BcConfig
from il_robot.policies.catalogue import build
from il_robot.policies.inputs import Inputs
from il_robot.training import loop
from il_robot.training.checkpoint import load_tensors, save_tensors
from il_robot.training.description import read_description
from il_robot.training.journal import read_metrics
from il_robot.training.loop import Training
from il_robot.training.presets import PRESETS
from il_robot.training.progress import Progress
from il_robot.training.recipe import Recipe
from il_robot.training.run_folder import weights_path
from il_robot.training.statistics import Statistics
from il_robot.training.train import Computing, train
from il_robot.training.windows import Windows, gather

INPUTS = Inputs(RIG.joint_names, RIG.objects)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demonstrations(tmp_path_factory.mktemp("toy"))


def a_training(dataset: Path, run: Path, steps: int = 12, seed: int = 3) -> Training:
    rows = gather(Dataset(dataset).episodes, INPUTS)
    statistics = Statistics.of(rows.state_NS, rows.action_NJ, INPUTS.least_spread)
    windows = Windows(rows, {}, statistics, 4)
    torch.manual_seed(seed)
    network = build(BcConfig(chunk_size=4, hidden=(16,), dropout=0.2), INPUTS)
    run.mkdir(exist_ok=True)
    return Training(network, windows, windows, Recipe(steps=steps, batch=8, warm_up=3), run, seed)


@pytest.mark.parametrize("policy", ["act", "bc"])
@pytest.mark.parametrize("preset", ["tiny", "tiny-image"])
def test_a_run_holds_everything(dataset: Path, tmp_path: Path, policy: str, preset: str) -> None:
    run = tmp_path / "run"
    result = train(policy, (dataset,), out=run, preset=preset, steps=4, chunk_size=5, batch=8)  # type: ignore[arg-type]
    assert result.step == 4
    assert np.isfinite(result.loss)
    assert {path.name for path in run.iterdir()} == {"config.json", "metrics.jsonl", "curve.png", "checkpoint"}
    description = read_description(run)
    assert description.policy == policy
    assert description.inputs.objects == (() if preset == "tiny-image" else ("cube",))
    assert [camera.name for camera in description.inputs.cameras] == (["cam_high"] if preset == "tiny-image" else [])
    assert description.network.chunk_size == 5
    assert description.rig.joint_names == RIG.joint_names
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")
    lines = read_metrics(run)
    assert [line["step"] for line in lines if "loss" in line] == [0, 1, 2, 3]
    assert any("validation" in line for line in lines)


def test_images_are_looked_at_in_the_size_that_is_asked_for(dataset: Path, tmp_path: Path) -> None:
    train("bc", (dataset,), out=tmp_path / "run", preset="tiny-image", size=(16, 24), steps=1, batch=2, chunk_size=2)
    (camera,) = read_description(tmp_path / "run").inputs.cameras
    assert (camera.height, camera.width) == (16, 24)


def test_statistics_come_from_the_training_split_alone(dataset: Path, tmp_path: Path) -> None:
    split = Dataset(dataset)
    assert split.train
    assert split.validation
    train("bc", (dataset,), out=tmp_path / "run", steps=1, chunk_size=2)
    description = read_description(tmp_path / "run")
    actions = np.concatenate([episode.action for episode in split.train])
    np.testing.assert_allclose(description.statistics.action_mean, actions.mean(0), rtol=1e-4)
    assert description.data.train == tuple(episode.id for episode in split.train)
    assert description.data.validation == tuple(episode.id for episode in split.validation)


def test_failed_episodes_are_not_imitated(tmp_path: Path) -> None:
    demonstrate(tmp_path / "data", "good", 8)
    demonstrate(tmp_path / "data", "bad", 8, outcome="failure")
    train("bc", (tmp_path / "data",), out=tmp_path / "run", steps=1, chunk_size=2)
    assert read_description(tmp_path / "run").data.train == ("good",)


def losses(run: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in read_metrics(run) if "loss" in line]


def test_resumed_it_goes_on_as_if_never_stopped(dataset: Path, tmp_path: Path) -> None:
    a_training(dataset, tmp_path / "whole").fit()
    first = a_training(dataset, tmp_path / "parts")

    def interrupt(progress: Progress) -> None:
        if progress.step == 7:
            os.kill(os.getpid(), signal.SIGINT)

    assert first.fit(interrupt).stopped
    second = a_training(dataset, tmp_path / "parts", seed=3)
    second.resume()
    assert second.step == 7
    assert not second.fit().stopped
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    for name in ("last", "resume"):
        whole, parts = (load_tensors(weights_path(tmp_path / run, name))[0] for run in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[key], parts[key]) for key in whole)
    cpu_s = [line["cpu_s"] for line in read_metrics(tmp_path / "parts") if "cpu_s" in line]
    assert cpu_s == sorted(cpu_s), "the time of what came before the resume is lost"


def test_after_a_crash_it_goes_on_from_the_last_save(dataset: Path, tmp_path: Path) -> None:
    a_training(dataset, tmp_path / "whole", steps=40).fit()
    crashing = a_training(dataset, tmp_path / "crash", steps=40)

    def crash(progress: Progress) -> None:
        if progress.step == 11:
            raise MemoryError

    with pytest.raises(MemoryError):
        crashing.fit(crash)
    again = a_training(dataset, tmp_path / "crash", steps=40)
    again.resume()
    assert again.step == 40 // loop.SAVES * 2
    again.fit()
    assert losses(tmp_path / "crash") == losses(tmp_path / "whole")


def test_the_command_resumes_with_the_runs_own_configuration(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train("bc", (dataset,), out=run, steps=3, chunk_size=2)
    assert train("bc", (dataset,), out=run, resume=True).step == 3
    with pytest.raises(BadInput, match="began with batch 64, not 9"):
        train("bc", (dataset,), out=run, resume=True, batch=9)
    with pytest.raises(BadInput, match="a run of bc, not of act"):
        train("act", (dataset,), out=run, resume=True)
    with pytest.raises(BadInput, match="add --resume"):
        train("bc", (dataset,), out=run)


def test_a_run_killed_before_its_first_save_begins_again(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that never began, so that a job may always say --resume."""
    run = tmp_path / "run"
    assert train("bc", (dataset,), out=run, steps=3, chunk_size=2, resume=True).step == 3
    assert f"{run}: nothing was saved to go on from: begins\n" in capsys.readouterr().out
    shutil.rmtree(run / "checkpoint")
    assert train("bc", (dataset,), out=run, resume=True).step == 3
    assert f"{run}: nothing was saved to go on from: begins\n" in capsys.readouterr().out
    assert weights_path(run, "last").is_file()
    train("bc", (dataset,), out=run, resume=True)
    assert "begins" not in capsys.readouterr().out


def test_a_checkpoint_that_cannot_be_resumed_is_one_line(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train("bc", (dataset,), out=run, steps=3, chunk_size=2)
    tensors, facts = load_tensors(weights_path(run, "resume"))
    del tensors["random"]
    save_tensors(weights_path(run, "resume"), tensors, facts)
    with pytest.raises(BadInput, match="not what a run saves to go on: 'random'"):
        train("bc", (dataset,), out=run, resume=True)


@pytest.mark.parametrize(
    ("name", "target"),
    [("config.json.part", "/dev/full"), ("metrics.jsonl.part", "/no/folder"), ("curve.png", "/dev/full")],
)
def test_what_cannot_be_written_is_a_fault_in_one_line(dataset: Path, tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(target)
    with pytest.raises(Fault, match=rf"{name.removesuffix('.part')}: cannot be (saved|written): No "):
        train("bc", (dataset,), out=tmp_path / "run", steps=1, chunk_size=2)


def test_an_action_that_is_not_finite_names_episode_and_step(tmp_path: Path) -> None:
    demonstrate(tmp_path / "data", "good", 10)
    demonstrate(tmp_path / "data", "spoilt", 10, spoil=4)
    with pytest.raises(BadInput, match=r"spoilt.zarr: step 4: the action of left_waist is not finite; prune the "):
        train("bc", (tmp_path / "data",), out=tmp_path / "run", chunk_size=2)


@pytest.mark.parametrize("array", ["action", "observations/qpos"])
def test_a_wild_value_names_episode_step_and_joint(tmp_path: Path, array: str) -> None:
    """Finite, so nothing would notice it but the deviation of that joint, by which all of it would be divided."""
    path = demonstrate(tmp_path / "data", "spoilt", 10)
    zarr.open_array(path, path=array, mode="r+")[4, 1] = 1e30
    with pytest.raises(BadInput, match=rf"spoilt.zarr: step 4: {array} of .* is 1e\+30 .*, its limits are .*validate"):
        train("bc", (tmp_path / "data",), out=tmp_path / "run", chunk_size=2)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_save(dataset: Path, tmp_path: Path) -> None:
    training = a_training(dataset, tmp_path / "run", steps=40)

    def explode(progress: Progress) -> None:
        if progress.step == 9:
            next(iter(training.network.parameters())).data.fill_(float("nan"))

    with pytest.raises(
        Fault,
        match=r"loss is nan at training step 9: the learning rate .* \(.* episode toy_\d step \d+\); .* remove .*run",
    ):
        training.fit(explode)
    again = a_training(dataset, tmp_path / "run", steps=40)
    again.resume()
    assert again.step == 8
    assert np.isfinite(again.fit().loss)


def test_wrong_arguments_are_one_line(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(BadInput, match="no camera 'cam_hihg'; did you mean 'cam_high'"):
        train("bc", (dataset,), out=out, cameras=("cam_hihg",))
    with pytest.raises(BadInput, match="chunk size 31: allowed: 1 to 30"):
        train("bc", (dataset,), out=out, chunk_size=31)
    for wrong, told in (
        ({"steps": 0}, "steps=0"),
        ({"batch": 0}, "batch=0"),
        ({"computing": Computing(threads=-3)}, "threads=-3"),
        ({"learning_rate": float("nan")}, "learning_rate=NaN"),
        ({"seed": -1}, "--seed -1"),
        ({"seed": 3, "seeds": (0, 1)}, "--seed 3: --seeds names the seeds already; give one of both"),
        ({"seeds": ()}, "--seeds: nothing follows; allowed: one or more"),
        ({"weights": ()}, "--weights: nothing follows; allowed: one or more"),
        ({"set": (("hidden=8",), ())}, "--set: nothing follows; allowed: one or more"),
        ({"cameras": ("cam_low", "cam_low")}, "--cameras cam_low cam_low: cam_low is named twice; name each camera"),
        ({"size": (24, 32)}, "--size 24 32: the policy looks at no camera; name some with --cameras"),
        ({"size": (24, 7), "cameras": ("cam_low",)}, "--size 24 7; allowed: 8 to 4096 each"),
        ({"computing": Computing(device="tpu")}, "device 'tpu'.*allowed: cpu"),
    ):
        with pytest.raises(BadInput, match=told):
            train("bc", (dataset,), out=out, **{"chunk_size": 5, **wrong})  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no such dataset"):
        train("bc", (tmp_path / "absent",), out=out)
    with pytest.raises(BadInput, match="name at least one dataset"):
        train("bc", (), out=out)
    assert not out.exists()


def test_metrics_survive_a_torn_last_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        json.dumps({"step": 1, "loss": 2.0}) + '\n{"step": 2, "lo', encoding="utf-8"
    )
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 2.0}]


def test_every_preset_names_a_policy_and_its_configuration() -> None:
    for (policy, _), preset in PRESETS.items():
        assert type(preset.network).__name__.lower().startswith(policy)


def test_ctrl_c_is_answered_saves_and_ends_the_command_as_interrupted(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"

    def press(self: loop.Training, *rest: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Training, "_log", press)
    with pytest.raises(KeyboardInterrupt):
        train("bc", (dataset,), out=run, steps=5, chunk_size=2)
    monkeypatch.undo()
    assert capfd.readouterr().err.count("\nstopping: what was begun is ended and saved; Ctrl-C again ends") == 1
    assert train("bc", (dataset,), out=run, resume=True).step == 5
