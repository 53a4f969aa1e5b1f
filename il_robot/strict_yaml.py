"""YAML into frozen dataclasses, strictly: a misspelt key, a missing key or a wrong type is one clear line that says
where it stands."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import cattrs
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory

from il_robot.errors import BadInput, nearest
from il_robot.yaml_text import Place, read_yaml

T = TypeVar("T")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_shown = _SHORT.repr
"""A value in an error line, which stays one that can be read."""


def _number(value: object, _: type[float]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{_shown(value)} is not a number")
    return float(value)


def _integer(value: object, _: type[int]) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{_shown(value)} is not an integer")
    return value


def _boolean(value: object, _: type[bool]) -> bool:
    if not isinstance(value, bool):
        raise BadInput(f"{_shown(value)} is not true or false")
    return value


def _text(value: object, _: type[str]) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{_shown(value)} is not a text")
    return value


def _is_choice(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _choice(value: object, kind: Any) -> Any:
    allowed = get_args(kind)
    if any(type(value) is type(one) and value == one for one in allowed):
        return value
    raise BadInput(f"{_shown(value)}: {nearest(str(value), map(str, allowed))}")


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[-1] is ...


def _list(kind: Any, converter: cattrs.BaseConverter) -> Callable[[object, Any], tuple[Any, ...]]:
    structured = homogenous_tuple_structure_factory(kind, converter)

    def hook(value: object, kind: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):  # a text would become its letters
            raise BadInput(f"{_shown(value)} is not a list")
        found: tuple[Any, ...] = structured(value, kind)
        return found

    return hook


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is dict or (isinstance(kind, type) and is_dataclass(kind))


def _mapping(kind: Any, converter: cattrs.Converter) -> Callable[[object, Any], Any]:
    structured: Callable[[dict[Any, Any], Any], Any]
    if get_origin(kind) is dict:
        structured = mapping_structure_factory(kind, converter)
    else:
        structured = converter.gen_structure_attrs_fromdict(kind)

    def hook(value: object, kind: Any) -> Any:
        if not isinstance(value, dict):
            found = "nothing" if value is None else "list" if isinstance(value, list) else _shown(value)
            raise BadInput(f"{found} where keys and values belong")
        return structured(value, kind)

    return hook


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(float, _number)
_CONVERTER.register_structure_hook(int, _integer)
_CONVERTER.register_structure_hook(bool, _boolean)
_CONVERTER.register_structure_hook(str, _text)
_CONVERTER.register_structure_hook_func(_is_choice, _choice)
_CONVERTER.register_structure_hook_factory(_is_list, _list)
_CONVERTER.register_structure_hook_factory(_is_mapping, _mapping)


_Mistake = tuple[Place, str]


def _mistakes(error: BaseException, place: Place = ()) -> Iterator[_Mistake]:
    """What is wrong, and where."""
    match error:
        case cattrs.ClassValidationError():
            attributes, rest = error.group_exceptions()
            inner: list[tuple[Exception, str | int]] = [(one, note.name) for one, note in attributes]
            if unknown := [one for one in rest if isinstance(one, cattrs.ForbiddenExtraKeysError)]:
                # What is missing beside it is most likely what it should have been called.
                inner = [(one, name) for one, name in inner if not isinstance(one, KeyError)]
                yield from _unknown(unknown[0], place)
            rest = [one for one in rest if one not in unknown]
        case cattrs.IterableValidationError():
            elements, rest = error.group_exceptions()
            inner = [(one, note.index) for one, note in elements]
        case KeyError():
            yield place, "is missing"
            return
        case _:
            yield place, " ".join(str(error).split())
            return
    for one in rest:
        yield from _mistakes(one, place)
    for one, key in inner:
        yield from _mistakes(one, (*place, key))


def _unknown(error: cattrs.ForbiddenExtraKeysError, place: Place) -> Iterator[_Mistake]:
    allowed = [field.name for field in fields(error.cl)] if is_dataclass(error.cl) else []
    for key in sorted(error.extra_fields):
        yield (*place, key), f"no such key; {nearest(key, allowed)}"


def _named(place: Place) -> str:
    """As it is read: ``chains.follower[0].p_gain``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def _odd_key(data: Any) -> str | None:
    """The first key that is not a text, anywhere in ``data``; None when all are."""
    values = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    here = (repr(key) for key in data if not isinstance(key, str)) if isinstance(data, dict) else iter(())
    return next(here, None) or next(filter(None, map(_odd_key, values)), None)


def _not_finite(data: Any, place: Place = ()) -> Iterator[_Mistake]:
    """Where in ``data`` a number is infinite or none."""
    if isinstance(data, float) and not math.isfinite(data):
        yield place, f"{data}; allowed: finite numbers"
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _not_finite(value, (*place, key))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _not_finite(value, (*place, number))


def structure(data: Any, cls: type[T], where: str) -> T:
    """``data`` (what YAML or JSON gave) as a ``cls``. Raises BadInput naming ``where`` (if
    anything), the key and the cause."""
    return _structured(data, cls, lambda place: where)


def load(path: Path, cls: type[T]) -> T:
    """The YAML file at ``path`` as a ``cls``; its numbers are finite. Raises BadInput: file, line and column, cause."""
    text = read_yaml(path)
    if mistake := next(_not_finite(text.data), None):
        raise _line(text.at, [mistake])
    return _structured(text.data, cls, text.at)


def _structured(data: Any, cls: type[T], at: Callable[[Place], str]) -> T:
    """``at``: what an error line says of where a place is, before it names the place."""
    if odd := _odd_key(data):
        quoted = "not a text; put it in quotes (YAML reads on, off, yes and no as true or false)"
        raise BadInput(f"{at(())}: key {odd}: {quoted}")
    try:
        return _CONVERTER.structure(data, cls)
    except (cattrs.BaseValidationError, BadInput) as error:
        raise _line(at, list(_mistakes(error))) from None


def _line(at: Callable[[Place], str], mistakes: Sequence[_Mistake]) -> BadInput:
    """The first mistake, and how many there are: what an anchor repeats counts once."""
    place, what = mistakes[0]
    several = len({(at(place), what) for place, what in mistakes})
    named = ": ".join(part for part in (at(place), " ".join(_named(place).split()), what) if part)
    return BadInput(f"{named} (the first of {several} mistakes)" if several > 1 else named)
