"""However a run is cut, stopped, decoded or shared out, its losses are the same."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from demonstrations import RIG, demonstrations

from il_robot.episodes.dataset import Dataset
from il_robot.errors import BadInput, Fault
from il_robot.policies.act import ActConfig
from il_robot.policies.catalogue import Network, build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.policies.network import Batch
from il_robot.policies.vision import VisionConfig
from il_robot.training.augmentation import augment, augmented
from il_robot.training.checkpoint import load_tensors
from il_robot.training.frames import Frames
from il_robot.training.images import decode_images
from il_robot.training.intervals import Share, share
from il_robot.training.journal import read_metrics
from il_robot.training.loop import Training
from il_robot.training.memory import told_memory
from il_robot.training.progress import Progress
from il_robot.training.recipe import Augmentation, Recipe
from il_robot.training.run_folder import weights_path
from il_robot.training.statistics import Statistics
from il_robot.training.train import Computing, train
from il_robot.training.windows import Windows, gather

INPUTS = Inputs(RIG.joint_names, (), (CameraInput("cam_high", 12, 16),))
ACT = ActConfig(
    chunk_size=4, width=16, heads=2, feed_forward=16, latent=4, dropout=0.2, vision=VisionConfig(keypoints=4)
)
RECIPE = Recipe(steps=12, batch=8, warm_up=3)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demonstrations(tmp_path_factory.mktemp("toy"), episodes=3, steps=16)


def a_training(dataset: Path, run: Path, recipe: Recipe = RECIPE, **rest: object) -> Training:
    """ACT with one camera, dropout and a style: everything that draws random numbers."""
    run.mkdir(exist_ok=True)
    episodes = Dataset(dataset).episodes
    rows = gather(episodes, INPUTS)
    statistics = Statistics.of(rows.state_NS, rows.action_NJ, INPUTS.least_spread)
    camera = INPUTS.cameras[0]
    images = {"cam_high": Frames(episodes, camera)} if recipe.workers else decode_images(episodes, (camera,), run)
    windows = Windows(rows, images, statistics, 4)
    torch.manual_seed(3)
    return Training(build(ACT, INPUTS), windows, windows, recipe, run, 3, **rest)  # type: ignore[arg-type]


def losses(run: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in read_metrics(run) if "loss" in line]


@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, augmentation=Augmentation(shift=0.1, colour=0.2, hide=0.3)),
        replace(
            RECIPE,
            augmentation=Augmentation(shift=0.1, colour=0.2, hide=0.3),
            accumulate=2,
            precision="bf16",
            channels_last=True,
            workers=1,
        ),
    ],
    ids=["plain", "everything"],
)
def test_resumed_with_all_of_it_it_goes_on_as_if_never_stopped(dataset: Path, tmp_path: Path, recipe: Recipe) -> None:
    # The whole run decodes before, the parts in a worker: that must not matter either.
    a_training(dataset, tmp_path / "whole", replace(recipe, workers=0)).fit()
    first = a_training(dataset, tmp_path / "parts", recipe)

    def interrupt(progress: Progress) -> None:
        if progress.step == 7:
            os.kill(os.getpid(), signal.SIGINT)

    assert first.fit(interrupt).stopped
    second = a_training(dataset, tmp_path / "parts", recipe)
    second.resume()
    assert second.step == 7
    assert not second.fit().stopped
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    whole, parts = (load_tensors(weights_path(tmp_path / run, "resume"))[0] for run in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_a_save_is_told_before_it_is_made(dataset: Path, tmp_path: Path) -> None:
    told: list[tuple[int, bool, bool]] = []
    save = weights_path(tmp_path, "last")
    training = a_training(dataset, tmp_path, replace(RECIPE, steps=20))
    training.fit(lambda progress: told.append((progress.step, progress.saving, save.exists())))
    assert told == [(step, step % 2 == 0, step > 2) for step in range(1, 21)]


def test_bf16_computes_otherwise_but_nearly_the_same(dataset: Path, tmp_path: Path) -> None:
    for name in ("fp32", "bf16"):
        a_training(dataset, tmp_path / name, replace(RECIPE, precision=name)).fit()  # type: ignore[arg-type]
    fine, coarse = (np.array(losses(tmp_path / name)) for name in ("fp32", "bf16"))
    assert not np.array_equal(fine, coarse)
    np.testing.assert_allclose(fine, coarse, rtol=0.1)


def test_two_processes_learn_what_one_learns_from_the_same_batch(dataset: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    settings = {"steps": 4, "batch": 8, "chunk_size": 4, "cameras": ("cam_high",)}
    train("act", (dataset,), out=one, computing=Computing(accumulate=2), **settings)  # type: ignore[arg-type]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What torchrun sets.
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = f"train act {dataset} --out {tmp_path / 'two'} --steps 4 --batch 8 --chunk-size 4 --cameras cam_high"
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "il_robot.cli", *command.split()],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert "step 4: loss" in said[0]
    assert said[1].strip() == "", "only the first speaks"
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(one), rtol=1e-5)
    weights = [load_tensors(weights_path(run, "last"))[0] for run in (one, tmp_path / "two")]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=1e-5, rtol=1e-4)
    go_on = {"out": tmp_path / "two", "resume": True, "steps": 5}
    with pytest.raises(BadInput, match="two: began with a batch in 2 parts, now 1: other noise"):
        train("act", (dataset,), **go_on)  # type: ignore[arg-type]
    assert train("act", (dataset,), computing=Computing(accumulate=2), **go_on).step == 5  # type: ignore[arg-type]


def test_a_line_tells_of_all_its_steps_and_is_what_is_printed(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_training(dataset, tmp_path / "each").fit()
    monkeypatch.setattr("il_robot.training.loop.LOGS", 3)
    result = a_training(dataset, tmp_path / "averaged").fit()
    each, averaged = dict(losses(tmp_path / "each")), dict(losses(tmp_path / "averaged"))
    assert list(averaged) == [0, 4, 8, 11]
    assert averaged[4] == pytest.approx(np.mean([each[step] for step in (1, 2, 3, 4)]))
    assert averaged[11] == pytest.approx(np.mean([each[step] for step in (9, 10, 11)]))
    assert result.loss == averaged[11]


def test_the_best_checkpoint_is_the_one_that_held_most(dataset: Path, tmp_path: Path) -> None:
    told = iter([2, 9, *[5] * 20])
    driven: list[int] = []

    def judge(network: Network) -> Share:
        torch.rand(5)  # As a policy that samples would.
        driven.append(len(driven))
        return share(next(told), 10)

    training = a_training(dataset, tmp_path / "judged", judge=judge)
    result = training.fit()
    a_training(dataset, tmp_path / "alone").fit()
    best = load_tensors(weights_path(tmp_path / "judged", "best"))[1]
    assert best["step"] == "2"
    assert result.held == 0.5
    assert [line["held"] for line in read_metrics(tmp_path / "judged") if "held" in line][:2] == [0.2, 0.9]
    assert losses(tmp_path / "judged") == losses(tmp_path / "alone"), "looking changes nothing"


def test_a_judge_that_fails_loses_no_step(dataset: Path, tmp_path: Path) -> None:
    looked: list[int] = []

    def judge(network: Network) -> Share:
        looked.append(1)
        if len(looked) == 3:
            raise Fault("a process died")
        return share(1, 10)

    failing = a_training(dataset, tmp_path / "failing", judge=judge)
    with pytest.raises(Fault, match="a process died"):
        failing.fit()
    again = a_training(dataset, tmp_path / "failing", judge=judge)
    again.resume()
    assert again.step == failing.step > 2
    again.fit()
    a_training(dataset, tmp_path / "alone").fit()
    assert losses(tmp_path / "failing") == losses(tmp_path / "alone")


def test_a_finished_run_trains_on(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train("bc", (dataset,), out=run, steps=3, chunk_size=2)
    assert train("bc", (dataset,), out=run, resume=True, steps=6).step == 6
    assert [step for step, _ in losses(run)] == [0, 1, 2, 3, 4, 5]
    with pytest.raises(BadInput, match="--steps 4: the run has 6; --resume can only add some"):
        train("bc", (dataset,), out=run, resume=True, steps=4)


def test_batches_that_cannot_be_cut_are_one_line(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a batch of 8 cannot be cut into 3 equal parts"):
        replace(RECIPE, accumulate=3)
    with pytest.raises(BadInput, match=r"colour 1\.5; allowed: 0 to below 1"):
        Augmentation(colour=1.5)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to")])
def test_too_little_memory_is_one_line(error: Exception) -> None:
    with (
        pytest.raises(Fault, match=r"out of memory on cuda: a smaller batch"),
        told_memory("cuda", "a smaller batch"),
    ):
        raise error


def test_a_shift_moves_the_frames_of_a_window_together_and_repeats_the_edge() -> None:
    torch.manual_seed(0)
    image = torch.arange(10, dtype=torch.uint8).view(1, 1, 1, 10, 1).expand(40, 2, 10, 10, 3) * 10
    moved = augment(image, Augmentation(shift=0.2))
    assert moved.dtype == torch.uint8
    assert torch.equal(moved[:, 0], moved[:, 1])
    by = (moved[:, 0, 0, 5, 0].int() - 50) // 10
    assert set(by.tolist()) == {-2, -1, 0, 1, 2}
    farthest = moved[by == 2][0, 0, 0, :, 0]
    assert farthest.tolist() == [20, 30, 40, 50, 60, 70, 80, 90, 90, 90]


def test_the_state_of_a_share_of_windows_is_hidden_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    image, chunk = torch.zeros(1000, 1, 1, 3), torch.zeros(1000, 4, 2)
    seen = Batch(torch.ones(1000, 3), {"top": image}, chunk, torch.zeros(1000, 4))
    some = augmented(seen, Augmentation(hide=0.2))
    assert set(some.state_BS.sum(1).tolist()) == {0.0, 3.0}, "a state is hidden as a whole or not at all"
    assert 0.77 < some.state_BS.mean() < 0.83
    assert replace(some, state_BS=seen.state_BS) == seen
    assert augmented(seen, Augmentation()) is seen


def test_colours_change_between_windows_and_grey_stays_grey() -> None:
    torch.manual_seed(0)
    image = torch.randint(60, 180, (8, 6, 6, 1), dtype=torch.uint8).expand(-1, -1, -1, 3)
    changed = augment(image, Augmentation(colour=0.3))
    assert changed.dtype == torch.uint8
    assert torch.equal(changed[..., 0], changed[..., 2])
    factor = changed.float().mean((1, 2, 3)) / image.float().mean((1, 2, 3))
    assert factor.std() > 0.05
    assert ((factor > 0.69) & (factor < 1.31)).all()
