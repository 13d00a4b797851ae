"""What an expression reads from its scope, told from its syntax alone.

Every evaluation converts its whole input for the engine, so only what the expression names is handed over. The rule is
to hand over too much rather than too little: whatever is not plainly a path from the top counts as reading everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from service.definition.syntax import Node

Path = tuple[str, ...]
"""The names from the top of the scope down; the empty path is the whole scope."""


class Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""What stands at a path that leads nowhere; null is something else."""


def paths(tree: Node) -> tuple[Path, ...]:
    """List the paths that an expression names from the top of its scope, each once, in the order of the source."""
    found = dict.fromkeys(_paths(tree, at_top=True))
    return ((),) if () in found else tuple(found)


def plain_path(tree: Node) -> Path | None:
    """Read an expression that is nothing but names with dots between, else None; `$` alone is the empty path."""
    if tree.kind not in ("name", "path", "variable"):
        return None
    steps = _steps(tree)
    if steps[0].kind == "variable" and steps[0].text in ("", "$"):
        steps = steps[1:]
    return tuple(step.text for step in steps) if all(step.kind in _NAMES for step in steps) else None


def filtered_path(tree: Node) -> Path | None:
    """Read an expression that is nothing but names with dots between, each with or without filters, else None."""
    while tree.kind == "filter":
        tree = tree.parts[0]
    names = [_filtered_name(step) for step in _steps(tree)]
    return tuple(name for name in names if name is not None) if None not in names else None


def follow(value: Any, path: Path) -> Any:
    """Find what stands at a path, as JSONata does: through a list, a name means that of each item."""
    for name in path:
        value = _step(value, name)
        if value is MISSING:
            return MISSING
    return value


def narrow(scope: Any, wanted: tuple[Path, ...]) -> Any:
    """Copy the part of a scope that some paths lead to; mappings on the way become dicts, all else is kept whole."""
    if () in wanted:
        return scope
    tree: dict[str, Any] = {}
    for path in wanted:
        branch = tree
        for name in path:
            branch = branch.setdefault(name, {})
            if _WHOLE in branch:
                break
        else:
            branch.clear()
            branch[_WHOLE] = {}
    return _pruned(scope, tree)


def written(path: Path) -> str:
    """Write a path as an author would."""
    return ".".join(name if _SIMPLE_NAME.fullmatch(name) else f"`{name}`" for name in path)


_WHOLE = "\0"  # no name in JSON holds this character here
_NAMES = ("name", "string")
_SIMPLE_NAME = re.compile(r"[^\W\d]\w*")
_EVERYTHING: Path = ()
_CONTEXT_ARGUMENTS = {"string": 1, "boolean": 1, "not": 1, "number": 1, "keys": 1, "spread": 1, "clone": 1} | {
    "lookup": 2, "each": 2, "sift": 2, "length": 1, "lowercase": 1, "uppercase": 1, "trim": 1, "substring": 2, "pad": 2,
    "substringBefore": 2, "substringAfter": 2, "match": 2, "contains": 2, "replace": 3, "split": 2, "formatNumber": 2,
    "formatBase": 1, "formatInteger": 2, "parseInteger": 2, "floor": 1, "ceil": 1, "round": 1, "abs": 1, "sqrt": 1,
    "power": 2, "base64encode": 1, "base64decode": 1, "encodeUrlComponent": 1, "encodeUrl": 1,
    "decodeUrlComponent": 1, "decodeUrl": 1, "toMillis": 1, "fromMillis": 1,
}  # fmt: skip
"""How many arguments a function needs so as not to take what it stands in for the first of them."""

_LOOPING = {"map", "filter", "single", "sort", "each", "sift", "reduce"}


