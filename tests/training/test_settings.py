from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from demonstrations import demonstrations
from hypothesis import example, given, settings
from hypothesis import strategies as st

from il_robot.cli import main
from il_robot.errors import BadInput
from il_robot.training.description import read_description
from il_robot.training.presets import PRESETS
from il_robot.training.runs import runs
from il_robot.training.settings import changed, read_settings, settings_of, short_names, written
from il_robot.training.sweep import members
from il_robot.training.train import train

ALL = sorted({(policy, path) for (policy, _), p in PRESETS.items() for path in settings_of(p.network, p.recipe)})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demonstrations(tmp_path_factory.mktemp("toy"), episodes=2, steps=12)


def tiny(policy: str) -> tuple[Any, Any]:
    preset = PRESETS[policy, "tiny"]  # type: ignore[index]
    return preset.network, preset.recipe


@pytest.mark.parametrize(("policy", "preset"), PRESETS)
def test_every_setting_of_a_preset_can_be_said(policy: str, preset: str) -> None:
    wanted = PRESETS[policy, preset]  # type: ignore[index]
    said = settings_of(wanted.network, wanted.recipe)
    names = short_names(said)
    words = [f"{names[path]}={written(value)}" for path, value in said.items()]
    read = read_settings(words, *tiny(policy))
    assert all(len(values) == 1 for values in read.values())
    assert changed(*tiny(policy), {path: values[0] for path, values in read.items()}) == (wanted.network, wanted.recipe)


@settings(deadline=None)
@given(st.data())
def test_values_come_back_as_they_were_written(data: st.DataObject) -> None:
    policy, path = data.draw(st.sampled_from(ALL))
    network, recipe = tiny(policy)
    number = st.integers(-(10**12), 10**12)
    kinds: dict[type, st.SearchStrategy[Any]] = {
        int: number,
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        list: st.lists(number),
        str: st.text(st.characters(exclude_characters=",")),
    }
    kind = kinds[type(settings_of(network, recipe)[path])]
    values = data.draw(st.lists(kind, min_size=1, max_size=3, unique_by=written))
    word = f"{path}={','.join(map(written, values))}"
    assert read_settings([word], network, recipe) == {path: tuple(values)}


@settings(deadline=None)
@example(("bc", "network.hidden"), "\n,\n")
@given(st.sampled_from(ALL), st.text(max_size=8) | st.from_regex(r"-?[0-9x.e]{1,8}", fullmatch=True))
def test_no_value_leads_to_anything_but_a_configuration_or_one_line(which: tuple[str, str], text: str) -> None:
    policy, path = which
    before = settings_of(*tiny(policy))
    try:
        values = read_settings([f"{path}={text}"], *tiny(policy))[path]
        after = settings_of(*changed(*tiny(policy), {path: values[0]}))
    except BadInput as error:
        assert len(str(error).splitlines()) == 1
        return
    assert {name: type(value) for name, value in after.items()} == {name: type(v) for name, v in before.items()}
    assert [name for name in before if before[name] != after[name]] in ([], [path])


