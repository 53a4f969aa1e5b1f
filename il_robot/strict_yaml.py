"""YAML into frozen dataclasses, strictly: a misspelt key, a missing key or a wrong type is one clear line."""

from __future__ import annotations

from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import cattrs
import cattrs.v
import yaml

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


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(float, _number)
_CONVERTER.register_structure_hook(int, _integer)
_CONVERTER.register_structure_hook(bool, _boolean)
_CONVERTER.register_structure_hook(str, _text)
_CONVERTER.register_structure_hook_func(_is_choice, _choice)


def _told(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, BadInput) else cattrs.v.format_exception(error, kind)


def _odd_key(data: Any) -> str | None:
    """The first key that is not a text, anywhere in ``data``; None when all are."""
    values = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    here = (repr(key) for key in data if not isinstance(key, str)) if isinstance(data, dict) else iter(())
    return next(here, None) or next(filter(None, map(_odd_key, values)), None)


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


def load(path: Path, cls: type[T]) -> T:
    """The YAML file at ``path`` as a ``cls``. Raises BadInput."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    return structure(data, cls, str(path))
