"""Settings by name: every field of a network's configuration and of the recipe, changed by words ``NAME=VALUE``.

A field is named as in ``config.json``, by its path: ``network.vision.keypoints``, ``recipe.clip``. The first part may
be left away where only one of the two has the rest. A value is written as in JSON, text without quotes, a tuple's
parts with an x between them: ``hidden=512x512``. Commas part several values, for a sweep: ``width=128,256``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import cattrs

from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest
from il_robot.policies.catalogue import Config
from il_robot.training.recipe import Recipe


def flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings, by their paths."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def settings_of(network: Config, recipe: Recipe) -> dict[str, Any]:
    """Every setting by its path, as plain data (tuples are lists)."""
    return dict(flat({"network": cattrs.unstructure(network), "recipe": cattrs.unstructure(recipe)}))


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Path -> what it is called: without its first part, where no other path is called so."""
    ends = {path: path.partition(".")[2] or path for path in paths}
    count = Counter(ends.values())
    return {path: end if count[end] == 1 else path for path, end in ends.items()}


def read_settings(words: Sequence[str], network: Config, recipe: Recipe) -> dict[str, tuple[Any, ...]]:
    """Words ``NAME=VALUE[,VALUE ...]`` -> path -> plain values, as many as were named; :func:`changed` checks ranges.

    ``network`` and ``recipe`` tell which names there are, and of which kind. Raises BadInput.
    """
    known = settings_of(network, recipe)
    names = short_names(known)
    paths = {name: path for path, name in names.items()} | {path: path for path in known}
    read: dict[str, tuple[Any, ...]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        told = f"--set {_one_line(word)}"
        if not equals:
            raise BadInput(f"{told}: NAME=VALUE is needed, such as width=256")
        if name not in paths:
            raise BadInput(f"{told}: no setting {name!r}; {nearest(name, names.values())}")
        path = paths[name]
        if path in read:
            raise BadInput(f"{told}: {names[path]} is set twice; for a sweep part the values with commas")
        values = tuple(_plain(part, known[path]) for part in text.split(","))
        for part, value in zip(text.split(","), values, strict=True):
            if not _fits(value, known[path]):
                kind = _KINDS[type(known[path])]
                such = written(known[path]) or "512x512"
                raise BadInput(f"{told}: {_one_line(repr(part))} is not {kind}, such as {such}")
        if any(value in values[:number] for number, value in enumerate(values)):
            raise BadInput(f"{told}: one value is named twice")
        read[path] = values
    return read


def _plain(text: str, present: Any) -> Any:
    """What ``text`` says; ``present``, the setting's value of now, tells whether it is a text or a tuple."""
    if isinstance(present, str):
        return text
    if isinstance(present, list):
        return [_scalar(part) for part in text.split("x")] if text else []
    return _scalar(text)


def _scalar(text: str) -> Any:
    """JSON where it is some, True and False too; else the text itself, which is no number and will be told as such."""
    try:
        return json.loads(text.lower())
    except ValueError:
        return text


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", list: "a list of whole numbers parted by x"}


def _fits(value: Any, present: Any) -> bool:
    """Whether ``value`` is of the kind of ``present``, the setting's value of now."""
    if isinstance(present, list):
        return all(type(part) is int for part in value)
    if isinstance(present, float):
        return type(value) in (int, float)
    return type(value) is type(present)


def written(value: Any) -> str:
    """A plain value as :func:`read_settings` reads it."""
    if isinstance(value, list):
        return "x".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def changed(network: Config, recipe: Recipe, settings: Mapping[str, Any]) -> tuple[Config, Recipe]:
    """The same with ``settings``, path -> plain value.

    Raises BadInput for what cannot be: it names the setting that cannot be alone, else all of them.
    """
    try:
        return _changed(network, recipe, settings)
    except BadInput as error:
        names = short_names(settings_of(network, recipe))
        guilty, why = dict(settings), str(error)
        for path, value in settings.items() if len(settings) > 1 else ():
            try:
                _changed(network, recipe, {path: value})
            except BadInput as alone:
                if str(alone) == why:
                    guilty = {path: value}
        asked = " ".join(f"{names[path]}={written(value)}" for path, value in guilty.items())
        told, ranged, allowed = why.partition("; allowed: ")
        if ranged and told.split()[-2:-1] == [path.rpartition(".")[2] for path in guilty]:
            raise BadInput(_one_line(f"{asked}; allowed: {allowed}")) from None
        raise BadInput(_one_line(f"{asked}: {why}")) from None


def _changed(network: Config, recipe: Recipe, settings: Mapping[str, Any]) -> tuple[Config, Recipe]:
    data: dict[str, Any] = {"network": cattrs.unstructure(network), "recipe": cattrs.unstructure(recipe)}
    for path, value in settings.items():
        *parents, name = path.split(".")
        inner = data
        for parent in parents:
            inner = inner[parent]
        inner[name] = value
    return (
        strict_yaml.structure(data["network"], type(network), ""),
        strict_yaml.structure(data["recipe"], Recipe, ""),
    )


def _one_line(text: str) -> str:
    """A value may hold line ends; what is said of it does not."""
    return " ".join(text.split())
