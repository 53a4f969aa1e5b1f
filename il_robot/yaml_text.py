"""A YAML file as plain data that remembers where in the file each value stands."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from il_robot.errors import BadInput

Place = tuple[str | int, ...]
"""The keys and list positions that lead to a value."""


@dataclass(frozen=True)
class YamlText:
    """What a file says."""

    path: Path
    data: Any
    root: yaml.Node | None
    """None for an empty file."""

    def at(self, place: Place) -> str:
        """``FILE:LINE:COLUMN`` of a key or list element; what is not there is looked for where it belongs."""
        node, mark = self.root, None
        for step in place:
            found = _step(node, step)
            if found is None:
                break
            mark, node = found
        return str(self.path) if mark is None else f"{self.path}:{mark.line + 1}:{mark.column + 1}"


def read_yaml(path: Path) -> YamlText:
    """Raises BadInput when the file cannot be read, or is no YAML: file, line and column, why."""
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        try:
            root = loader.get_single_node()
            return YamlText(path, None if root is None else loader.construct_document(root), root)
        finally:
            loader.dispose()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not YAML: byte {error.start} is not text (UTF-8)") from None
    except yaml.MarkedYAMLError as error:
        raise BadInput(f"{path}{_position(error.problem_mark)}: not YAML: {_why(error)}") from None
    except RecursionError:
        raise BadInput(f"{path}: not YAML that can be read: lists or mappings are nested too deeply") from None
    except yaml.YAMLError as error:  # letters that YAML does not know
        raise BadInput(f"{path}: not YAML: {' '.join(str(error).partition(chr(10))[0].split())}") from None


class _Loader(yaml.SafeLoader):
    """Refuses what YAML lets pass and no file means: a key that stands twice (YAML would take the last), a list that is
    in itself, a value that is not what its tag or its look says, an integer of more than 64 bits."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            # Deep: what is within is made at once, so that what is within itself is noticed.
            value = super().construct_object(node, deep=True)
            if isinstance(value, str):
                value.encode()
        except (ValueError, LookupError, AttributeError, TypeError):  # PyYAML's, of a value that it cannot convert
            kind = node.tag.rpartition(":")[2]
            named = reprlib.repr(node.value) if isinstance(node, yaml.ScalarNode) else "what stands here"
            raise _refused(f"{named} cannot be read as {kind}", node) from None
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise _refused("an integer too large; allowed: those of 64 bits", node)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise _refused(f"{key.value!r} stands twice", key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refused(what: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


def _step(node: yaml.Node | None, step: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    """Where the value under a key, or in a list, stands, and the value; None when there is none."""
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark, node.value[step]
    return None


def _position(mark: yaml.Mark | None) -> str:
    return "" if mark is None else f":{mark.line + 1}:{mark.column + 1}"


def _why(error: yaml.MarkedYAMLError) -> str:
    begun = ""
    if error.context and error.context_mark is not None:
        begun = f" ({error.context} that begins in line {error.context_mark.line + 1})"
    return f"{error.problem}{begun}"
