"""What the arguments name, looked at before any process starts: a wrong folder or device must not be found out by a
process of the run while arms already move."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from calibration.rig_file import load_rig
from hardware.errors import in_words
from hardware.log_folder import first_there, no_place_for_logs, unwritable
from hardware.wiring import load_wiring
from il_robot.counted import few
from il_robot.episodes.dataset import episode_folders
from il_robot.episodes.layout import EpisodeInfo, episode_info
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, Fault, one_of
from il_robot.rig import Rig
from il_robot.training.run_folder import CONFIG, WEIGHTS, check_weights_there, why_no_run
from il_robot_ros.graph_parts import PEDAL_LINK
from il_robot_ros.graph_process import Process, Value


def check_inputs(processes: Sequence[Process]) -> None:
    """Raises BadInput for the first folder or file that a process of the run could not use, Fault for a rig's devices
    that are not there."""
    if wrong := no_place_for_logs():
        raise BadInput(wrong)
    given = {process.name: process.parameters for process in processes}
    for name, check in CHECKS.items():
        if name in given:
            check(given[name])


def _check_rig(given: Mapping[str, Value]) -> None:
    name = str(given["rig"])
    wiring, _ = load_wiring(_rig(given), name)
    devices = [arm.port for arm in wiring.arms.values()]
    devices += [camera.device for camera in wiring.cameras.values() if camera.device.startswith("/dev/")]
    if missing := [device for device in devices if not Path(device).exists()]:
        asked = "is it plugged in" if len(missing) == 1 else "are they plugged in"
        raise Fault(f"rig {name}: no {few(missing)}; {asked}? il-robot doctor --rig {name} says more")


def _check_pedal(given: Mapping[str, Value]) -> None:
    """A device that the rig names is the pedal process's to wait for; one that somebody typed is there or mistyped."""
    device = str(given["device"])
    if device == "keyboard" and not _has_terminal():
        raise BadInput("pedal:=keyboard: no terminal here; start it in a terminal, in the foreground")
    if not device.startswith("/") or Path(device).name.startswith(PEDAL_LINK):
        return
    try:
        port = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        raise BadInput(f"pedal:={device}: {in_words(error)}") from None
    is_serial = os.isatty(port)
    os.close(port)
    if not is_serial:
        raise BadInput(f"pedal:={device}: not a serial port")


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _check_recorder(given: Mapping[str, Value]) -> None:
    """Whether the dataset is a folder that can be written, and of the same kind of episodes if it holds any."""
    if "://" in str(given["dataset"]):
        raise BadInput(f"dataset:={given['dataset']}: a URL is for reading only; allowed: a folder on this machine")
    dataset = Path(str(given["dataset"]))
    if dangling := next(
        (path for path in (dataset, *dataset.parents) if path.is_symlink() and not path.exists()), None
    ):
        raise BadInput(f"dataset:={dataset}: {dangling} is a link to {dangling.readlink()}, and that is not there")
    there = first_there(dataset)
    if not there.is_dir():
        raise BadInput(f"dataset:={dataset}: {there} is a file; allowed: a folder, which is made if there is none")
    if (there / "zarr.json").exists():
        raise BadInput(
            f"dataset:={dataset}: {there} is an episode; allowed: a folder of episodes, such as {there.parent}"
        )
    if why := unwritable(there):
        where = "this folder" if there == Path() else there
        raise BadInput(f"dataset:={dataset}: {where} cannot be written: {why}")
    if theirs := _newest(dataset):
        _check_same_kind(dataset, theirs, episode_info(_rig(given)))


def _check_same_kind(dataset: Path, theirs: EpisodeInfo, ours: EpisodeInfo) -> None:
    for what, old, new in (
        ("joints", theirs.joint_names, ours.joint_names),
        ("rate", (f"{theirs.fps:g} Hz",), (f"{ours.fps:g} Hz",)),
        ("cameras", _sizes(theirs), _sizes(ours)),
        ("objects", theirs.objects, ours.objects),
    ):
        if old != new:
            raise BadInput(
                f"dataset:={dataset}: its episodes have other {what}: {_odd(old, new)}, where rig {ours.rig} "
                f"has {_odd(new, old)}; name another folder"
            )


def _odd(these: tuple[str, ...], those: tuple[str, ...]) -> str:
    """What only these have."""
    odd = [name for name in these if name not in those]
    return few(odd) or ("none such" if len(these) < len(those) else "them in another order")


def _newest(dataset: Path) -> EpisodeInfo | None:
    """What the newest episode that can be read is; None when none can."""
    with contextlib.suppress(BadInput):  # there is no dataset yet
        for folder in reversed(episode_folders(dataset)):
            with contextlib.suppress(BadInput):
                return Episode(folder).info
    return None


def _sizes(info: EpisodeInfo) -> tuple[str, ...]:
    return tuple(f"{camera.name} {camera.width}x{camera.height}" for camera in info.cameras)


def _check_policy(given: Mapping[str, Value]) -> None:
    run = Path(str(given["run"]))
    if not (run / CONFIG).is_file():
        raise BadInput(f"policy:={run}: {why_no_run(run)}")
    check_weights_there(run, one_of("weights", str(given["weights"]), WEIGHTS), "weights:=last")


def _check_replay(given: Mapping[str, Value]) -> None:
    check_replayable(Episode(Path(str(given["episode"]))), _rig(given))


def check_replayable(episode: Episode, rig: Rig) -> None:
    """Raises BadInput when the actions of an episode cannot be sent to this rig."""
    info = episode.info
    if info.joint_names != rig.joint_names:
        odd = sorted(set(info.joint_names) ^ set(rig.joint_names))
        differ = f": {few(odd)}" if odd else ", in their order"
        raise BadInput(f"{episode.path}: recorded on another rig ({info.rig}) than {rig.name}; joints differ{differ}")
    if info.fps != rig.rate_hz:
        raise BadInput(f"{episode.path}: recorded at {info.fps:g} Hz; rig {rig.name} runs at {rig.rate_hz:g} Hz")
    if not episode.steps:
        raise BadInput(f"{episode.path}: has no steps to replay")


def _rig(given: Mapping[str, Value]) -> Rig:
    return load_rig(str(given["rig"]))


CHECKS: Mapping[str, Callable[[Mapping[str, Value]], None]] = {
    "policy": _check_policy,
    "replay": _check_replay,
    "recorder": _check_recorder,
    "pedal": _check_pedal,
    "arms": _check_rig,
}
"""By process; what is typed goes before what is plugged in."""
