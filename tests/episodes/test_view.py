"""The Rerun view: a file that Rerun's own reader gives back value for value where Rerun is installed, else one line."""

from __future__ import annotations

import importlib.util
import socket
import sys
from pathlib import Path
from typing import Any

import bimanual
import numpy as np
import pytest
import zarr

from il_robot.cli import main
from il_robot.episodes import view
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode

RERUN = importlib.util.find_spec("rerun") is not None


def read_back(file: Path) -> dict[str, list[tuple[int, Any]]]:
    """Entity -> (time [ns], first value) of every row, as Rerun reads the file."""
    pyarrow, chunk = pytest.importorskip("pyarrow"), pytest.importorskip("rerun.chunk")
    found: dict[str, list[tuple[int, Any]]] = {}
    for part in chunk.RrdReader(file).stream().to_chunks():
        batch = part.to_record_batch()
        if "time" not in batch.schema.names:
            continue  # The recording's own properties.
        value = next(name for name in batch.schema.names if name.endswith((":scalars", ":blob", ":text")))
        times = batch["time"].cast(pyarrow.int64()).to_pylist()
        rows = [(time, values[0]) for time, values in zip(times, batch[value].to_pylist(), strict=True)]
        found.setdefault(str(part.entity_path).lstrip("/"), []).extend(rows)
    return {entity: sorted(rows, key=lambda row: row[0]) for entity, rows in found.items()}


def test_view_without_rerun_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if RERUN:
        pytest.skip("Rerun is installed")
    episode = bimanual.dataset(tmp_path / "data", 1) / "ep_0.zarr"
    assert main(["dataset", "view", str(episode), "--out", str(tmp_path / "episode.rrd")]) == 2
    assert capsys.readouterr().err == "error: this needs rerun: pip install 'il-robot[view]'\n"


@pytest.mark.skipif(not RERUN, reason="Rerun is not installed")
@pytest.mark.skipif(sys.platform != "linux", reason="only there a variable tells of a display")
def test_view_without_a_display_says_what_to_do(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(view, "_VIEWER", free.getsockname())
        episode = bimanual.dataset(tmp_path / "data", 1) / "ep_0.zarr"
        assert main(["dataset", "view", str(episode)]) == 2
    told = capfd.readouterr().err
    assert told.startswith("error: no display") and "--out FILE.rrd" in told and told.count("\n") == 1


@pytest.mark.skipif(not RERUN, reason="Rerun is not installed")
def test_a_number_that_is_no_mode_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bimanual.dataset(tmp_path / "data", 1) / "ep_0.zarr"
    zarr.open_array(str(path / "control/mode"), mode="r+")[3] = 9
    assert main(["dataset", "view", str(path), "--out", str(tmp_path / "episode.rrd")]) == 2
    assert capsys.readouterr().err == f"error: {path}: step 3: 9 is no mode; allowed: -1 to 2\n"


@pytest.mark.parametrize("clock", ["system", "simulated"])
@pytest.mark.skipif(not RERUN, reason="Rerun is not installed")
def test_everything_is_on_one_time_line(tmp_path: Path, clock: str) -> None:
    path = bimanual.dataset(tmp_path / "data", 1, clock=clock) / "ep_0.zarr"
    assert main(["dataset", "view", str(path), "--out", str(tmp_path / "new" / "episode.rrd")]) == 0
    found, episode = read_back(tmp_path / "new" / "episode.rrd"), Episode(path)
    ticks = episode.step_ns.tolist()
    vectors = {
        "position": episode.qpos,
        "action": episode.action,
        "asked": episode.action_asked,
        "velocity": episode.qvel,
        "effort": episode.effort,
    }
    expected = {
        f"{joint}/{name}": values[:, j]
        for name, values in vectors.items()
        for j, joint in enumerate(episode.info.joint_names)
    }
    expected |= {"control/mode": episode.mode, "control/intervention": episode.intervention}
    expected |= {"control/gate": episode.gate}
    for entity, values in expected.items():
        times, numbers = zip(*found.pop(entity), strict=True)
        assert list(times) == ticks, entity
        assert np.array_equal(numbers, values), entity
    assert [text for _, text in found.pop("control/driver")] == ["robot", "human", "robot"]
    for c, camera in enumerate(episode.info.camera_names):
        fresh = np.flatnonzero(episode.validity(camera) == Validity.FRESH).tolist()
        shown = found.pop(f"cameras/{camera}")
        assert [time for time, _ in shown] == episode.camera_ns[fresh, c].tolist()
        assert [bytes(blob) for _, blob in shown] == [episode.frame_jpeg(camera, t) for t in fresh]
    assert not found, "nothing else"
