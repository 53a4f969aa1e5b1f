"""What cannot be learned from, or does not fit, is one line before anything is trained."""

from __future__ import annotations

import errno
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from demonstrations import RIG, demonstrate

from il_robot.cli import main
from il_robot.episodes.shard import shard_path
from il_robot.errors import BadInput, Fault, unread
from il_robot.rig import Arm, Joint
from il_robot.training.damaged import told_to_prune
from il_robot.training.description import read_description
from il_robot.training.memory import told_memory
from il_robot.training.recipe import Augmentation
from il_robot.training.train import Computing, train
from il_robot.types import Mode

LEFT = Arm("left", (Joint("waist", -3, 3, 3), Joint("gripper", 0, 1, 5)))
SWAPPED = replace(RIG, arms=RIG.arms[::-1])
ANOTHER = replace(RIG, arms=(LEFT, Arm("right", (Joint("elbow", -3, 3, 3),))))
BLIND = replace(RIG, cameras=RIG.cameras[1:])
UNAWARE = replace(RIG, objects=())


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    demonstrate(tmp_path / "one", "one", 8)
    return tmp_path / "one"


def refused(told: str, *datasets: Path, out: Path, **settings: object) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        train("bc", datasets, out=out, **{"chunk_size": 2, "steps": 1, **settings})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not out.exists()


@pytest.mark.parametrize("rig", [SWAPPED, ANOTHER], ids=["other order", "other joints"])
def test_datasets_of_other_joints_do_not_mix(dataset: Path, tmp_path: Path, rig: object) -> None:
    other = tmp_path / "other"
    demonstrate(other, "other", 8, rig=rig)  # type: ignore[arg-type]
    refused("its joints .* differ from", dataset, other, out=tmp_path / "run")


def test_a_dataset_without_a_camera_or_object_that_is_needed(dataset: Path, tmp_path: Path) -> None:
    demonstrate(tmp_path / "blind", "blind", 8, rig=BLIND)
    demonstrate(tmp_path / "unaware", "unaware", 8, rig=UNAWARE)
    looking = {"preset": "tiny-image", "out": tmp_path / "run"}
    refused("blind.zarr: has no camera 'cam_high'.*allowed: cam_low", dataset, tmp_path / "blind", **looking)  # type: ignore[arg-type]
    refused("unaware.zarr: has no object 'cube'", dataset, tmp_path / "unaware", out=tmp_path / "run")
    # What a policy does not look at may be missing.
    train("bc", (dataset, tmp_path / "blind"), out=tmp_path / "run", chunk_size=2, steps=1)