def _step(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        try:
            return value[name]
        except KeyError:
            return MISSING
    if not isinstance(value, list | tuple):
        return MISSING
    found: list[Any] = []
    for item in value:
        inner = _step(item, name)
        if isinstance(inner, list | tuple):
            found += inner
        elif inner is not MISSING:
            found.append(inner)
    return found[0] if len(found) == 1 else found or MISSING


def _pruned(value: Any, tree: dict[str, Any]) -> Any:
    if _WHOLE in tree or not isinstance(value, Mapping):
        return value
    found = {name: _step(value, name) for name in tree}
    return {name: _pruned(part, tree[name]) for name, part in found.items() if part is not MISSING}


def _steps(node: Node) -> list[Node]:
    """The steps of a path, from the left."""
    steps = []
    while node.kind == "path":
        node, step = node.parts
        steps.append(step)
    return [node, *reversed(steps)]


def _paths(node: Node, *, at_top: bool) -> Iterator[Path]:
    """List what a part reads; `at_top` tells that it stands in the scope itself, and not in some item of it."""
    if (read := _READERS.get(node.kind)) is not None:
        yield from read(node, at_top)
    elif _reads_everything(node, at_top=at_top):
        yield _EVERYTHING
    elif node.kind == "name" and at_top:
        yield (node.text,)
    else:
        for part in node.parts:
            yield from _paths(part, at_top=at_top)


def _reads_everything(node: Node, *, at_top: bool) -> bool:
    if node.kind == "variable":
        # A function as a value counts too: who knows how it will be called.
        return node.text == "$" or (node.text == "" and at_top) or node.text in _CONTEXT_ARGUMENTS
    looks_back = node.kind in ("parent", "focus", "index") or (node.kind == "lambda" and "-" in node.text)
    return looks_back or (at_top and node.kind in ("wildcard", "descendant"))


def _items(node: Node, at_top: bool) -> Iterator[Path]:
    """Read a part whose other parts are asked of each item of its first."""
    inner, *others = node.parts
    yield from _paths(inner, at_top=at_top and node.kind != "transform")
    for other in others:
        yield from _paths(other, at_top=False)


def _path(node: Node, at_top: bool) -> Iterator[Path]:
    first, *steps = _steps(node)
    is_top = first.kind == "variable" and (first.text == "$" or (first.text == "" and at_top))
    if is_top or (first.kind in _NAMES and at_top):
        yield _leading_names(steps if is_top else [first, *steps])
    else:
        yield from _paths(first, at_top=at_top)
    for step in steps:
        yield from _paths(step, at_top=False)


def _leading_names(steps: list[Node]) -> Path:
    """The names with which a path begins; the name of a list that is filtered is the last of them."""
    names: list[str] = []
    for step in steps:
        name = _filtered_name(step)
        if name is None:
            break
        names.append(name)
        if step.kind == "filter":
            break
    return tuple(names)


def _filtered_name(node: Node) -> str | None:
    while node.kind == "filter":
        node = node.parts[0]
    return node.text if node.kind in _NAMES else None


def _call(node: Node, at_top: bool, given: int = 0) -> Iterator[Path]:
    """Read a call; `given` arguments come from elsewhere."""
    called, *arguments = node.parts
    needed = _CONTEXT_ARGUMENTS.get(called.text, 0)
    if called.kind != "variable":
        yield from _paths(called, at_top=at_top)
    elif at_top and needed and (node.kind == "partial" or len(arguments) + given < needed):
        yield _EVERYTHING
    loops = called.kind == "variable" and called.text in _LOOPING
    for argument in arguments:
        if not (loops and argument.kind == "variable" and argument.text in _CONTEXT_ARGUMENTS):
            yield from _paths(argument, at_top=at_top)


def _apply(node: Node, at_top: bool) -> Iterator[Path]:
    left, right = node.parts
    yield from _paths(left, at_top=at_top)
    if right.kind == "call":
        yield from _call(right, at_top, given=1)
    elif right.kind != "variable" or left.kind in ("variable", "lambda"):
        yield from _paths(right, at_top=at_top)  # else a function that is called with what stands at the left


_READERS: dict[str, Callable[[Node, bool], Iterator[Path]]] = {
    "path": _path,
    "filter": _items,
    "group": _items,
    "sort": _items,
    "transform": _items,
    "call": _call,
    "partial": _call,
    "apply": _apply,
}
