"""YAML errors: every slip of the finger in every key of every rig is named with what was meant, and where it stands."""

from __future__ import annotations

import itertools
import re
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from calibration.arm import RigCalibration
from calibration.guide import Poses
from calibration.rig_file import RIGS
from hardware.wiring import Wiring
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
    ],
)
def test_a_line_says_which_file_line_and_column(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "rig.yaml"
    file.write_text(text)
    with pytest.raises(BadInput, match=re.escape(str(file)) + told) as raised:
        strict_yaml.load(file, Rig)
    assert "\n" not in str(raised.value)


def test_what_an_anchor_repeats_is_one_mistake(tmp_path: Path) -> None:
    text = (RIGS / "koch" / "calibration.yaml").read_text()
    file = tmp_path / "calibration.yaml"
    file.write_text(text.replace("sign: 1", "sign: 3", 1))
    with pytest.raises(BadInput, match=r"calibration.yaml:6:7: arms.follower_main.*shoulder_pan: sign 3") as raised:
        strict_yaml.load(file, RigCalibration)
    assert "mistakes" not in str(raised.value)