def test_the_same_dataset_twice_is_refused_however_it_is_spelt(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(dataset)
    for again in (dataset, dataset / "..", tmp_path / "link"):
        again = again / "one" if again.name == ".." else again
        refused("named twice", dataset, again, out=tmp_path / "run")


def test_windows_that_are_all_invalid(tmp_path: Path) -> None:
    demonstrate(tmp_path / "dark", "dark", 6, missing=range(6))
    demonstrate(tmp_path / "robot", "robot", 6, mode=lambda t: Mode.ROBOT)
    demonstrate(tmp_path / "failed", "failed", 6, outcome="failure")
    refused("nothing to imitate in 1 episode ", tmp_path / "dark", out=tmp_path / "run", preset="tiny-image")
    refused("nothing to imitate in 1 episode ", tmp_path / "robot", out=tmp_path / "run")
    refused("marked a failure: nothing to imitate", tmp_path / "failed", out=tmp_path / "run")


def test_a_chunk_longer_than_every_episode(dataset: Path, tmp_path: Path) -> None:
    refused("chunk size 9: allowed: 1 to 8, the length of the longest", dataset, out=tmp_path / "run", chunk_size=9)


@pytest.mark.parametrize("array", ["action", "observations/qpos", "control/mode", "observations/objects/cube"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_array_is_named_with_what_to_do(dataset: Path, tmp_path: Path, array: str, workers: int) -> None:
    (chunk,) = (file for file in (dataset / "one.zarr" / array / "c").rglob("*") if file.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-3])
    cure = r"prune the episode \(il-robot dataset validate tells of all\)$"
    refused(rf"one.zarr.*{array}.*; {cure}", dataset, out=tmp_path / "run", computing=Computing(workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_frame_is_named_with_what_to_do(dataset: Path, tmp_path: Path, workers: int) -> None:
    shard = shard_path(dataset / "one.zarr", "cam_high", 0)
    shard.write_bytes(shard.read_bytes()[:-400] + b"x" * 400)
    looking = {"cameras": ("cam_high",), "computing": Computing(workers=workers)}
    with pytest.raises(BadInput, match=r"cam_high.*: the frame at byte \d+ is damaged .*; prune the episode"):
        train("bc", (dataset,), out=tmp_path / "run", chunk_size=2, steps=1, **looking)  # type: ignore[arg-type]


def test_what_the_system_does_not_let_us_read_is_not_to_be_pruned() -> None:
    def cured(error: OSError) -> str:
        with pytest.raises(BadInput) as caught, told_to_prune():
            raise unread(error, "x.zarr: cannot be read")
        return str(caught.value)

    assert cured(OSError(errno.EMFILE, "Too many open files")) == "x.zarr: cannot be read"
    assert cured(PermissionError(errno.EACCES, "Permission denied")) == "x.zarr: cannot be read"
    assert cured(FileNotFoundError(errno.ENOENT, "No such file")).startswith(
        "x.zarr: cannot be read; prune the episode"
    )


@pytest.mark.parametrize("words", [["--shift", "0.1"], ["--hide", "0.2"], ["--set", "augmentation.colour=0.3"]])
def test_images_of_no_camera_are_not_changed(
    dataset: Path, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "bc", str(dataset), "--out", str(tmp_path / "run"), *words]) == 2
    assert re.search(r"error: \w+ 0\.\d: the policy looks at no camera; name some with", capsys.readouterr().err)
    blind = {"preset": "tiny-image", "cameras": (), "chunk_size": 2, "steps": 1}
    train("bc", (dataset,), out=tmp_path / "run", **blind)  # type: ignore[arg-type]
    assert read_description(tmp_path / "run").recipe.augmentation == Augmentation()


def test_weights_that_no_network_can_start_from_leave_no_folder(dataset: Path, tmp_path: Path) -> None:
    refused("this policy has no ResNet-18", dataset, out=tmp_path / "run", imagenet=tmp_path / "weights")
    seen = {"cameras": ("cam_high",), "set": (("vision.backbone=resnet18",),)}
    absent = tmp_path / "absent"
    refused("absent: not a safetensors file", dataset, out=tmp_path / "run", imagenet=absent, **seen)  # type: ignore[arg-type]


@pytest.mark.parametrize("history", [0, 1001])
def test_an_impossible_history(dataset: Path, tmp_path: Path, history: int) -> None:
    refused("history .*; allowed: 1 to 1000", dataset, out=tmp_path / "run", history=history)


@pytest.mark.parametrize("allocate", [lambda: torch.empty(10**15), lambda: np.empty(10**17)], ids=["torch", "numpy"])
def test_memory_that_runs_out_is_one_line(allocate: object) -> None:
    with pytest.raises(Fault, match="out of memory on cpu: try less") as caught, told_memory("cpu", "try less"):
        allocate()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shape"), told_memory("cpu", "try less"):
        torch.zeros(2).view(3)


@pytest.mark.parametrize(
    ("pose", "told"),
    [
        ([1e30, 0, 0, 1, 0, 0, 0], r"two.zarr: step 4: the pose of cube is 1e\+30 0 0 1 0 0 0, .*validate tells"),
        ([0, 0, 0, 0, 0, 0, 0], "two.zarr: step 4: the pose of cube is 0 0 0 0 0 0 0, which is no place"),
    ],
    ids=["far", "no rotation"],
)
def test_a_pose_that_cannot_be_names_episode_step_and_object(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], pose: list[float], told: str
) -> None:
    """Finite, so nothing would notice it but the deviation of the cube's place, by which all of it would be divided."""
    path = demonstrate(dataset, "two", 8)
    zarr.open_array(path, path="observations/objects/cube", mode="r+")[4] = pose
    refused(told, dataset, out=tmp_path / "run")
    main(["dataset", "validate", str(dataset)])
    assert "two step 4 cube: its pose is no place on a table, or no rotation" in capsys.readouterr().out
    # Who is not told of the cube does not mind.
    train("bc", (dataset,), out=tmp_path / "run", preset="tiny-image", size=(8, 8), chunk_size=2, steps=1)


def test_an_arm_that_was_not_heard_at_first_begins_where_it_was_heard_first(dataset: Path, tmp_path: Path) -> None:
    path = demonstrate(tmp_path / "late", "late", 8, offset=0.5)
    qpos = zarr.open_array(path, path="observations/qpos", mode="r+")
    qpos[:3, 1] = np.nan
    train("bc", (tmp_path / "late",), out=tmp_path / "run", chunk_size=2, steps=1)
    assert read_description(tmp_path / "run").rig.start[1] == pytest.approx(float(qpos[3, 1]))  # type: ignore[arg-type]
    qpos[:, 1] = np.nan
    refused(
        "late.zarr: the position of joint left_gripper is known in no step", tmp_path / "late", out=tmp_path / "new"
    )
