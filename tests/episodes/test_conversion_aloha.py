"""ALOHA HDF5 in and out: key for key, value for value, picture for picture, and thousands of damaged files."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import bimanual
import cv2
import h5py
import numpy as np
import pytest
from bimanual import GRIPPERS, STEPS, difference
from hypothesis import given
from hypothesis import strategies as st

from il_robot.cli import main
from il_robot.episodes.conversion import library as optional
from il_robot.episodes.conversion.aloha_gripper import GRIPPERS as CONSTANTS
from il_robot.episodes.conversion.aloha_import import AlohaSettings, episode_name, import_aloha_file, opened_aloha_file
from il_robot.episodes.conversion.isolation import Isolated
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.episodes.validation import validate_dataset
from il_robot.errors import BadInput


def run(*words: str | Path) -> int:
    return main([str(word) for word in ("dataset", *words)])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bimanual.dataset(tmp_path_factory.mktemp("source"))


def write_original(file: Path, *, jpeg: bool, sim: bool = False) -> dict[str, np.ndarray]:
    """A file as the ALOHA recorder writes it; the images are RGB. Returns what is in it."""
    chance = np.random.default_rng(0)
    rows, columns = np.mgrid[0:32, 0:48]
    images = np.stack([np.stack([rows * 6, columns * 4, rows * 0 + 9 * t], -1) for t in range(STEPS)]).astype(np.uint8)
    vectors = {name: chance.uniform(0.1, 0.9, (STEPS, 14)).astype(np.float32) for name in ("qpos", "action", "effort")}
    vectors["qvel"] = np.ones((STEPS, 14), np.float32)
    vectors["qvel"][:, GRIPPERS] = 0
    with h5py.File(file, "w") as root:
        root.attrs["sim"] = sim
        for name in ("qpos", "qvel", "effort"):
            root[f"observations/{name}"] = vectors[name]
        root["action"] = vectors["action"]
        root["base_action"] = np.zeros((STEPS, 2), np.float32)
        if not jpeg:
            root["observations/images/cam_high"] = images
        else:
            root.attrs["compress"] = True
            encoded = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].reshape(-1) for image in images]
            longest = max(map(len, encoded))
            root["observations/images/cam_high"] = np.stack([np.pad(e, (0, longest - len(e))) for e in encoded])
            root["compress_len"] = np.array([[len(e) for e in encoded]], np.float32)
    return {**vectors, "images": images}


@pytest.mark.parametrize("jpeg", [False, True])
def test_an_original_file_becomes_an_episode(tmp_path: Path, jpeg: bool) -> None:
    original = write_original(tmp_path / "episode_3.hdf5", jpeg=jpeg)
    assert run("import", "aloha", tmp_path, tmp_path / "data", "--task", "pour", "--fps", "25") == 0
    episode = Episode(tmp_path / "data/episode_000003.zarr")
    arms = [j for j in range(14) if j not in GRIPPERS]
    assert np.array_equal(episode.action, original["action"])
    assert np.array_equal(episode.action_asked, original["action"])
    assert np.array_equal(episode.qpos[:, arms], original["qpos"][:, arms])
    assert np.array_equal(episode.effort, original["effort"])
    assert np.array_equal(episode.qvel[:, arms], original["qvel"][:, arms])
    assert np.isnan(episode.qvel[:, GRIPPERS]).all(), "the constant 0 that ALOHA writes there is no measurement"
    finger = CONSTANTS["original"].finger(episode.qpos[:, GRIPPERS])
    assert np.allclose(finger, original["qpos"][:, GRIPPERS], atol=1e-6)
    for t in (0, STEPS - 1):
        assert difference(episode.image("cam_high", t), original["images"][t]) < 4
    assert episode.info.synthetic_stamps and episode.info.clock == "system" and episode.info.task == "pour"
    assert np.array_equal(np.diff(episode.step_ns), np.full(STEPS - 1, 40_000_000))
    assert [finding.kind for finding in validate_dataset(tmp_path / "data") if finding.stream == "cam_high"] == []


def test_simulated_grippers_are_taken_as_they_are(tmp_path: Path) -> None:
    original = write_original(tmp_path / "episode_0.hdf5", jpeg=False, sim=True)
    import_aloha_file(tmp_path / "episode_0.hdf5", tmp_path / "data", AlohaSettings())
    episode = Dataset(tmp_path / "data")[0]
    assert np.array_equal(episode.qpos, original["qpos"])
    assert episode.info.clock == "simulated"


def test_a_jpeg_of_true_colours_stays_byte_for_byte(tmp_path: Path) -> None:
    original = write_original(tmp_path / "episode_0.hdf5", jpeg=True)
    run("import", "aloha", tmp_path, tmp_path / "data", "--channels", "bgr")
    with h5py.File(tmp_path / "episode_0.hdf5") as root:
        stored = root["observations/images/cam_high"][5].tobytes()
        length = int(root["compress_len"][0, 5])
    assert Dataset(tmp_path / "data")[0].frame_jpeg("cam_high", 5) == stored[:length]
    assert difference(Dataset(tmp_path / "data")[0].image("cam_high", 5), original["images"][5][:, :, ::-1]) < 4


def test_importing_again_adds_nothing_and_other_settings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_original(tmp_path / "episode_0.hdf5", jpeg=False)
    run("import", "aloha", tmp_path, tmp_path / "data")
    assert run("import", "aloha", tmp_path, tmp_path / "data") == 0
    assert "0 episodes imported, 1 there already" in capsys.readouterr().out
    assert run("import", "aloha", tmp_path, tmp_path / "data", "--grippers", "ros2") == 2
    assert "with other settings" in capsys.readouterr().err


def test_a_frame_that_does_not_decode_is_missing_and_shifts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "episode_0.hdf5"
    write_original(file, jpeg=True)
    with h5py.File(file, "a") as root:
        root["observations/images/cam_high"][4] = 0
    import_aloha_file(file, tmp_path / "data", AlohaSettings())
    episode = Dataset(tmp_path / "data")[0]
    assert np.flatnonzero(episode.validity("cam_high") == Validity.MISSING).tolist() == [4]
    with pytest.raises(BadInput, match="no frame at step 4"):
        episode.image("cam_high", 4)


def test_an_exported_file_is_what_the_original_loader_expects(source: Path, tmp_path: Path) -> None:
    assert run("export", "aloha", source, tmp_path / "out") == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["episode_0.hdf5", "episode_1.hdf5"]
    episode = Dataset(source)[0]
    with h5py.File(tmp_path / "out/episode_0.hdf5") as root:
        keys: list[str] = []
        root.visit(keys.append)
        keys = [key for key in keys if not key.startswith("il_robot")]  # Beside all that a loader asks for.
        images = ["observations/images", "observations/images/cam_high", "observations/images/cam_low"]
        vectors = ["observations/effort", "observations/qpos", "observations/qvel"]
        assert sorted(keys) == sorted(["action", "observations", *images, *vectors])
        assert not root.attrs["sim"] and "compress" not in root.attrs
        for key in ("action", *vectors):
            assert (root[f"/{key}"].shape, root[f"/{key}"].dtype) == ((STEPS, 14), np.float32)
        stored = root["/observations/images/cam_high"]
        assert (stored.shape, stored.dtype, stored.chunks) == ((STEPS, 48, 64, 3), np.uint8, (1, 48, 64, 3))
        assert np.array_equal(root["/action"][()], episode.action)
        assert np.array_equal(stored[0], episode.image("cam_high", 0))
        assert np.array_equal(stored[bimanual.MISSING], episode.image("cam_high", bimanual.MISSING - 1))
        finger = root["/observations/qpos"][:, GRIPPERS]
        assert not np.allclose(finger, episode.qpos[:, GRIPPERS], atol=0.01), "an observed gripper is a distance there"


def test_an_exported_compressed_file_is_what_mobile_aloha_expects(source: Path, tmp_path: Path) -> None:
    assert run("export", "aloha", source, tmp_path / "out", "--jpeg", "95", "--outcome", "success") == 0
    episode = Dataset(source)[0]
    with h5py.File(tmp_path / "out/episode_0.hdf5") as root:
        assert root.attrs["compress"]
        cameras = list(root["/observations/images"])
        assert cameras == ["cam_high", "cam_low"]
        assert root["/compress_len"].shape == (2, STEPS)
        for c, camera in enumerate(cameras):
            padded = root[f"/observations/images/{camera}"][3]
            loaded = cv2.imdecode(padded, 1)
            assert difference(loaded, episode.image(camera, 3)) < 4
            assert np.array_equal(cv2.imdecode(padded[: int(root["/compress_len"][c, 3])], 1), loaded)
    assert not (tmp_path / "out/episode_1.hdf5").exists()


@pytest.mark.parametrize("grippers", ["original", "ros2", "opening"])
@pytest.mark.parametrize("jpeg", [(), ("--jpeg", "95")])
def test_the_round_trip_keeps_values_and_pictures(
    source: Path, tmp_path: Path, grippers: str, jpeg: tuple[str, ...]
) -> None:
    run("export", "aloha", source, tmp_path / "out", "--grippers", grippers, *jpeg)
    run("import", "aloha", tmp_path / "out", tmp_path / "back", "--grippers", grippers)
    for before, after in zip(Dataset(source), Dataset(tmp_path / "back"), strict=True):
        assert np.array_equal(after.action, before.action)
        assert np.allclose(after.qpos, before.qpos, atol=2e-6)
        bimanual.assert_nothing_is_lost(before, after, "observations/qpos")
        for camera in before.info.camera_names:
            assert difference(after.image(camera, 5), before.image(camera, 5)) < 4


def test_a_rig_that_is_no_aloha_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from recorded import info_of, record

    record(tmp_path / "data", info_of(joints=6), 3)
    assert run("export", "aloha", tmp_path / "data", tmp_path / "out") == 2
    assert "14 joints" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_an_output_that_is_there_is_left_alone(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("precious")
    assert run("export", "aloha", source, tmp_path) == 2
    assert "there already" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"needs not_a_library: pip install 'il-robot\[convert\]'"):
        optional.library("not_a_library.part")


@given(st.sampled_from(["original", "ros2"]), st.floats(0, 0.94))
def test_opening_and_finger_distance_are_inverse(name: str, opening: float) -> None:
    back = CONSTANTS[name].opening(CONSTANTS[name].finger(np.array([opening], np.float32)))
    assert abs(float(back[0]) - opening) < 1e-4


def test_the_largest_difference_between_the_two_is_as_published() -> None:
    opening = np.linspace(0, 1, 1000, dtype=np.float32)
    assert abs(float(np.abs(CONSTANTS["original"].finger(opening) - opening).max()) - 0.093) < 0.002
    assert np.allclose(CONSTANTS["original"].finger(np.array([0, 1], np.float32)), [0, 1], atol=5e-3)
    assert np.allclose(CONSTANTS["ros2"].finger(np.array([0, 1], np.float32)), [-0.08, 1.33], atol=0.01)


def test_names_sort_as_numbers_do() -> None:
    assert sorted(map(episode_name, ["episode_10", "episode_9"])) == ["episode_000009", "episode_000010"]


@pytest.mark.parametrize("jpeg", [False, True])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, jpeg: bool) -> None:
    chance = random.Random(1)
    write_original(tmp_path / "whole.hdf5", jpeg=jpeg)
    whole = (tmp_path / "whole.hdf5").read_bytes()
    # Structure is a small part of the file: most flips should hit it, not the pixels.
    structure = [i for i in range(0, len(whole), 8) if whole[i : i + 4] in (b"TREE", b"SNOD", b"HEAP", b"OHDR")]
    damages = [damaged(whole, structure, chance) for _ in range(1000)]
    with Isolated() as child:
        while damages:
            # As many as it takes until one crashes the HDF5 library: then a new child goes on after it.
            (tmp_path / "begun").write_text("0")
            try:
                child.call(100, tmp_path, read_all, damages, tmp_path)
                break
            except BadInput as error:
                assert "ended by SIG" in str(error)
            damages = damages[int((tmp_path / "begun").read_text()) + 1 :]


def damaged(whole: bytes, structure: list[int], chance: random.Random) -> bytes:
    """Flipped bits, most of them near ``structure``, and sometimes a cut."""
    data = bytearray(whole)
    for _ in range(chance.randint(1, 8)):
        begin = chance.choice([0, *structure]) if chance.random() < 0.8 else chance.randrange(len(data))
        data[min(begin + chance.randrange(600), len(data) - 1)] ^= 1 << chance.randrange(8)
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


def read_all(damages: list[bytes], folder: Path) -> None:
    """Read every frame of every file, or refuse it."""
    for number, data in enumerate(damages):
        (folder / "begun").write_text(str(number))
        (folder / "damaged.hdf5").write_bytes(data)
        try:
            with opened_aloha_file(folder / "damaged.hdf5", AlohaSettings()) as incoming:
                for frames in incoming.frames:
                    assert len(frames) == len(incoming.info.cameras)
        except BadInput as error:
            assert "\n" not in str(error)


def die(how: signal.Signals) -> None:
    os.kill(os.getpid(), how)


def spin() -> None:
    while True:
        pass


def test_a_crash_or_a_hang_of_the_library_is_one_line_and_the_next_file_goes_on(tmp_path: Path) -> None:
    with Isolated() as child:
        with pytest.raises(BadInput, match=r"file.hdf5: damaged: .* ended by SIGSEGV"):
            child.call(10, Path("file.hdf5"), die, signal.SIGSEGV)
        with pytest.raises(BadInput, match="ended by SIGXCPU"):
            child.call(1, Path("file.hdf5"), spin)
        assert child.call(10, Path("file.hdf5"), abs, -3) == 3