@pytest.mark.parametrize(
    ("policy", "words", "told"),
    [
        ("act", ["widht=3"], "no setting 'widht'; did you mean 'width'?"),
        ("act", ["vision.keypoint=3"], "did you mean 'vision.keypoints'?"),
        ("act", ["width"], "NAME=VALUE is needed"),
        ("act", ["width=64", "network.width=32"], "width is set twice"),
        ("act", ["width=64,64"], "one value is named twice"),
        ("diffusion", ["clip=3"], "no setting 'clip'; .*network.clip.*recipe.clip"),
        ("act", ["width=abc"], "--set width=abc: 'abc' is not a whole number, such as 128"),
        ("act", ["width=1.5"], "'1.5' is not a whole number, such as"),
        ("act", ["width=true"], "'true' is not a whole number"),
        ("act", ["width=130"], "width 130 must be a multiple of 4 and of heads"),
        ("act", ["style_layers=-1"], "^style_layers=-1; allowed: 0 to"),
        ("act", ["kl_weight=nan"], "'nan' is not a number"),
        ("act", ["vision.backbone=resnet81"], "did you mean 'resnet18'"),
        ("act", ["vision.keypoints=-2"], "^vision.keypoints=-2; allowed: 0"),
        ("act", ["vision.channels=8x12"], "two or more multiples of 8"),
        ("bc", ["hidden=512xa"], "'512xa' is not a list of whole numbers parted by x, such as 512x512"),
        ("bc", ["hidden=[1,2]"], r"'\[1' is not a list of whole"),
        ("bc", ["average=1"], "average=1; allowed: 0"),
        ("bc", ["weight_decay=-1"], "weight_decay=-1; "),
        ("bc", ["warm_up=-1"], "warm_up=-1; "),
        ("bc", ["channels_last=maybe"], "'maybe' is not true or false, such as false"),
        ("bc", ["threads=huge"], "^--set threads=huge: 'huge' is not a whole number, such as 1$"),
        ("bc", ["threads=1,huge"], "^--set threads=1,huge: 'huge' is not a whole number"),
        ("bc", ["threads=1000000", "clip=3"], "^threads=1000000; allowed: 0 to 1024"),
        ("bc", ["workers=100000"], "allowed: 0 to 1024"),
        ("bc", ["batch=100000000000"], "allowed: 1 to 65536"),
        ("bc", ["steps=0"], "^steps=0; allowed: 1 to"),
        ("bc", ["augmentation.shift=2"], "^augmentation.shift=2; allowed"),
    ],
)
def test_what_cannot_be_is_one_line(policy: str, words: list[str], told: str) -> None:
    with pytest.raises(BadInput, match=told) as raised:
        changed(*tiny(policy), {path: v[0] for path, v in read_settings(words, *tiny(policy)).items()})
    assert "\n" not in str(raised.value)


def test_settings_that_only_fit_together_do() -> None:
    network, recipe = changed(*tiny("act"), {"network.width": 60, "network.heads": 5, "recipe.average": 0})
    assert (network.width, network.heads, recipe.average) == (60, 5, 0.0)  # type: ignore[union-attr]


def test_each_run_of_a_sweep_has_a_folder_that_says_its_settings() -> None:
    values = {"network.hidden": ([8], [8, 8]), "recipe.clip": (1, 1e-5), "network.dropout": (0.1,)}
    found = members(Path("out"), values, short_names(values), (4, 5), 0)
    assert len(found) == 8
    assert [str(member.run) for member in found[:2]] == [
        "out/hidden_8,clip_1/seed_4",
        "out/hidden_8,clip_1e-05/seed_4",
    ]
    assert found[-1].settings == {"network.hidden": [8, 8], "recipe.clip": 1e-5, "network.dropout": 0.1}
    assert [str(one.run) for one in members(Path("out"), {}, {}, (), 3)] == ["out"]
    swept = {"recipe.imagenet": ("a/b", "a-b")}
    with pytest.raises(BadInput, match="two of the runs would lie in"):
        members(Path("out"), swept, short_names(swept), (), 0)


def test_a_sweep_trains_compares_and_goes_on_where_it_was_stopped(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep"
    words = (("chunk_size=2,3", "hidden=8x8"), ("average=0.5",))
    kept = {"steps": 2, "batch": 4, "seeds": (7,)}
    train("bc", (dataset,), out=out, set=words, **kept)  # type: ignore[arg-type]
    told = capsys.readouterr().out
    folders = [out / f"chunk_size_{k}" / "seed_7" for k in (2, 3)]
    for k, folder in zip((2, 3), folders, strict=True):
        description = read_description(folder)
        assert (description.network.chunk_size, description.network.hidden) == (k, (8, 8))  # type: ignore[union-attr]
        assert (description.recipe.average, description.seed) == (0.5, 7)
        assert f"chunk_size_{k}/seed_7  differs: chunk_size {k}\n" in told
        assert f"run {k - 1} of 2: chunk_size_{k}/seed_7\n" in told
    before = (folders[0] / "config.json").read_bytes()
    shutil.rmtree(folders[1])
    with pytest.raises(BadInput, match="began with another hidden than this command's"):
        train("bc", (dataset,), out=out, set=(("chunk_size=2,3", "average=0.5"),), resume=True, **kept)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="began with hidden 8x8, not 8:"):
        train("bc", (dataset,), out=out, set=(*words[1:], ("chunk_size=2,3", "hidden=8")), resume=True, **kept)  # type: ignore[arg-type]
    assert not folders[1].exists()
    train("bc", (dataset,), out=out, set=words, resume=True, **kept)  # type: ignore[arg-type]
    assert (folders[0] / "config.json").read_bytes() == before
    assert read_description(folders[1]).network.chunk_size == 3
    with pytest.raises(BadInput, match="chunk size 99"):
        train("bc", (dataset,), out=tmp_path / "other", set=(("chunk_size=2,99",),), **kept)  # type: ignore[arg-type]
    assert not (tmp_path / "other").exists(), "all is checked before the first run begins"


