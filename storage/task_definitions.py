"""Task definitions with all their versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from service.domain.errors import AlreadyExists, NotFound
from service.domain.fields import shown
from service.domain.task_definition import TaskDefinition
from storage.database import Row, query, refusing

_OF_DEFINITION = ("workspace", "id", "key", "create_time")
_COLUMNS = ", ".join(f"{'d' if field.name in _OF_DEFINITION else 'v'}.{field.name}" for field in fields(TaskDefinition))
_SELECT = (
    f"SELECT {_COLUMNS} FROM task_definitions d JOIN task_definition_versions v "
    "ON (v.workspace, v.task_definition_id) = (d.workspace, d.id)"
)
_NEWEST = f"{_SELECT} AND v.version = d.version WHERE d.workspace = %s"
_EXACT = f"{_SELECT} AND v.version = %s WHERE d.workspace = %s"
_ADD = "INSERT INTO task_definitions (workspace, id, key, version, create_time) VALUES (%s, %s, %s, %s, %s)"
_ADD_VERSION = """
    INSERT INTO task_definition_versions (
        workspace, task_definition_id, version, name, description, type, input_schema, output_schema, implementation,
        update_time
    )
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_ADVANCE = "UPDATE task_definitions SET version = %s WHERE workspace = %s AND id = %s"
_LOCK = "SELECT 1 FROM task_definitions WHERE workspace = %s AND id = %s FOR NO KEY UPDATE"
_DELETE = "DELETE FROM task_definitions WHERE workspace = %s AND id = %s"
_NAMED = f"""
    {_SELECT} JOIN unnest(%s::text[], %s::integer[]) AS named (key, version)
    ON named.key = d.key AND v.version = CASE named.version WHEN 0 THEN d.version ELSE named.version END
    WHERE d.workspace = %s ORDER BY d.key, v.version DESC
"""


def add(definition: TaskDefinition) -> None:
    """Store a new task definition."""
    taken = AlreadyExists(
        "TASK_DEFINITION_KEY_EXISTS",
        f"a task definition with the key {shown(definition.key)} exists already",
        key=definition.key,
    )
    with refusing(task_definitions_key_unique=taken):
        query(_ADD, (definition.workspace, definition.id, definition.key, definition.version, definition.create_time))
    _add_version(definition)


def get(workspace: str, definition_id: str, version: int = 0) -> TaskDefinition:
    """Get a version of a task definition by its id; version 0 is the newest."""
    return _one(workspace, "id", definition_id, version)


def by_key(workspace: str, key: str, version: int = 0) -> TaskDefinition:
    """Get a version of the task definition that has a key; version 0 is the newest."""
    return _one(workspace, "key", key, version)


def lock(workspace: str, definition_id: str) -> TaskDefinition:
    """Get the newest version of a task definition and keep others from changing it until the transaction ends."""
    # Two statements: the one that waits for the lock still sees the version from before.
    query(_LOCK, (workspace, definition_id))
    return get(workspace, definition_id)


def advance(definition: TaskDefinition) -> None:
    """Store the next version of a locked task definition."""
    query(_ADVANCE, (definition.version, definition.workspace, definition.id))
    _add_version(definition)


def delete(definition: TaskDefinition) -> None:
    """Delete a locked task definition with all its versions."""
    query(_DELETE, (definition.workspace, definition.id))


def page(workspace: str, *, type: str, before: str, limit: int) -> list[TaskDefinition]:
    """List task definitions in their newest versions, newest first: those of a type, or all, made before `before`."""
    statement, values = _NEWEST, [workspace]
    if type:
        statement, values = f"{statement} AND v.type = %s", [*values, type]
    if before:
        statement, values = f"{statement} AND d.id < %s", [*values, before]
    return _records(query(f"{statement} ORDER BY d.id DESC LIMIT %s", (*values, limit)))


def versions(workspace: str, definition_id: str, *, before: int, limit: int) -> list[TaskDefinition]:
    """List the versions of a task definition, newest first: those before a version, or with 0 all."""
    statement, values = f"{_SELECT} WHERE d.workspace = %s AND d.id = %s", [workspace, definition_id]
    if before:
        return _records(
            query(f"{statement} AND v.version < %s ORDER BY v.version DESC LIMIT %s", (*values, before, limit))
        )
    return _records(query(f"{statement} ORDER BY v.version DESC LIMIT %s", (*values, limit)))


def named(workspace: str, names: Sequence[tuple[str, int]]) -> list[TaskDefinition]:
    """Get those of some versions, named by key and number, that there are; number 0 is the newest.

    Of each key the newest stands first.
    """
    found = _records(query(_NAMED, ([key for key, _ in names], [number for _, number in names], workspace)))
    return list(dict.fromkeys(found))


def _add_version(definition: TaskDefinition) -> None:
    query(
        _ADD_VERSION,
        (
            definition.workspace,
            definition.id,
            definition.version,
            definition.name,
            definition.description,
            definition.type,
            definition.input_schema,
            definition.output_schema,
            definition.implementation,
            definition.update_time,
        ),
    )


def _one(workspace: str, column: str, name: str, version: int) -> TaskDefinition:
    if version == 0:
        return _found(query(f"{_NEWEST} AND d.{column} = %s", (workspace, name)), name)
    return _found(query(f"{_EXACT} AND d.{column} = %s", (version, workspace, name)), name, version)


def _found(rows: list[Row], name: str, version: int = 0) -> TaskDefinition:
    if not rows:
        which = f"version {version} of task definition {shown(name)}" if version else f"task definition {shown(name)}"
        raise NotFound("TASK_DEFINITION_NOT_FOUND", f"{which} does not exist", task_definition=name)
    return _records(rows)[0]


def _records(rows: list[Row]) -> list[TaskDefinition]:
    return [TaskDefinition(*row) for row in rows]
