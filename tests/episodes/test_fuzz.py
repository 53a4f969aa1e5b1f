"""Thousands of damaged files: no traceback, no hang, and no wrong value where a checksum covers it."""

from __future__ import annotations

import json
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import info_of, record
from recorder_process import unfinished

from il_robot.episodes import jpeg_codec
from il_robot.episodes.columns import columns
from il_robot.episodes.layout import ATTRIBUTE
from il_robot.episodes.reader import Episode
from il_robot.episodes.recovery import recover
from il_robot.episodes.summary import summarise
from il_robot.episodes.validation import validate_episode
from il_robot.errors import BadInput, IlRobotError

INFO = info_of((("cam_high", 24, 32), ("cam_wrist", 17, 33)))
STEPS = 12


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("dataset"), INFO, STEPS)


def everything(path: Path) -> dict[str, Any]:
    """Every value of the episode that can be read, by name; what is refused is left out."""
    values: dict[str, Any] = {}
    try:
        episode = Episode(path)
    except BadInput:
        return values
    for column in columns(episode.info):
        try:
            values[column.path] = episode.array(column.path)
        except BadInput:
            continue
    for camera in episode.info.camera_names:
        for t in range(min(STEPS, episode.recorded.steps)):
            try:
                values[f"{camera} {t}"] = episode.image(camera, t)
            except BadInput:
                continue
    return values


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Flipped bits, a cut, a doubled piece or zeros."""
    data = bytearray(raw)
    kind, at = chance.randrange(5), chance.randrange(len(data))
    if kind <= 1:
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        data[at:at] = data[: chance.randrange(1, 64)]
    else:
        end = min(len(data), at + chance.randrange(1, 200))
        data[at:end] = bytes(end - at)
    return bytes(data)


def test_damaged_data_is_refused_never_misread(path: Path) -> None:
    """Arrays and shards: 1500 mutations; whatever is still read is right."""
    whole, chance = everything(path), random.Random(1)
    assert len(whole) == len(columns(INFO)) + 2 * STEPS
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.name != "zarr.json"]
    refused = 0
    for _ in range(1500):
        file = chance.choice(files)
        raw = file.read_bytes()
        changed = mutated(raw, chance)
        file.write_bytes(changed)
        values = everything(path)
        file.write_bytes(raw)
        refused += len(values) < len(whole)
        for name, value in values.items():
            assert np.array_equal(value, whole[name]), f"{file}: {name} was misread"
    assert refused > 1000


def test_damaged_attributes_are_refused_or_harmless(path: Path) -> None:
    """The group's attributes: 1500 mutations; an error is one line, and validation finishes."""
    file, chance = path / "zarr.json", random.Random(2)
    raw = file.read_bytes()
    for i in range(1500):
        file.write_bytes(mutated(raw, chance))
        everything(path)
        if i % 10 == 0:
            validate_episode(path)
    file.write_bytes(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_in_any_place_is_refused_or_harmless(path: Path, data: st.DataObject) -> None:
    file = path / "zarr.json"
    raw = file.read_text()
    group = json.loads(raw)
    place: Any = group["attributes"][ATTRIBUTE]
    while True:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(JSON)
        break
    file.write_text(json.dumps(group))
    try:
        everything(path)
        validate_episode(path)
        try:
            summarise(path.parent)
        except BadInput as error:
            assert "\n" not in str(error)
    finally:
        file.write_text(raw)


def test_a_key_with_a_line_break_is_told_in_one_line(path: Path) -> None:
    file = path / "zarr.json"
    raw = file.read_text()
    group = json.loads(raw)
    group["attributes"][ATTRIBUTE]["info"]["a\nb"] = None
    file.write_text(json.dumps(group))
    with pytest.raises(BadInput) as refused:
        Episode(path)
    file.write_text(raw)
    assert "\n" not in str(refused.value)


def test_a_damaged_journal_never_breaks_recovery(tmp_path: Path) -> None:
    chance = random.Random(3)
    source = unfinished(tmp_path, 12)
    files = {file: file.read_bytes() for file in sorted(source.rglob("*")) if file.is_file()}
    for _ in range(60):
        for file, raw in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(raw)
        file = chance.choice([f for f in files if f.name in ("journal.rows", "0")])
        file.write_bytes(mutated(files[file], chance))
        try:
            result = recover(source)
        except IlRobotError as error:
            assert "\n" not in str(error)
            continue
        assert result.steps <= 12
        if result.state == "recovered":
            assert Episode(source).steps == result.steps
            assert [f.kind for f in validate_episode(source) if f.kind == "checksum"] == []


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Whatever asks for gigabytes now fails."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 500_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def test_lies_about_sizes_cost_no_memory(tmp_path: Path, little_memory: None) -> None:
    path = record(tmp_path, INFO, 5)
    text = (path / "zarr.json").read_text()
    for old, new in (('"steps": 5', '"steps": 4000000000000'), ('"height": 24', '"height": 60000')):
        (path / "zarr.json").write_text(text.replace(old, new).replace('"width": 32', '"width": 60000'))
        everything(path)
        assert validate_episode(path)
        with pytest.raises(BadInput):
            Episode(path).images("cam_high", range(5))


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=300), cut=st.integers(0, 700), seed=st.integers(0, 2**32))
def test_the_jpeg_decoder_raises_one_kind_of_error(raw: bytes, cut: int, seed: int) -> None:
    good = jpeg_codec.encode(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    for data in (raw, good[:cut] + raw, mutated(good, random.Random(seed))):
        try:
            image = jpeg_codec.decode(data, 24, 32)
        except ValueError:
            continue
        assert image.shape == (24, 32, 3)
