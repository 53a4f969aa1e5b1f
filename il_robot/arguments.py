"""What is wrong with a command line, in one line, where tyro would draw a box of ten."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from inspect import signature
from typing import Any, get_args, get_type_hints

import tyro
import tyro._errors as parse
from tyro._arguments import ArgumentDefinition

from il_robot.errors import BadInput, nearest

_POSITIONAL = get_args(tyro.conf.Positional[int])[1]
_KINDS = {"int": "a whole number", "float": "a number"}
_SEVERAL = {
    "INT [INT ...]": "whole numbers are needed",
    "FLOAT [FLOAT ...]": "numbers are needed",
    "HEIGHT WIDTH": "two whole numbers are needed",
    "[PATH ...]": "paths are needed, and one is empty",
}


@contextmanager
def told_in_one_line(function: Callable[..., Any]) -> Iterator[None]:
    """While entered, an argument that tyro cannot use raises BadInput. ``function`` is the command."""

    def tell(event: parse.ParseErrorEvent) -> None:
        said = _said(event, function)
        if said is not None:
            raise BadInput(f"{event.prog}: {said}")

    with parse.on_parse_error(tell):
        yield


def refuse_repeated(words: Sequence[str], function: Callable[..., Any], command: str) -> None:
    """Raises BadInput for an option given twice: tyro would take the last without a word.

    ``words`` are those after the command's name. An option that gathers what it is given (``--set``) may be repeated.
    """
    hints = get_type_hints(function, include_extras=True)
    gathering = {_option(name) for name, hint in hints.items() if tyro.conf.UseAppendAction in get_args(hint)}
    given = Counter(_option(word[2:].partition("=")[0]) for word in words if word.startswith("--"))
    for option, times in given.items():
        if times > 1 and option not in gathering:
            raise BadInput(f"{command}: {option} is given {times} times, and only once is allowed")


def _said(event: parse.ParseErrorEvent, function: Callable[..., Any]) -> str | None:
    """One line; None for what is rare enough to be left to tyro."""
    match event:
        case parse.InstantiationFailure(message=message, argument=argument) if argument is not None:
            return _unusable(message, _name(argument), argument.lowered.metavar or "")
        case parse.InvalidChoice(argument=argument, value=value, choices=choices):
            return f"{_name(argument)} {value}: {nearest(value, choices)}"
        case parse.BadValue(argument=argument):
            return f"{_name(argument)}: a value is missing"
        case parse.MissingArgs(missing_arguments=missing, unrecognized_tokens=unknown):
            names = ", ".join(_name(one.arg) for one in missing)
            also = f"; not known: {' '.join(unknown)}{_meant(unknown[0], function)}" if unknown else ""
            return f"missing: {names}{also}; {_usage(event.prog, function)}"
        case parse.UnrecognizedArgs(tokens=tokens):
            meant = _meant(tokens[0], function) or f"; {_usage(event.prog, function)}"
            return f"not known: {' '.join(tokens)}{meant}"
    return None


def _unusable(message: str, name: str, metavar: str) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", message)
    if metavar in _SEVERAL and (several := re.search(r"parse (?:for )?arguments:? \[(.*?)\]", plain)):
        words = several[1].replace("', '", "' '")
        return f"{name} {words}: {_SEVERAL[metavar]}"
    value = re.search(r"base 10: '(.*)'|to float: '(.*)'", plain)
    given = "" if value is None else " " + next(group for group in value.groups() if group is not None)
    if "invalid literal for int" in plain:
        return f"{name}{given}: {_KINDS['int']} is needed"
    if "to float" in plain:
        return f"{name}{given}: {_KINDS['float']} is needed"
    return f"{name}{given}: " + " ".join(plain.splitlines()[0].split())


def _name(argument: ArgumentDefinition) -> str:
    """As it is typed, ``--steps``; of a word without an option its name as the usage has it, ``DATASET``."""
    name = argument.display_name()
    return name if name.startswith("--") else name.upper()


def _meant(token: str, function: Callable[..., Any]) -> str:
    return f"; {nearest(token, _options(function))}" if token.startswith("--") else ""


def _usage(command: str, function: Callable[..., Any]) -> str:
    """What must be typed, in order; the help has all that may be."""
    words, kinds, told = [], get_type_hints(function), get_type_hints(function, include_extras=True)
    for name, parameter in signature(function).parameters.items():
        needed = parameter.default is parameter.empty
        if _POSITIONAL in get_args(told[name]):
            words.append(name.upper() if needed else f"[{name.upper()}]")
        elif needed and not is_dataclass(kinds[name]):
            words.append(f"{_option(name)} {name.upper()}")
    return f"usage: {' '.join([command, *words])} [OPTIONS], which --help lists"


def _options(function: Callable[..., Any]) -> list[str]:
    """The options of a command, those of its groups too."""
    names, kinds, told = [], get_type_hints(function), get_type_hints(function, include_extras=True)
    for name in signature(function).parameters:
        if is_dataclass(kinds[name]):
            names += [field.name for field in fields(kinds[name])]
        elif _POSITIONAL not in get_args(told[name]):
            called = [getattr(extra, "name", None) for extra in get_args(told[name])]  # as tyro.conf.arg(name=...) says
            names.append(next((one for one in called if isinstance(one, str)), name))
    return [_option(name) for name in names]


def _option(name: str) -> str:
    """As it is typed."""
    return f"--{name.replace('_', '-')}"
