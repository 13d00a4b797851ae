from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "service/definition"
LIBRARIES = {
    "isodate": {"durations.py"},
    "jsonata": {"expressions.py"},
    "jsonschema_rs": {"schemas.py"},
    "lark": {"grammar.py"},
}
IMPURE = {"asyncio", "logging", "os", "random", "secrets", "socket", "subprocess", "sys", "time", "urllib", "uuid"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_definition_modules_import_nothing_impure(path):
    for name in imported(path):
        top = name.split(".")[0]
        if top == "service":
            assert name.startswith(("service.definition", "service.domain"))
        elif top in LIBRARIES:
            assert path.name in LIBRARIES[top]
        else:
            assert top in sys.stdlib_module_names - IMPURE
