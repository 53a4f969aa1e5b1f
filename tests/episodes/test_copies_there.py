"""What counts as there already when datasets are copied, and what a copy leaves out is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from recorded import frames_of, image_of, info_of, record, step_of
from upath import UPath

from il_robot.cli import main
from il_robot.episodes import editing
from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import EpisodeInfo
from il_robot.episodes.sameness import same_files
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import BadInput
from il_robot.types import Frame

INFO = info_of()
Files = dict[str, bytes]


def files_of(folder: Path) -> Files:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def recording(dataset: Path, *, action: float = 0.0, shade: int = 0, name: str = "p") -> Path:
    """Two of them have the very same zarr.json, stamps and lengths, whatever was done and seen."""
    writer = EpisodeWriter.create(dataset, INFO, episode_id=name, minimum_s=1, sync_s=None)
    for t in range(10):
        step = step_of(INFO, t)
        step.action[:] += action
        seen = {
            camera: Frame(encode(image_of(24, 32, 0) // 2 + shade), frame.time_ns, frame.sequence)
            for camera, frame in frames_of(INFO, t).items()
        }
        writer.append(step, seen)
    return writer.close("success")


def unfinished(folder: Path) -> None:
    told = json.loads((folder / "zarr.json").read_text())
    told["attributes"]["il_robot"]["recorded"]["complete"] = False
    (folder / "zarr.json").write_text(json.dumps(told))


def flipped(folder: Path) -> None:
    shard = next(path for path in (folder / "images").rglob("*") if path.is_file() and path.name != "zarr.json")
    data = bytearray(shard.read_bytes())
    data[5000] ^= 1
    shard.write_bytes(data)


DAMAGES: list[Callable[[Path], object]] = [
    unfinished,
    flipped,
    lambda folder: (folder / "action" / "zarr.json").unlink(),
    lambda folder: shutil.rmtree(folder / "action" / "c"),
]


@pytest.mark.parametrize("words", [["merge"], ["trim", "--margin-s", "1"]])
@pytest.mark.parametrize("other", [{"action": 0.5}, {"shade": 9}])
def test_another_recording_of_equal_facts_is_not_taken_for_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], other: dict[str, float]
) -> None:
    a, out = recording(tmp_path / "a").parent, tmp_path / "out"
    b = recording(tmp_path / "b", **other).parent  # type: ignore[arg-type]
    recording(b, name="a_new_one")
    command, *options = words
    assert main(["dataset", command, str(a), "--out", str(out), *options]) == 0
    before = files_of(out)
    assert main(["dataset", command, str(b), "--out", str(out), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"rename {b / 'p.zarr'}, or take it away" in error
    assert files_of(out) == before, "a conflict is found before anything is copied"
    assert main(["dataset", command, str(a), "--out", str(out), *options]) == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_does_not_count_as_there(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    a = recording(tmp_path / "a").parent
    for command, out in ((editing.merge, tmp_path / "merged"), (editing.trim, tmp_path / "trimmed")):
        source = (a,) if command is editing.merge else a
        assert command(source, out) == 0  # type: ignore[operator]
        damage(out / "p.zarr")
        with pytest.raises(BadInput, match="or a damaged copy is there already"):
            command(source, out)  # type: ignore[operator]


def test_two_sources_with_one_name_are_refused_before_anything_is_copied(tmp_path: Path) -> None:
    a, b = recording(tmp_path / "a").parent, recording(tmp_path / "b", action=0.5).parent
    with pytest.raises(BadInput, match=r"a/p\.zarr: another episode of this name"):
        editing.merge((a, b), tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))
    assert editing.merge((a, shutil.copytree(a, tmp_path / "c")), tmp_path / "out") == 0


def test_an_episode_at_a_url_is_compared_too(tmp_path: Path) -> None:
    a, out = recording(tmp_path / "a"), tmp_path / "out"
    there = UPath("memory://same_files/p.zarr")
    there.fs.put(f"{a}/", f"{there.path}/", recursive=True)
    editing.merge((a.parent,), out)
    assert same_files(there, out / "p.zarr")
    (out / "p.zarr" / "action" / "zarr.json").write_text("{}")
    assert not same_files(there, out / "p.zarr")


def test_merges_of_the_same_at_once_find_each_others_copies(tmp_path: Path) -> None:
    a, out = tmp_path / "a", tmp_path / "out"
    for name in "pqrs":
        recording(a, name=name)
    with ThreadPoolExecutor() as pool:
        merges = [pool.submit(main, ["dataset", "merge", str(a), "--out", str(out)]) for _ in range(3)]
        assert [merge.result() for merge in merges] == [0, 0, 0]
    assert files_of(out) == files_of(a)


def left_behind(dataset: Path, info: EpisodeInfo) -> Path:
    """A dataset with one whole episode, one that was never closed and one that cannot be read."""
    for name in ("good", "open", "torn"):
        record(dataset, info, 6, episode_id=name)
    unfinished(dataset / "open.zarr")
    (dataset / "torn.zarr" / "zarr.json").write_text("{")
    return dataset


@pytest.mark.parametrize("command", ["merge", "trim", "split", "export mcap", "export lerobot --images jpeg"])
def test_what_is_left_out_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    data = left_behind(tmp_path / "data", INFO)
    for n, options in enumerate(([], ["--json"])):
        out = str(tmp_path / f"out{n}")
        words = [str(data), out] if "export" in command else [str(data), "--out", out]
        assert main(["dataset", *command.split(), *words, *options]) == 1
        told = capsys.readouterr().out
        if not options:
            assert f"left out: {data}/open.zarr: not complete: il-robot dataset recover {data}\n" in told
            assert f"left out: {data}/torn.zarr: zarr.json: damaged: not JSON\n" in told
        else:
            assert list(json.loads(told)["left_out"]) == [f"{data}/open.zarr", f"{data}/torn.zarr"]


@pytest.mark.parametrize("kind", ["mcap", "lerobot --images jpeg"])
@pytest.mark.parametrize("file", ["action/c/0/0", "images/cam_high/c/0/0/0/0"])
def test_an_export_goes_on_without_a_damaged_episode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, file: str
) -> None:
    data = recording(tmp_path / "data").parent
    damaged = recording(data, name="a") / file
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    words = ["dataset", "export", *kind.split(), str(data)]
    assert main([*words, str(tmp_path / "out"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["episodes"] == ["p"] and list(told["left_out"]) == [f"{data}/a.zarr"]
    shutil.rmtree(data / "p.zarr")
    assert main([*words, str(tmp_path / "none")]) == 2, "nothing is left to export"
    assert "every episode is damaged" in capsys.readouterr().err and not (tmp_path / "none").exists()


def test_trim_goes_on_without_an_episode_it_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = recording(tmp_path / "data").parent
    flipped(recording(data, name="flipped"))
    assert main(["dataset", "trim", str(data), "--out", str(tmp_path / "out"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["copied"] == ["p"] and "checksum" in told["left_out"][f"{data}/flipped.zarr"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p.zarr"]
