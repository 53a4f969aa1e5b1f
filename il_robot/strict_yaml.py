"""YAML into frozen dataclasses, strictly: a misspelt key, a missing key or a wrong type is one clear line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import cattrs
import cattrs.v
import yaml
from cattrs.cols import homogenous_tuple_structure_factory

from il_robot.errors import BadInput, nearest

T = TypeVar("T")


def _number(value: object, _: type[float]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{value!r} is not a number")
    return float(value)


def _integer(value: object, _: type[int]) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{value!r} is not an integer")
    return value


def _boolean(value: object, _: type[bool]) -> bool:
    if not isinstance(value, bool):
        raise BadInput(f"{value!r} is not true or false")
    return value


def _text(value: object, _: type[str]) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{value!r} is not a text")
    return value


def _is_choice(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _choice(value: object, kind: Any) -> Any:
    allowed = get_args(kind)
    if any(type(value) is type(one) and value == one for one in allowed):
        return value
    raise BadInput(f"{value!r}: {nearest(str(value), map(str, allowed))}")


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[-1] is ...


def _list(kind: Any, converter: cattrs.BaseConverter) -> Callable[[object, Any], tuple[Any, ...]]:
    structured = homogenous_tuple_structure_factory(kind, converter)

    def hook(value: object, kind: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):  # a text would become its letters
            raise BadInput(f"{value!r} is not a list")
        found: tuple[Any, ...] = structured(value, kind)
        return found

    return hook


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(float, _number)
_CONVERTER.register_structure_hook(int, _integer)
_CONVERTER.register_structure_hook(bool, _boolean)
_CONVERTER.register_structure_hook(str, _text)
_CONVERTER.register_structure_hook_func(_is_choice, _choice)
_CONVERTER.register_structure_hook_factory(_is_list, _list)


def _told(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, BadInput) else cattrs.v.format_exception(error, kind)


def _odd_key(data: Any) -> str | None:
    """The first key that is not a text, anywhere in ``data``; None when all are."""
    values = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    here = (repr(key) for key in data if not isinstance(key, str)) if isinstance(data, dict) else iter(())
    return next(here, None) or next(filter(None, map(_odd_key, values)), None)


def _not_finite(data: Any, place: str = "") -> Iterator[str]:
    """Where in ``data`` a number is infinite or none."""
    if isinstance(data, float) and not math.isfinite(data):
        yield f"{place}: {data}"
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _not_finite(value, f"{place}.{key}")
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _not_finite(value, f"{place}[{number}]")


def structure(data: Any, cls: type[T], where: str) -> T:
    """``data`` (what YAML or JSON gave) as a ``cls``. Raises BadInput naming ``where``, the key and the cause."""
    if odd := _odd_key(data):
        raise BadInput(
            f"{where}: key {odd}: not a text; put it in quotes (YAML reads on, off, yes and no as true or false)"
        )
    if is_dataclass(cls) and not isinstance(data, dict):
        raise BadInput(f"{where}: {'nothing' if data is None else type(data).__name__} where keys and values belong")
    try:
        return _CONVERTER.structure(data, cls)
    except cattrs.BaseValidationError as error:
        causes = cattrs.transform_error(error, path=where, format_exception=_told)
        raise BadInput(" ".join("; ".join(causes).split())) from None
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice; YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load(path: Path, cls: type[T]) -> T:
    """The YAML file at ``path`` as a ``cls``; its numbers are finite. Raises BadInput."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if place := next(_not_finite(data), None):
        raise BadInput(f"{path}{place}; allowed: finite numbers")
    return structure(data, cls, str(path))
