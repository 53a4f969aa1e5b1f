"""The commands ``il-robot dataset import aloha | lerobot`` and ``export aloha | lerobot | mcap``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from il_robot.counted import counted
from il_robot.episodes.answer import AsJson, answer, left_out_lines, progress_bar
from il_robot.episodes.conversion.aloha_export import export_aloha_file, refuse_other_joints, write_limit_s
from il_robot.episodes.conversion.aloha_import import AlohaSettings, aloha_files, cpu_limit_s, import_aloha_file
from il_robot.episodes.conversion.aloha_layout import Channels, GripperConvention
from il_robot.episodes.conversion.intake import credible_fps
from il_robot.episodes.conversion.isolation import Isolated
from il_robot.episodes.conversion.lerobot_export import LerobotWriter
from il_robot.episodes.conversion.lerobot_import import LerobotSettings, import_lerobot
from il_robot.episodes.conversion.lerobot_layout import Images
from il_robot.episodes.conversion.library import library
from il_robot.episodes.conversion.mcap_export import export_mcap_file
from il_robot.episodes.conversion.outlet import Export, appearing, chosen_episodes
from il_robot.episodes.layout import Outcome
from il_robot.episodes.location import local_folder
from il_robot.episodes.reader import Episode
from il_robot.episodes.staging import clear_remains
from il_robot.errors import BadInput

Jpeg = Annotated[int | None, tyro.conf.arg(name="jpeg")]


def import_aloha(
    source: Positional[Path],
    out: Positional[Path],
    /,
    fps: float = 50.0,
    task: str = "",
    operator: str = "",
    grippers: GripperConvention = "auto",
    channels: Channels = "rgb",
    quality: int = 95,
    as_json: AsJson = False,
) -> int:
    """Add ALOHA HDF5 files to a dataset, one episode each; started again, it leaves out what is there already.

    An ALOHA file has no stamps: they are computed from --fps and marked as such.

    For example:

        il-robot dataset import aloha recordings/aloha data/aloha --task "open the bag"
        il-robot dataset import aloha episode_0.hdf5 data/aloha --fps 30 --grippers ros2

    Args:
        source: an HDF5 file, or a folder of them.
        out: the dataset to make or to add to.
        fps: steps per second of the recording.
        task: what was demonstrated.
        operator: who demonstrated it.
        grippers: whose constants scaled the observed grippers: original (also Mobile ALOHA), ros2 (Interbotix's port),
            opening (they are openings already), auto (opening in simulation, else original).
        channels: colour order of the images as the original's loader gives them.
        quality: of the JPEGs made from images that are not stored as such.
        as_json: print JSON for a script instead of a line.
    """
    _check_quality("--quality", quality)
    credible_fps(fps, "--fps")
    files, out = aloha_files(source), local_folder(out, "import")
    settings = AlohaSettings(fps, task, operator, grippers, channels, quality)
    library("h5py")
    clear_remains(out)
    with progress_bar("importing", len(files)) as advance, Isolated() as child:
        imported = 0
        for file in files:
            imported += child.call(cpu_limit_s(file), file, import_aloha_file, file, out, settings)
            advance()
    return _say_imported(out, imported, len(files), as_json)


def import_lerobot_dataset(
    source: Positional[Path],
    out: Positional[Path],
    /,
    degrees: bool = False,
    gripper: tuple[float, float] = (0.0, 1.0),
    quality: int = 95,
    as_json: AsJson = False,
) -> int:
    """Add the episodes of a LeRobot v3 dataset to a dataset; started again, it leaves out what is there already.

    Its stamps are computed, not measured, and marked as such; joint limits become what the recordings reach.

    For example:

        il-robot dataset import lerobot downloads/aloha_coffee data/coffee
        il-robot dataset import lerobot downloads/so101 data/so101 --degrees --gripper 0 100

    Args:
        source: the folder of the dataset (the one that holds meta/info.json).
        out: the dataset to make or to add to.
        degrees: joints are in degrees there, not in radians.
        gripper: what stands there for a closed and for an open gripper.
        quality: of the JPEGs made from video frames.
        as_json: print JSON for a script instead of a line.
    """
    _check_quality("--quality", quality)
    if gripper[0] == gripper[1]:
        raise BadInput(f"gripper {gripper[0]:g} {gripper[1]:g}: closed and open must differ")
    out = local_folder(out, "import")
    clear_remains(out)
    with progress_bar("importing", None) as advance:
        imported, there = import_lerobot(source, out, LerobotSettings(degrees, *gripper, quality), advance)
    return _say_imported(out, imported, there, as_json)


def export_aloha(
    dataset: Positional[Path],
    out: Positional[Path],
    /,
    grippers: GripperConvention = "auto",
    jpeg: Jpeg = None,
    outcome: Outcome | None = None,
    as_json: AsJson = False,
) -> int:
    """Write a dataset as ALOHA HDF5 files that the original loaders take: OUT/episode_0.hdf5, ...

    Exit code 1: episodes that are not complete, not readable or damaged were left out.

    For example:

        il-robot dataset export aloha data/cube exported/cube
        il-robot dataset export aloha data/cube exported/cube --jpeg 90 --outcome success

    Args:
        dataset: the dataset.
        out: folder to make.
        grippers: whose constants scale the observed grippers: original, ros2, opening (as they are), auto (opening in
            simulation, else original).
        jpeg: store JPEGs of this quality, as Mobile ALOHA does, instead of raw images.
        outcome: only episodes of this outcome.
        as_json: print JSON for a script instead of a line.
    """
    if jpeg is not None:
        _check_quality("--jpeg", jpeg)
    export = chosen_episodes(dataset, outcome)
    for episode in export.episodes:
        refuse_other_joints(episode)
    library("h5py")
    with appearing(out, dataset) as folder, Isolated(writes=True) as child:

        def write(number: int, episode: Episode) -> None:
            file = folder / f"episode_{number}.hdf5"
            # In a child, for where the disk fails the HDF5 library can crash, some of it only when its process ends.
            child.call(write_limit_s(episode), out / file.name, export_aloha_file, episode, file, grippers, jpeg)

        export.write_each(dataset, write)
    return _say_exported(out, export, as_json, fills=True)


def export_lerobot_dataset(
    dataset: Positional[Path],
    out: Positional[Path],
    /,
    images: Images = "h264",
    outcome: Outcome | None = None,
    as_json: AsJson = False,
) -> int:
    """Write a dataset as a LeRobot v3 dataset: LeRobotDataset("any/name", root=OUT).

    Exit code 1: episodes that are not complete, not readable or damaged were left out.

    For example:

        il-robot dataset export lerobot data/cube exported/cube_lerobot
        il-robot dataset export lerobot data/cube exported/cube_lerobot --images jpeg

    Args:
        dataset: the dataset.
        out: folder to make.
        images: h264 or av1 video, or the stored JPEGs byte for byte (larger, no second loss, any size).
        outcome: only episodes of this outcome.
        as_json: print JSON for a script instead of a line.
    """
    export = chosen_episodes(dataset, outcome)
    with appearing(out, dataset) as folder:
        writer = LerobotWriter(export.episodes, folder, images)
        export.write_each(dataset, writer.add)
        writer.finish()
    return _say_exported(out, export, as_json, fills=True)


def export_mcap(
    dataset: Positional[Path],
    out: Positional[Path],
    /,
    outcome: Outcome | None = None,
    as_json: AsJson = False,
) -> int:
    """Write a dataset as ROS 2 bags, one MCAP file per episode, for Foxglove and `ros2 bag play`.

    Exit code 1: episodes that are not complete, not readable or damaged were left out.

    For example:

        il-robot dataset export mcap data/cube exported/bags
        ros2 bag play exported/bags/20260101T120000_000.mcap

    Args:
        dataset: the dataset.
        out: folder to make.
        outcome: only episodes of this outcome.
        as_json: print JSON for a script instead of a line.
    """
    export = chosen_episodes(dataset, outcome)
    library("mcap_ros2.writer")
    with appearing(out, dataset) as folder:
        export.write_each(dataset, lambda _, episode: export_mcap_file(episode, folder / f"{episode.id}.mcap"))
    return _say_exported(out, export, as_json, fills=False)


def _check_quality(option: str, quality: int) -> None:
    if not 1 <= quality <= 100:
        raise BadInput(f"{option} {quality}; allowed: 1 to 100")


def _say_imported(out: Path, imported: int, there: int, as_json: bool) -> Literal[0]:
    data = {"dataset": out, "imported": imported, "already_there": there - imported}
    answer(as_json, data, f"{out}: {counted(imported, 'episode')} imported, {there - imported} there already")
    return 0


def _say_exported(out: Path, export: Export, as_json: bool, *, fills: bool) -> int:
    """``fills``: the format knows no missing frame, so that each shows the one before. Returns the exit code."""
    data = {"folder": out, "episodes": [episode.id for episode in export.episodes], "left_out": export.left_out}
    text = f"{out}: {counted(len(export.episodes), 'episode')}"
    if fills:
        missing = data["missing_frames_filled"] = export.missing_frames
        if missing:
            shown = f"{counted(missing, 'missing frame')} shown as the one before"
            text += f"; {shown}: only what il-robot carries along marks them"
    answer(as_json, data, "\n".join([*left_out_lines(export.left_out), text]))
    return 1 if export.left_out else 0
