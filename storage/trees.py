"""An execution and all below it, in the order of a tree: each before its children, those by step, visit and item.

A page goes on behind the execution at which the last one ended: with its children, then with its later brothers, then
with those of each one above. So it reads little more than it tells, however large the family is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from service.domain.execution import Execution
from storage.database import query
from storage.execution_lists import LIGHT

_PLACE = "e.parent_step_id, e.parent_visit, e.parent_item, e.id"


def page(workspace: str, top: Execution, *, after: str, limit: int) -> list[Execution] | None:
    """List a tree: at most `limit` executions, those that follow the one with the id `after` if that is given.

    Their inputs and outputs are left out (empty, None). None when `after` is not in the tree.
    """
    chain = _chain(workspace, after or top.id, top)
    if not chain:
        return None
    found = [] if after else chain
    found = [*found, *_below(workspace, chain[0], None, limit - len(found))]
    for child, parent in pairwise(chain):
        found += _below(workspace, parent, child, limit - len(found))
    return found


def _chain(workspace: str, execution_id: str, top: Execution) -> list[Execution]:
    """List an execution and those above it up to the top of the tree; empty when it is not in the tree."""
    rows = query(
        f"WITH RECURSIVE chain AS (SELECT {LIGHT} FROM executions e WHERE e.workspace = %s AND e.id = %s "
        f"UNION ALL SELECT {LIGHT} FROM executions e, chain WHERE e.workspace = %s AND e.id = chain.parent_id "
        "AND chain.depth > %s) SELECT * FROM chain ORDER BY depth DESC",
        (workspace, execution_id, workspace, top.depth),
    )
    chain = [Execution(*row) for row in rows]
    return chain if chain and chain[-1].id == top.id else []


def _below(workspace: str, parent: Execution, behind: Execution | None, limit: int) -> list[Execution]:
    """List the first of those below an execution, or behind one of its children, in the order of the tree."""
    if limit <= 0:
        return []
    children: dict[str | None, list[Execution]] = defaultdict(list)
    level = _children(workspace, [parent.id], behind, limit)
    while level:
        for child in level:
            children[child.parent_id].append(child)
        level = _children(workspace, [child.id for child in level], None, limit)
    return list(islice(_walk(children, parent.id), limit))


def _children(workspace: str, parent_ids: Sequence[str], behind: Execution | None, limit: int) -> list[Execution]:
    """List the children of some executions, in the order of both, but no more than a page of `limit` can have."""
    condition, values = "", list[object]()
    if behind is not None:
        condition = f"AND ({_PLACE}) > (%s, %s, %s, %s) "
        values = [behind.parent_step_id, behind.parent_visit, behind.parent_item, behind.id]
    rows = query(
        "SELECT e.* FROM unnest(%s) WITH ORDINALITY AS parent(id, place), LATERAL ("
        f'SELECT {LIGHT} FROM executions e WHERE e.workspace = %s AND e.parent_id = parent.id COLLATE "C" '
        f"{condition}ORDER BY {_PLACE} LIMIT %s) e ORDER BY parent.place, {_PLACE} LIMIT %s",
        (list(parent_ids), workspace, *values, limit, limit),
    )
    return [Execution(*row) for row in rows]


def _walk(children: dict[str | None, list[Execution]], parent_id: str) -> Iterator[Execution]:
    for child in children.get(parent_id, ()):
        yield child
        yield from _walk(children, child.id)
