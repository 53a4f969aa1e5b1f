"""How the options of a command read in its help: no spelling of a type, no default that says nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

READING = ConstructorRegistry()
"""How options are read, for ``tyro.cli``: what may be left out is not asked for by typing None."""
_KINDS = {str: "NAME", Path: "PATH", int: "INT", float: "FLOAT"}
_ANSWERS = {"yes": True, "no": False}


def in_words(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same command, whose parameters tell tyro what to show: ``[NAME ...]``, and only defaults that say something.

    What a parameter's own annotation says goes before.
    """

    @functools.wraps(command)
    def shown(*given: Any, **named: Any) -> Any:
        return command(*given, **named)

    hints = get_type_hints(command, include_extras=True)
    for name, parameter in signature(command).parameters.items():
        kind, *own = get_args(hints[name]) if get_origin(hints[name]) is Annotated else (hints[name],)
        several = _several(kind)
        told = tyro.conf.arg(
            metavar=f"[{_KINDS[several]} ...]" if several in _KINDS else None,
            help_behavior_hint="" if _says_nothing(parameter.default, several) else None,
        )
        hints[name] = Annotated[(kind, told, *own)]
    shown.__annotations__ = hints
    del shown.__wrapped__  # tyro would look through it at the command's own
    shown.__signature__ = signature(command)  # type: ignore[attr-defined]
    return shown


def _several(kind: Any) -> Any:
    """What a tuple of any length, or None, holds; None for what is no such tuple."""
    tuples = [part for part in (kind, *get_args(kind)) if get_origin(part) is tuple and get_args(part)[-1] is ...]
    return get_args(tuples[0])[0] if tuples else None


def _says_nothing(default: object, several: Any) -> bool:
    """Whether a default has nothing to say: what happens without the option is in its own words."""
    return default is None or default is False or default in ((), "") or (several and default is Parameter.empty)


@READING.primitive_rule
def _names(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[str] | None:
    if kind.type is not str:
        return None
    return PrimitiveConstructorSpec(1, "NAME", lambda given: given[0], lambda x: isinstance(x, str), lambda x: [x])


@READING.primitive_rule
def _paths(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Path] | None:
    if kind.type is not Path:
        return None
    return PrimitiveConstructorSpec(
        1, "PATH", lambda given: _path(given[0]), lambda x: isinstance(x, Path), lambda x: [str(x)]
    )


def _path(given: str) -> Path:
    """An empty one, as a variable that is not set makes it, would be the folder that one is in."""
    if not given:
        raise ValueError("a path is needed, and it is empty; this folder is .")
    return Path(given)


@READING.primitive_rule
def _yes_or_no(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[bool] | None:
    if kind.type is not bool:
        return None
    return PrimitiveConstructorSpec(
        1,
        "{yes,no}",
        lambda given: _ANSWERS[given[0]],
        lambda x: isinstance(x, bool),
        lambda x: ["yes" if x else "no"],
        choices=tuple(_ANSWERS),
    )


@READING.primitive_rule
def _left_out(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """``X | None`` is read as X: None is what it is when nobody names it."""
    kinds = [part for part in get_args(kind.type) if part is not NoneType]
    if len(kinds) != 1 or NoneType not in get_args(kind.type):
        return None
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kinds[0], kind.markers))
    if not isinstance(spec, PrimitiveConstructorSpec):
        return None
    inner = spec
    return replace(
        inner,
        is_instance=lambda x: x is None or inner.is_instance(x),
        str_from_instance=lambda x: [] if x is None else inner.str_from_instance(x),
    )
