"""The format is zarr v3: zarr-python, knowing nothing of the writer, reads the same values and pixels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import zarr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recorded import START_NS, info_of, record, step_of
from zarr.storage import LocalStore

from il_robot.episodes.columns import columns
from il_robot.episodes.jpeg_codec import JpegCodec, decode, encode
from il_robot.episodes.layout import CameraInfo, Validity
from il_robot.episodes.reader import Episode
from il_robot.episodes.shard import images_metadata, shard_path
from il_robot.episodes.writer import EpisodeWriter
from il_robot.types import Frame

FRAME = st.sampled_from(["fresh", "fresh", "repeated", "missing"])


@settings(max_examples=25, deadline=None)
@example(sizes=[(1, 1)], joints=1, pattern=["fresh", "missing", "repeated"], stretch=100, seed=0)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=0, max_size=3),
    joints=st.integers(1, 9),
    pattern=st.lists(FRAME, min_size=1, max_size=12),
    stretch=st.sampled_from([1, 1, 1, 30, 100]),
    seed=st.integers(0, 2**32 - 1),
)
def test_zarr_python_agrees(
    sizes: list[tuple[int, int]], joints: int, pattern: list[str], stretch: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    info = info_of(tuple((f"camera_{i}", *size) for i, size in enumerate(sizes)), joints)
    plan = pattern * stretch
    shown: dict[str, list[bytes | None]] = {name: [] for name in info.camera_names}
    with TemporaryDirectory() as folder:
        writer = EpisodeWriter.create(Path(folder), info, minimum_s=1, queue_steps=len(plan), sync_s=None)
        last: dict[str, Frame] = {}
        for t, kind in enumerate(plan):
            frames: dict[str, Frame | None] = {}
            for camera in info.cameras:
                if kind == "fresh" or (kind == "repeated" and camera.name not in last):
                    pixels = random.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
                    last[camera.name] = Frame(encode(pixels), START_NS + t, t)
                frames[camera.name] = None if kind == "missing" else last[camera.name]
                shown[camera.name].append(None if kind == "missing" else last[camera.name].jpeg)
            writer.append(step_of(info, t), frames)
        episode = Episode(writer.close())
        group = zarr.open_group(folder + f"/{episode.path.name}", mode="r")

        assert_zarrs_agrees(folder + f"/{episode.path.name}", episode)
        for column in columns(info):
            array = group[column.path]
            assert array.shape == (len(plan), *column.shape)
            assert np.array_equal(array[:], episode.array(column.path))
        for camera in info.cameras:
            images = group[f"images/{camera.name}"][:]
            assert images.shape == (len(plan), camera.height, camera.width, 3)
            for t, jpeg in enumerate(shown[camera.name]):
                if jpeg is None:
                    assert episode.validity(camera.name)[t] == Validity.MISSING
                    assert not images[t].any()
                else:
                    pixels = decode(jpeg, camera.height, camera.width)
                    assert np.array_equal(images[t], pixels)
                    assert np.array_equal(episode.image(camera.name, t), pixels)


def assert_zarrs_agrees(path: str, episode: Episode) -> None:
    """A second reader, the Rust crate zarrs, for all arrays but images, whose codec no other library has yet."""
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}):
        group = zarr.open_group(path, mode="r")
        for column in columns(episode.info):
            assert np.array_equal(group[column.path][:], episode.array(column.path)), column.path


def test_a_fresh_interpreter_needs_no_import_of_ours(tmp_path: Path) -> None:
    path = record(tmp_path, info_of(), 3)
    program = (
        "import sys, zarr; assert 'il_robot' not in sys.modules; "
        "images = zarr.open(sys.argv[1], mode='r')['images/cam_high']; "
        "print(images.shape, images.dtype, int(images[2].sum()))"
    )
    out = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    expected = int(Episode(path).image("cam_high", 2).sum(dtype=int))
    assert out.stdout.strip() == f"(3, 24, 32, 3) uint8 {expected}"


def test_zarr_python_writes_what_we_read(tmp_path: Path) -> None:
    """The same shards, written by zarr-python through the registered codec, are read by our reader."""
    path = record(tmp_path, info_of(), 4)
    camera = CameraInfo("cam_high", 24, 32)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), dtype=np.uint8)
    shard_path(path, "cam_high", 0).unlink()
    array = zarr.open_array(LocalStore(path / "images" / "cam_high"), mode="r+")
    assert array.metadata.to_dict()["shape"] == tuple(images_metadata(camera, 4)["shape"])
    array[:] = pixels
    episode = Episode(path)
    for t in range(4):
        assert np.array_equal(episode.image("cam_high", t), decode(encode(pixels[t]), 24, 32))


def test_zarr_sees_a_flipped_bit_too(tmp_path: Path) -> None:
    path = record(tmp_path, info_of(), 3)
    offset = int(Episode(path)._index("cam_high", 0)[1, 0])
    with shard_path(path, "cam_high", 0).open("r+b") as file:
        file.seek(offset + 300)
        byte = file.read(1)
        file.seek(offset + 300)
        file.write(bytes([byte[0] ^ 1]))
    images = zarr.open_group(str(path), mode="r")["images/cam_high"]
    with pytest.raises(ValueError, match="checksum"):
        images[1]
    assert np.array_equal(images[2], Episode(path).image("cam_high", 2))


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"quality": 0}, "quality 0 is not in 1..100"),
        ({"quality": "high"}, "quality 'high'"),
        ({"encoded_color_space": "rgb"}, "only encoded_color_space ycbcr"),
    ],
)
def test_the_codec_refuses_what_it_cannot_do(configuration: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JpegCodec.from_dict({"name": "jpeg", "configuration": configuration})  # type: ignore[dict-item]


def test_the_codec_survives_its_own_json() -> None:
    codec = JpegCodec(quality=77)
    assert JpegCodec.from_dict(codec.to_dict()) == codec


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 60), width=st.integers(1, 60), level=st.integers(0, 255))
def test_flat_colours_survive_jpeg(height: int, width: int, level: int) -> None:
    image = np.full((height, width, 3), level, np.uint8)
    assert np.abs(decode(encode(image), height, width).astype(int) - level).max() <= 2


def test_damaged_jpeg_is_an_error_never_grey_pixels() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    jpeg = encode(noise)
    for bad in (jpeg[: len(jpeg) // 2], b"", b"not a jpeg"):
        with pytest.raises(ValueError):
            decode(bad, 48, 64)
    with pytest.raises(ValueError, match="64x48 where 32x48 belongs"):
        decode(jpeg, 48, 32)
