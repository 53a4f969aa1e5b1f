from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from calibration.rig_file import load_rig
from il_robot.control.ensemble import Ensemble, OpenLoop
from il_robot.control.execution import Execution, ExecutionName
from il_robot.errors import BadInput
from il_robot.sim.collect import collect, with_cameras
from il_robot.sim.expert import Expert
from il_robot.sim.world import World
from il_robot.training.checkpoint import load_tensors, save_tensors
from il_robot.training.description import read_description
from il_robot.training.driver import Driver
from il_robot.training.evaluate import evaluate
from il_robot.training.evaluation import drive
from il_robot.training.film import grid
from il_robot.training.fresh_starts import Driven
from il_robot.training.identity import identity
from il_robot.training.run_folder import weights_path
from il_robot.training.train import train
from il_robot.types import ActionChunk, Observation

RIG = load_rig("sim")


class ScriptedHuman:
    """The expert as a policy: one action a chunk."""

    def __init__(self) -> None:
        self.expert = Expert(RIG)

    def predict(self, observation: Observation) -> ActionChunk:
        return ActionChunk(self.expert.act(observation)[None], observation.time_ns, RIG.period_ns)

    def observe(self, observation: Observation) -> None:
        """Looks at the present only."""

    def reset(self) -> None:
        self.expert.reset()


class Constant:
    """Always the same chunk."""

    def __init__(self, rows: list[float]) -> None:
        self.rows = np.repeat(np.array(rows, np.float32)[:, None], len(RIG.joints), 1)
        self.asked: list[int] = []
        self.watched: list[int] = []

    def predict(self, observation: Observation) -> ActionChunk:
        self.asked.append(observation.time_ns)
        return ActionChunk(self.rows, observation.time_ns, RIG.period_ns)

    def observe(self, observation: Observation) -> None:
        self.watched.append(observation.time_ns)

    def reset(self) -> None:
        self.asked.clear()


@pytest.fixture(scope="module")
def world() -> World:
    return World(RIG)


def test_a_policy_that_can_do_it_is_told_so_and_one_that_does_nothing_too(world: World) -> None:
    able = drive(Driver(ScriptedHuman(), OpenLoop(1), RIG), world, episodes=2)
    assert (able.held.count, able.success.count, able.crash.count, able.stall.count) == (2, 2, 0, 0)
    assert [part.count for part in able.milestones.values()] == [2] * 5
    idle = drive(Driver(Constant([0.0]), OpenLoop(1), RIG), world, episodes=1, steps=200)
    assert (idle.held.count, idle.crash.count, idle.stall.count) == (0, 0, 1)
    assert (able + idle).held.of == 3


def test_numbers_that_are_not_finite_are_a_crash(world: World) -> None:
    broken = drive(Driver(Constant([np.nan]), OpenLoop(1), RIG), world, episodes=1)
    assert broken.crash.count == 1
    assert broken.outcomes[0].crash == "action not finite"


def test_the_same_seed_is_the_same_start(world: World) -> None:
    driver = Driver(Constant([0.0]), OpenLoop(1), RIG)
    cubes: list[list[float]] = []

    def look(index: int, observation: Observation, *rest: object) -> None:
        if index == 0:
            cubes.append(observation.objects["cube"].tolist())

    drive(driver, world, episodes=2, seed=0, steps=1, on_step=look)
    drive(driver, world, episodes=1, seed=1, steps=1, on_step=look)
    assert cubes[1] == cubes[2] != cubes[0]


def test_the_driver_never_exceeds_the_velocity_limit_and_forgets_between_episodes() -> None:
    driver = Driver(Constant([1.0, 1.0]), Ensemble(len(RIG.joints), 2), RIG)
    for _ in range(2):
        driver.restart()
        action = driver.act(Observation(RIG.start, 0))
        assert (np.abs(action - RIG.start) <= RIG.velocity * 0.02 + 1e-6).all()