def test_a_run_that_diverges_does_not_end_the_sweep(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep"
    command = ["train", "bc", str(dataset), "--out", str(out), "--steps", "4", "--chunk-size", "2", "--batch", "4"]
    assert main([*command, "--set", "learning_rate=1e30,1e-3", "warm_up=0", "hidden=8"]) == 1
    said = capsys.readouterr()
    first, last = said.err.splitlines()
    assert first.startswith("error: loss is nan at training step 1: the learning rate 1e+30 is most likely too high (")
    assert first.endswith(f"in another --out, or remove {out}/learning_rate_1e+30 first")
    assert last == "error: 1 of 2 runs diverged: learning_rate_1e+30"
    assert read_description(out / "learning_rate_0.001").recipe.learning_rate == 1e-3
    assert "2 runs" in said.out


def test_runs_that_differ_in_seeds_alone_are_summed_up_by_setting(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train("bc", (dataset,), out=tmp_path, set=(("dropout=0,0.5", "hidden=8"),), steps=1, chunk_size=2, seeds=(0, 1))
    capsys.readouterr()
    runs((tmp_path,), json=True)
    groups = json.loads(capsys.readouterr().out)["seeds"]
    assert [(group["differs"], group["seeds"]) for group in groups] == [
        ("dropout 0.0", [0, 1]),
        ("dropout 0.5", [0, 1]),
    ]


def test_the_command_line_says_it_in_one_line_and_exits_with_2(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "bc", str(dataset), "--out", str(tmp_path / "run"), "--chunk-size", "2", "--set"]
    for words, told in (
        (["hiden=8", "dropout=0"], "error: --set hiden=8: no setting 'hiden'; did you mean 'hidden'? allowed: "),
        (["dropout=0", "--set", "chunk_size=3"], "error: --set chunk_size: --chunk-size sets it already"),
        (["dropout=0", "--seeds", "3", "0", "3"], "error: --seeds 3 0 3: 3 is named twice; name each seed once"),
        (["dropout=0", "--seed", str(2**32)], "error: --seed 4294967296; allowed: 0 to 4294967295"),
        (["dropout=much"], "error: --set dropout=much: 'much' is not a number, such as 0.0"),
    ):
        assert main([*command, *words]) == 2
        error = capsys.readouterr().err
        assert error.startswith(told)
        assert error.count("\n") == 1
        assert not (tmp_path / "run").exists()


def test_settings_are_checked_before_the_dataset_is_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "act", str(tmp_path / "none"), "--out", str(tmp_path / "run")]
    assert main([*command, "--steps", "5", "--set", "clip=0.5,0", "width=128"]) == 2
    assert capsys.readouterr().err == "error: clip=0; allowed: above 0 and finite\n"
    assert main([*command, "--set", "width=130,128", "heads=4"]) == 2
    assert capsys.readouterr().err.startswith("error: width=130: act: width 130 must be a multiple of 4")


def test_a_resnet_without_imagenet_weights_is_said(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (("vision.backbone=resnet18", "vision.keypoints=4"),)
    train("bc", (dataset,), out=tmp_path, preset="tiny-image", set=words, steps=1, chunk_size=2, batch=1)
    assert "ResNet-18 starts from random weights; --imagenet FILE starts it" in " ".join(
        capsys.readouterr().out.split()
    )
    assert len(read_description(tmp_path).inputs.cameras) == 1
