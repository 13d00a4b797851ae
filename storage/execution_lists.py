"""Lists of executions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from service.domain.execution import Execution
from storage.database import query

_LIGHT = ", ".join({"input": "''", "output": "NULL"}.get(field.name, field.name) for field in fields(Execution))


def page(workspace: str, filters: Mapping[str, str], *, before: str | None, limit: int) -> list[Execution]:
    """List executions, newest first: those whose columns have the given values, older than `before`.

    Their inputs and outputs are left out (empty, None).
    """
    conditions = ["workspace = %s", *(f"{column} = %s" for column in filters)]
    values: list[Any] = [workspace, *filters.values()]
    if before is not None:
        conditions.append("id < %s")
        values.append(before)
    where = " AND ".join(conditions)
    rows = query(f"SELECT {_LIGHT} FROM executions WHERE {where} ORDER BY id DESC LIMIT %s", [*values, limit])
    return [Execution(*row) for row in rows]
