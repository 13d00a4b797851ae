"""The imports point one way, and the pure packages stay pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PURE = ("service/domain", "service/definition", "service/engine")

ALLOWED = {
    "service/domain": ("service.domain",),
    "service/definition": ("service.definition", "service.domain"),
    "service/engine": ("service.engine", "service.definition", "service.domain"),
    "storage": ("storage", "service.domain"),
    "service": ("service.domain", "service.definition", "service.engine", "storage", "service."),
}
"""From each folder, the packages of our own that its files may import."""

OUTER = ("service.rpc", "service.temporal", "service.embedded", "service.settings", "service.__main__")

HOMES = {
    "peewee": ("storage",),
    "psycopg2": ("storage", "service/embedded"),
    "temporalio": ("service/temporal", "service/embedded"),
    "grpc": ("service/rpc", "service/embedded"),
    "heddle": ("service/rpc",),
    "jsonata": ("service/definition/expressions",),
    "jsonschema_rs": ("service/definition",),
    "lark": ("service/definition/conditions/grammar",),
}
"""The only places that may import a library."""

IMPURE_MODULES = {
    "asyncio", "concurrent", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select",
    "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "exec", "eval", "__import__"}
TOLERATED = {
    # Locks and caches around compiled expressions and schemas; reading the dialect's schema from its own package.
    "service/definition": {"threading", "pathlib"},
    "service/domain/ids.py": {"threading", "time", "secrets", "os"},
}


def files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name"
            names += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package.rstrip(".") or name.startswith(package.rstrip(".") + ".") for package in packages)


@pytest.mark.parametrize("folder", [folder for folder in ALLOWED if folder != "service"])
def test_the_inner_packages_import_inwards_only(folder):
    for path in files(folder):
        ours = [name for name in imports(path) if name.split(".")[0] in ("service", "storage")]
        assert all(within(name, ALLOWED[folder]) or name in ("service", "storage") for name in ours), (path, ours)


def test_use_cases_know_neither_messages_nor_temporal():
    for path in (ROOT / "service").glob("*.py"):
        if path.name not in ("__main__.py", "settings.py"):
            assert not [name for name in imports(path) if within(name, OUTER)], path


@pytest.mark.parametrize("library", HOMES)
def test_each_library_is_imported_in_its_own_place_only(library):
    for path in [*files("service"), *files("storage")]:
        place = str(path.relative_to(ROOT)).removesuffix(".py")
        if not place.startswith(HOMES[library]):
            assert library not in [name.split(".")[0] for name in imports(path)], path


@pytest.mark.parametrize("path", [path for folder in PURE for path in files(folder)], ids=str)
def test_pure_code_asks_the_world_nothing(path):
    place = str(path.relative_to(ROOT))
    tolerated = set().union(*(names for where, names in TOLERATED.items() if place.startswith(where)))
    assert not {name.split(".")[0] for name in imports(path)} & (IMPURE_MODULES - tolerated)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in IMPURE_CALLS or place.startswith(tuple(TOLERATED)), f"{place}:{node.lineno}"