def test_an_open_loop_asks_the_policy_once_a_chunk_and_lets_it_watch_in_between() -> None:
    policy = Constant([0.0, 0.0, 0.0])
    driver = Driver(policy, OpenLoop(3), RIG, every=3)
    for step in range(7):
        driver.act(Observation(RIG.start, step * RIG.period_ns))
    assert [asked // RIG.period_ns for asked in policy.asked] == [0, 3, 6]
    assert [watched // RIG.period_ns for watched in policy.watched] == [1, 2, 4, 5]


def test_a_film_is_a_grid_of_cameras() -> None:
    images = [np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30)]
    whole = grid([*images[:2], np.full((8, 12, 3), 30, np.uint8)])
    assert whole.shape == (8, 12, 3)
    assert [whole[0, 0, 0], whole[0, 6, 0], whole[4, 0, 0], whole[4, 6, 0]] == [10, 20, 30, 0]


def test_from_demonstrations_to_figures_and_a_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = with_cameras(RIG, ("cam_high", "cam_low"), (48, 64))
    collect(tmp_path / "data", small, episodes=1)
    train("bc", (tmp_path / "data",), out=tmp_path / "run", preset="tiny-image", steps=2, batch=4)
    capsys.readouterr()
    evaluation = evaluate(
        tmp_path / "run", episodes=1, json=True, video=tmp_path / "film.mp4", execution="receding", execute=5
    )
    told = json.loads(capsys.readouterr().out)
    assert told["execution"] == {"how": "receding", "execute": 5}
    assert told["identity"] == identity(read_description(tmp_path / "run"))
    assert (told["weights"], told["step"], told["precision"]) == ("last", 2, "fp32")
    assert told["held"] == {"count": 0, "of": 1, "rate": 0.0, "low": 0.0, "high": evaluation.held.high}
    assert told["outcomes"][0]["seed"] == evaluation.outcomes[0].seed >= 1_000_000
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == evaluation.outcomes[0].steps
    assert (film.get(cv2.CAP_PROP_FRAME_WIDTH), film.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (128, 48)
    with pytest.raises(BadInput, match=r"--execute 51: chunks of .* have 50 steps; allowed: 1 to 50"):
        evaluate(tmp_path / "run", execution="receding", execute=51)
    (tmp_path / "run/checkpoint/best.safetensors").unlink(missing_ok=True)
    with pytest.raises(BadInput, match=r"no checkpoint was the best: .* use --weights last"):
        evaluate(tmp_path / "run", weights="best")
    with pytest.raises(BadInput, match="at least 1"):
        evaluate(tmp_path / "run", episodes=0)
    with pytest.raises(BadInput, match=r"must end in \.mp4"):
        evaluate(tmp_path / "run", episodes=1, video=tmp_path / "film.gif")
    with pytest.raises(BadInput, match="no task 'stack'"):
        evaluate(tmp_path / "run", task="stack")


def test_a_table_tells_what_was_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    collect(tmp_path / "data", with_cameras(RIG, ()), episodes=1)
    train("bc", (tmp_path / "data",), out=tmp_path / "run", steps=3, batch=4)
    tensors, _ = load_tensors(weights_path(tmp_path / "run", "last"))

    def told(**options: Any) -> str:
        capsys.readouterr()
        evaluate(tmp_path / "run", episodes=1, **options)
        return " ".join(capsys.readouterr().out.split("┏")[0].split())

    assert told().endswith("bc, 1 fresh start last weights, step 3; ensemble, m 0.01, prefer oldest")
    save_tensors(weights_path(tmp_path / "run", "best"), tensors, {"step": "2"})
    best = told(weights="best", execution="receding", execute=7, precision="bf16")
    assert best.endswith("best weights, step 2; receding, execute 7; bf16")
    save_tensors(weights_path(tmp_path / "run", "best"), tensors, {})
    assert told(weights="best", execution="chunk").endswith("best weights; chunk"), "a file that does not tell its step"


@pytest.mark.parametrize(
    ("film", "said"),
    [("film.avi", r"must end in \.mp4"), ("no/film.mp4", "no such folder: .*no"), ("films.mp4", "is a folder")],
)
def test_a_film_that_cannot_be_is_refused_before_anything_is_driven(
    tmp_path: Path, film: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    collect(tmp_path / "data", with_cameras(RIG, ("cam_high",), (48, 64)), episodes=1)
    train("bc", (tmp_path / "data",), out=tmp_path / "run", steps=1, batch=4)
    (tmp_path / "films.mp4").mkdir()
    capsys.readouterr()
    with pytest.raises(BadInput, match=said):
        evaluate(tmp_path / "run", episodes=1, video=tmp_path / film)
    assert "evaluate" not in capsys.readouterr().out, "it began"


def test_what_a_policy_draws_follows_from_the_start_alone(tmp_path: Path) -> None:
    collect(tmp_path / "data", with_cameras(RIG, ()), episodes=1)
    train("gmm", (tmp_path / "data",), out=tmp_path / "run", steps=2, batch=4)
    drawn = Driven(tmp_path / "run", "transfer_cube", Execution("chunk"))
    policy = drawn.policy()

    def actions(*seeds: int) -> list[list[float]]:
        done: list[list[float]] = []
        with closing(World(policy.rig)) as world:
            for seed in seeds:
                drawn.drive(policy, world, seed, (), lambda index, seen, action, reached: done.append(action.tolist()))
        return done[-400:]

    assert actions(3) == actions(2, 3)
    one, two = (evaluate(tmp_path / "run", episodes=2, execution="chunk", workers=workers) for workers in (1, 2))
    assert one == two


@pytest.mark.parametrize(
    ("how", "option", "with_which"),
    [("chunk", {"execute": 5}, "receding"), ("receding", {"m": 0.1}, "ensemble"), ("chunk", {"m": 0.01}, "ensemble")],
)
def test_an_option_without_effect_is_refused(
    tmp_path: Path, how: ExecutionName, option: dict[str, Any], with_which: str
) -> None:
    with pytest.raises(BadInput, match=f"has no effect with execution {how}; allowed with {with_which}$"):
        evaluate(tmp_path, execution=how, **option)


def test_a_film_needs_a_camera(tmp_path: Path) -> None:
    blind = replace(RIG, cameras=())
    collect(tmp_path / "data", blind, episodes=1)
    train("bc", (tmp_path / "data",), out=tmp_path / "run", steps=1, batch=4)
    with pytest.raises(BadInput, match="has no camera"):
        evaluate(tmp_path / "run", episodes=1, video=tmp_path / "film.mp4")
