"""Collecting writes real episodes, the same ones for the same seed, and only of demonstrations that held."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.sim import collect as collecting
from il_robot.sim import rollout
from il_robot.sim.collect import collect, with_cameras
from il_robot.sim.tasks import DEMONSTRATION_SEEDS
from il_robot.sim.world import World


@pytest.fixture(scope="module")
def small(rig: Rig) -> Rig:
    return with_cameras(rig, ("cam_high",), (48, 64))


def test_an_episode_holds_what_happened(tmp_path: Path, small: Rig, world: World) -> None:
    reports = []
    collected = collect(tmp_path, small, episodes=1, seed=7, progress=lambda c: reports.append(len(c.kept)))
    assert reports == [1] and not collected.failed
    episode = Episode(collected.kept[0])
    assert episode.complete and episode.outcome == "success" and episode.steps == collected.steps
    assert episode.image("cam_high", 0).shape == (48, 64, 3)
    np.testing.assert_array_equal(episode.step_ns, np.arange(episode.steps) * small.period_ns)
    assert (episode.valid == 1).all(), "no frame is missing"
    # Replaying the recorded actions from the recorded cube gives the recorded joints and the success.
    actions = iter(episode.action)
    replayed = rollout.run(world, lambda _: next(actions), seed=0, steps=episode.steps, cube=episode.objects["cube"][0])
    assert replayed.held
    np.testing.assert_allclose(episode.qpos[0], small.start, atol=1e-6)


def test_the_same_seed_collects_the_same_however_many_work(tmp_path: Path, rig: Rig) -> None:
    blind = with_cameras(rig, ())
    runs = [
        collect(tmp_path / str(workers), blind, episodes=2, seed=3, style="human", workers=workers).kept
        for workers in (1, 2)
    ]
    for one, other in zip(*runs, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(Episode(one).action, Episode(other).action)
    assert not np.array_equal(Episode(runs[0][0]).action[:50], Episode(runs[0][1]).action[:50])


def test_a_process_that_fails_leaves_nothing_half_made_of_another(tmp_path: Path, rig: Rig) -> None:
    blind = with_cameras(rig, ())
    there = collect(tmp_path, blind, episodes=1).kept
    with pytest.raises(BadInput, match=f"{there[0]}: there already"):
        collect(tmp_path, blind, episodes=2, workers=2)
    left = sorted(path for path in tmp_path.iterdir() if not path.name.startswith("."))
    assert there[0] in left
    assert all(Episode(path).complete for path in left)


def test_demonstrations_that_do_not_hold_are_thrown_away(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "EPISODE_STEPS", 290)
    collected = collect(tmp_path, with_cameras(rig, ()), episodes=2, seed=4, style="human")
    assert collected.failed and all(not outcome.held for outcome in collected.failed)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".zarr") == [
        path.name for path in collected.kept
    ]


def test_bad_input(tmp_path: Path, rig: Rig) -> None:
    with pytest.raises(BadInput, match="--episodes 0; allowed: 1 and more"):
        collect(tmp_path, rig, episodes=0)
    for seed in (-1, DEMONSTRATION_SEEDS):  # the first evaluation starts from the latter
        with pytest.raises(BadInput, match=f"seed: {seed} for 1 episode;"):
            collect(tmp_path, rig, episodes=1, seed=seed)
    with pytest.raises(BadInput, match="did you mean 'cam_low'"):
        with_cameras(rig, ("cam_lo",))
    with pytest.raises(BadInput, match="8x8"):
        with_cameras(rig, None, (8, 8))
    with pytest.raises(BadInput, match="no task 'fold'"):
        collect(tmp_path, rig, task="fold", episodes=1)
