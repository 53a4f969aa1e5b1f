"""docs/safety.md promises a test for each fault: they exist, and pytest collects them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def collected(file: Path) -> set[str]:
    """The tests that pytest finds: functions, methods of Test classes, and what these inherit in the same file."""
    tree = ast.parse(file.read_text())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}

    def methods(name: str) -> set[str]:
        if name not in classes:
            return set()
        bases = [base.id for base in classes[name].bases if isinstance(base, ast.Name)]
        own = {node.name for node in classes[name].body if isinstance(node, ast.FunctionDef)}
        return own.union(*map(methods, bases))

    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return functions.union(*(methods(name) for name in classes if name.startswith("Test")))


def test_every_fault_names_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "safety.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)
    assert len(named) > 20
    assert [f"{file}::{name}" for file, name in named if name not in collected(ROOT / file)] == []


def test_every_fault_is_shown_by_a_test_or_by_the_benchmark() -> None:
    lines = (ROOT / "docs" / "safety.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("|") and not line.startswith(("| fault", "|---"))]
    assert len(rows) > 40
    shown = "| `benchmarks/faults.py` |"
    assert (ROOT / "benchmarks" / "faults.py").is_file()
    assert [row for row in rows if "::test_" not in row and shown not in row] == []
