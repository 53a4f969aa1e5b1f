"""YAML errors: every slip of the finger in every key of every rig is named with what was meant, and where it stands."""

from __future__ import annotations

import copy
import itertools
import re
import shutil
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibration.arm import RigCalibration
from calibration.guide import Poses
from calibration.rig_file import RIGS, load_rig
from hardware.wiring import Wiring, load_wiring
from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest
from il_robot.rig import Rig
from il_robot.yaml_text import Place

KINDS = {"rig.yaml": Rig, "hardware.yaml": Wiring, "calibration.yaml": RigCalibration, "poses.yaml": Poses}
NAMES = {"chains", "arms", "cameras", "gravity", "controls", "keys", "joints", "grippers", "latency_s", "angles"}
"""Under these, where they hold keys, anything may be a key: the names of arms, cameras and joints."""


def fixed_keys(data: object, place: Place = ()) -> list[tuple[Place, str]]:
    """Every key that a file must spell as it is, and the mapping that it stands in."""
    if isinstance(data, list):
        return [found for at, one in enumerate(data) for found in fixed_keys(one, (*place, at))]
    if not isinstance(data, dict):
        return []
    named = bool(place) and place[-1] in NAMES
    here = [] if named else [(place, key) for key in data]
    return here + [found for key, one in data.items() for found in fixed_keys(one, (*place, key))]


FILES = {path: yaml.safe_load(path.read_text()) for path in sorted(RIGS.glob("*/*.yaml"))}
KEYS = {
    (path.name, len(place), key): (path, place, key) for path, data in FILES.items() for place, key in fixed_keys(data)
}
"""Each kind of key once: its file, where in it, the key."""


def slip(word: str, kind: str, at: int, letter: str) -> str:
    """``word`` as a finger may miss it."""
    at %= len(word)
    match kind:
        case "dropped":
            return word[:at] + word[at + 1 :]
        case "added":
            return word[:at] + letter + word[at:]
        case "swapped":
            return word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
        case _:
            return word[:at] + letter + word[at + 1 :]


SLIPS = st.builds(
    lambda kind, at, letter: (kind, at, letter),
    st.sampled_from(["dropped", "added", "swapped", "wrong"]),
    st.integers(0, 30),
    st.sampled_from(string.ascii_lowercase + "_"),
)


@given(st.sampled_from(sorted({key for _, _, key in KEYS})), SLIPS, st.sets(st.sampled_from(sorted(NAMES)), max_size=8))
def test_one_slip_is_always_understood(key: str, slipped: tuple[str, int, str], others: set[str]) -> None:
    """Among whatever else is allowed, even for keys of two letters."""
    assert repr(key) in nearest(slip(key, *slipped), {key, *others}).partition("? ")[0]


def holder(data: object, place: Place) -> dict[str, object]:
    for step in place:
        data = data[step]  # type: ignore[index]
    assert isinstance(data, dict)
    return data


