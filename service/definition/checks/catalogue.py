"""Rules about the service request that a definition serves: its type, groups and tasks stand in the catalogue.

They say nothing where the workspace has no catalogue. What stands under something that the catalogue lacks is not asked
for: it would only be the consequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.definition.document import Document, Group
from service.definition.rules import Finding, finding
from service.definition.surroundings import Surroundings
from service.domain.catalogue import ServiceRequestType, TaskGroup

TYPE, GROUP, TASK = "legacyServiceRequestType", "legacyServiceRequestTaskGroupKey", "legacyServiceRequestTaskKey"
"""The properties that name a type, a task group and a task."""


def is_needed(document: Document) -> bool:
    """Tell whether a definition says that it serves a type of service request."""
    return isinstance(document.data.get(TYPE), str) and bool(document.data[TYPE])


def legacy_service_request_type_exists(document: Document, surroundings: Surroundings) -> Iterator[Finding]:
    """The type of service request is one of the catalogue."""
    if surroundings.catalogue is None or not is_needed(document) or _type(document, surroundings) is not None:
        return
    key = document.data[TYPE]
    guess = document.guess(key, [type.key for type in surroundings.catalogue.types])
    message = f'the catalogue has no type of service request "{_cut(key)}"{guess}'
    yield finding("LEGACY_SERVICE_REQUEST_TYPE_EXISTS", message, f"/{TYPE}")


def legacy_service_request_task_group_exists_in_template(
    document: Document, surroundings: Surroundings
) -> Iterator[Finding]:
    """A group of steps stands for a task group of the type."""
    type = _type(document, surroundings)
    if type is None:
        return
    known = [group.key for group in type.task_groups]
    for group in document.groups:
        key = _key(group)
        if key is not None and key not in known:
            guess = document.guess(key, known)
            message = f'service requests of type "{type.key}" have no task group "{_cut(key)}"{guess}'
            yield finding("LEGACY_SERVICE_REQUEST_TASK_GROUP_EXISTS_IN_TEMPLATE", message, f"{group.pointer}/{GROUP}")


def legacy_service_request_task_exists_in_template(document: Document, surroundings: Surroundings) -> Iterator[Finding]:
    """A step stands for a task of the task group that its group stands for; without one, of any of the type."""
    type = _type(document, surroundings)
    if type is None:
        return
    for node in document.nodes:
        key = node.data.get(TASK)
        if not isinstance(key, str) or not key:
            continue
        keys = [found for group in document.groups_of.get(node.id or "", ()) if (found := _key(group)) is not None]
        groups = [group for group in type.task_groups if not keys or group.key in keys]
        known = _tasks(groups)
        if key not in known and not (keys and not groups):
            where = f'task group "{groups[0].key}"' if keys else f'service requests of type "{type.key}"'
            has = "has" if keys else "have"
            message = f'{where} {has} no task "{_cut(key)}"{document.guess(key, known)}'
            yield finding("LEGACY_SERVICE_REQUEST_TASK_EXISTS_IN_TEMPLATE", message, f"{node.pointer}/{TASK}")


def _type(document: Document, surroundings: Surroundings) -> ServiceRequestType | None:
    if surroundings.catalogue is None:
        return None
    written = document.data.get(TYPE)
    return next((type for type in surroundings.catalogue.types if type.key == written), None)


def _key(group: Group) -> str | None:
    key = group.data.get(GROUP)
    return key if isinstance(key, str) and key else None


def _tasks(groups: Iterable[TaskGroup]) -> dict[str, None]:
    return dict.fromkeys(task.key for group in groups for task in group.tasks)


def _cut(key: str) -> str:
    return key if len(key) <= 60 else f"{key[:60]}…"
