"""An execution and all below it, in the order of a tree: each before its children, those by step, visit and item.

A page goes on behind the execution at which the last one ended: with its children, then with its later brothers, then
with those of each one above. So it reads no more than it tells, however large the family is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from storage.database import query


@dataclass(frozen=True, slots=True)
class Node:
    """An execution as a tree shows it. What its parent started it for is empty, or 0, for one without a parent."""

    id: str
    parent_id: str | None  # None: nobody's child
    depth: int  # below the execution that has no parent
    parent_step_id: str
    parent_visit: int
    parent_item: int
    name: str
    template_id: str
    version_id: str
    status: str
    phase: str
    create_time: datetime
    start_time: datetime | None  # None: Temporal has not taken it over
    end_time: datetime | None  # None: it has not ended


_COLUMNS = ", ".join(f"e.{field.name}" for field in fields(Node))
_PLACE = "e.parent_step_id, e.parent_visit, e.parent_item, e.id"


def get(workspace: str, execution_id: str) -> Node | None:
    """Get one execution; None when the workspace has none of that id."""
    rows = query(f"SELECT {_COLUMNS} FROM executions e WHERE workspace = %s AND id = %s", (workspace, execution_id))
    return Node(*rows[0]) if rows else None


def page(workspace: str, top: Node, *, after: str, limit: int) -> list[Node] | None:
    """List a tree: at most `limit` executions, those that follow the one with the id `after` if that is given.

    None when that one is no longer in the tree.
    """
    if not after:
        return [top, *_below(workspace, top, None, limit - 1)]
    chain = _chain(workspace, after, top)
    if not chain:
        return None
    found = _below(workspace, chain[0], None, limit)
    for child, parent in zip(chain, chain[1:], strict=False):
        found += _below(workspace, parent, child, limit - len(found))
    return found


def _chain(workspace: str, execution_id: str, top: Node) -> list[Node]:
    """List an execution and those above it up to the top of the tree; empty when it is not in the tree."""
    rows = query(
        f"WITH RECURSIVE chain AS (SELECT {_COLUMNS} FROM executions e WHERE e.workspace = %s AND e.id = %s "
        f"UNION ALL SELECT {_COLUMNS} FROM executions e, chain WHERE e.workspace = %s AND e.id = chain.parent_id "
        "AND chain.depth > %s) SELECT * FROM chain ORDER BY depth DESC",
        (workspace, execution_id, workspace, top.depth),
    )
    chain = [Node(*row) for row in rows]
    return chain if chain and chain[-1].id == top.id else []


def _below(workspace: str, parent: Node, behind: Node | None, limit: int) -> list[Node]:
    """List the first of those below an execution, or behind one of its children, in the order of the tree."""
    if limit <= 0:
        return []
    children: dict[str | None, list[Node]] = defaultdict(list)
    level = _children(workspace, [parent.id], behind, limit)
    while level:
        for child in level:
            children[child.parent_id].append(child)
        level = _children(workspace, [child.id for child in level], None, limit)
    walk = _walk(children, parent.id)
    return [node for node, _ in zip(walk, range(limit), strict=False)]


def _children(workspace: str, parent_ids: Sequence[str], behind: Node | None, limit: int) -> list[Node]:
    """List the first children of some executions, of each in its order; no more than `limit` of all are in a page."""
    condition, values = "", list[object]()
    if behind is not None:
        condition = f"AND ({_PLACE}) > (%s, %s, %s, %s) "
        values = [behind.parent_step_id, behind.parent_visit, behind.parent_item, behind.id]
    rows = query(
        "SELECT e.* FROM unnest(%s) WITH ORDINALITY AS parent(id, place), LATERAL ("
        f'SELECT {_COLUMNS} FROM executions e WHERE e.workspace = %s AND e.parent_id = parent.id COLLATE "C" '
        f"{condition}ORDER BY {_PLACE} LIMIT %s) e ORDER BY parent.place, {_PLACE} LIMIT %s",
        (list(parent_ids), workspace, *values, limit, limit),
    )
    return [Node(*row) for row in rows]


def _walk(children: dict[str | None, list[Node]], parent_id: str) -> Iterator[Node]:
    for child in children.get(parent_id, ()):
        yield child
        yield from _walk(children, child.id)