def test_every_key_of_every_file_is_suggested_for_a_slip_in_it(tmp_path: Path) -> None:
    kinds = itertools.cycle(["dropped", "added", "swapped"])
    asked = 0
    for path, place, key in KEYS.values():
        data = yaml.safe_load(path.read_text())
        mapping = holder(data, place)
        wrong = slip(key, next(kinds), (len(key) - 1) // 2, "q")
        if wrong == key:
            continue
        mapping[wrong] = mapping.pop(key)
        file = tmp_path / path.name
        file.write_text(yaml.safe_dump(data, sort_keys=False))
        with pytest.raises(BadInput) as raised:
            strict_yaml.load(file, KINDS[path.name])
        told = str(raised.value)
        position = re.match(rf"{file}:(\d+):(\d+): ", told)
        assert position, told
        line, column = int(position[1]), int(position[2])
        assert file.read_text().splitlines()[line - 1][column - 1 :].startswith(f"{wrong}:"), told
        assert f"{wrong}: no such key; did you mean " in told and repr(key) in told.partition("? allowed: ")[0], told
        asked += 1
    assert asked > 40


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: a\nname: b\n", ":2:1: not YAML: 'name' stands twice"),
        ("name: koch\n\trate_hz: 50\n", ":2:1: not YAML: found character .* that cannot start any token"),
        ("arms: [a, b\n", ":2:1: not YAML: expected ',' or ']'.* that begins in line 1"),
        ("", ": nothing where keys and values belong"),
        ("- a\n", ": list where keys and values belong"),
        ("name: koch\nrate_hz: 50.0\n", ": arms: is missing"),
        ("name: koch\nrate_hz: 50.0\narms:\n  - joints: []\n", ":4:5: arms\\[0\\].name: is missing"),
        ("name: koch\nrate_hz: .nan\narms: []\n", ":2:1: rate_hz: nan; allowed: finite numbers"),
        ("name: koch\nrate_hz: fast\narms: 3\n", ":2:1: rate_hz: 'fast' is not a number [(]the first of 2 mistakes"),
        ("name: \x00\n", ": not YAML: unacceptable character"),
        ("name: koch\nrate_hz: 50.0\narms: [1]\n", ":3:8: arms\\[0\\]: 1 where keys and values belong"),
        ("name: koch\nrate_hz: 2024-99-99\n", ":2:10: not YAML: '2024-99-99' cannot be read as timestamp"),
        ("name: koch\narms: &a [*a]\n", ":2:7: not YAML: found unconstructable recursive node"),
        ("name: koch\nrate_hz: 1" + "0" * 5000, ":2:10: not YAML: '1000.*' cannot be read as int"),
        ("name: koch\nrate_hz: 1" + "0" * 30, ":2:10: not YAML: an integer too large; allowed: those of 64 bits"),
        ("name: " + "[" * 900 + "]" * 900, ": not YAML that can be read: lists or mappings are nested too deeply"),
    ],
)
def test_a_line_says_which_file_line_and_column(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "rig.yaml"
    file.write_text(text)
    with pytest.raises(BadInput, match=re.escape(str(file)) + told) as raised:
        strict_yaml.load(file, Rig)
    assert "\n" not in str(raised.value)


HERE = "what-stands-here"


def places(data: object, place: Place = ()) -> list[Place]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [place, *(found for key, one in inner for found in places(one, (*place, key)))]


def with_hole(data: object, place: Place) -> str:
    """A file's text in which a value is to be filled in at ``place``."""
    whole = [copy.deepcopy(data)]
    node: Any = whole
    for step, following in itertools.pairwise((0, *place, None)):
        if following is None:
            node[step] = HERE
        node = node[step]
    return yaml.safe_dump(whole[0], sort_keys=False)


RIG_FILES = {name: FILES[RIGS / "koch" / name] for name in ("rig.yaml", "hardware.yaml", "calibration.yaml")}
HOLES = [(name, place) for name, data in RIG_FILES.items() for place in places(data)]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.text("aZ0-_ /\n\0\x85\ud800"), st.binary()
)
KEYS_OF_FILES = st.sampled_from(sorted({key for _, _, key in KEYS}) + ["follower", "leader_main", "cam_wrist"])
VALUES = st.recursive(SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(KEYS_OF_FILES, one, max_size=3))
ODD_TEXTS = """!!int abc|!!int ''|!!float x|!!bool maybe|!!timestamp x|2024-99-99|!!set [a]|!!set {a}|!!omap [a: 1]
&x [*x]|&x {a: *x}|*none|!mine 1|!!python/object:os.system {}|{? [1] : 2}|{1: 2}|{<<: 3}
1e400|1:99:99|[|\"\\ud800\"|- a"""
WRITTEN = st.one_of(
    VALUES.map(
        lambda value: yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    ),
    st.sampled_from([odd for line in ODD_TEXTS.splitlines() for odd in line.split("|")]),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(HOLES), WRITTEN)
def test_any_value_at_any_place_of_a_rigs_files_is_taken_or_one_line(
    tmp_path: Path, hole: tuple[str, Place], value: str
) -> None:
    """Whatever stands there: never another exception, never the words of Python."""
    name, place = hole
    lab = tmp_path / "lab"
    shutil.copytree(RIGS / "koch", lab, dirs_exist_ok=True)
    (lab / name).write_text(with_hole(RIG_FILES[name], place).replace(HERE, value), errors="surrogatepass")
    try:
        strict_yaml.load(lab / name, KINDS[name])
        load_wiring(load_rig(str(lab)), str(lab))
    except BadInput as error:
        told = str(error)
        assert told.startswith(f"{lab}/") and "\n" not in told
        assert not re.search(r"object has no|object is not|not iterable|NoneType|<class", told)


def test_what_an_anchor_repeats_is_one_mistake(tmp_path: Path) -> None:
    text = (RIGS / "koch" / "calibration.yaml").read_text()
    file = tmp_path / "calibration.yaml"
    file.write_text(text.replace("sign: 1", "sign: 3", 1))
    with pytest.raises(BadInput, match=r"calibration.yaml:6:7: arms.follower_main.*shoulder_pan: sign 3") as raised:
        strict_yaml.load(file, RigCalibration)
    assert "mistakes" not in str(raised.value)
