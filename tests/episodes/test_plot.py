"""The picture of an episode can be drawn for every kind of episode."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from recorded import frames_of, info_of, record, step_of

from il_robot.episodes import commands, plot
from il_robot.episodes.reader import Episode
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import BadInput, Fault


def test_an_episode_with_interventions_and_losses_is_drawn(tmp_path: Path) -> None:
    info = info_of((("cam_high", 24, 32), ("cam_wrist", 17, 33)))
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1, sync_s=None)
    for t in range(60):
        writer.append(step_of(info, t), frames_of(info, t) if t > 5 else {})
    path = writer.close()
    out = tmp_path / "episode.png"
    assert commands.plot(path, out) == 0
    picture = cv2.imread(str(out))
    assert picture.shape[0] > 500
    assert picture.shape[1] > 1000
    assert len(plot.joints_figure(Episode(path)).axes) == 2 * 14
    assert len(plot.cameras_figure(Episode(path)).axes) == 2 * 8


@pytest.mark.parametrize("steps", [1, 2])
def test_short_episodes_without_cameras_are_drawn(tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record(tmp_path, info_of(()), steps)
    plot.save(plot.episode_figure(Episode(path)), tmp_path / "episode.svg")
    assert (tmp_path / "episode.svg").read_text().startswith("<?xml")
    with monkeypatch.context() as here:
        here.chdir(tmp_path)
        assert commands.plot(path) == 0
    assert (tmp_path / f"{path.stem}.png").is_file()
    with pytest.raises(BadInput, match="no camera"):
        plot.cameras_figure(Episode(path))


def test_cameras_of_extreme_shapes_leave_the_page_a_page(tmp_path: Path) -> None:
    path = record(tmp_path, info_of((("cam_tall", 4000, 1), ("cam_wide", 1, 4000)), joints=2), 3)
    width, height = plot.episode_figure(Episode(path)).get_size_inches()
    assert height < 2 * width
    plot.save(plot.cameras_figure(Episode(path)), tmp_path / "cameras.png")
    assert max(cv2.imread(str(tmp_path / "cameras.png")).shape) < 2000


def test_bad_arguments_get_one_clear_line(tmp_path: Path) -> None:
    path = record(tmp_path, info_of(()), 3)
    with pytest.raises(BadInput, match="must end in"):
        commands.plot(path, tmp_path / "episode.txt")
    with pytest.raises(Fault, match="No such file"):
        commands.plot(path, tmp_path / "nowhere" / "episode.png")
    with pytest.raises(BadInput, match="not an episode"):
        commands.plot(tmp_path, tmp_path / "episode.png")
