"""Rules about step groups and what they stand for in a legacy service request."""

from __future__ import annotations

from collections.abc import Iterator

from service.definition.document import Document
from service.definition.rules import Finding, finding


def no_group_for_special_nodes(document: Document) -> Iterator[Finding]:
    """Start, end and gateways belong to no group."""
    special = {node.id for node in document.nodes if node.kind is not None and node.kind.is_special}
    for group in document.groups:
        for pointer, id in group.members:
            if id in special:
                message = f'step "{id}" is a {document.node[id].type} and can belong to no group'
                yield finding("NO_GROUP_FOR_SPECIAL_NODES", message, pointer)
    for node in document.nodes:
        if node.kind is not None and node.kind.is_special and "group" in node.data:
            message = f'step "{node.id}" is a {node.type} and can belong to no group'
            yield finding("NO_GROUP_FOR_SPECIAL_NODES", message, f"{node.pointer}/group")


def group_step_ids_exist(document: Document) -> Iterator[Finding]:
    """A group lists steps that there are."""
    for group in document.groups:
        for pointer, id in group.members:
            if id not in document.node:
                guess = document.guess(id, document.node)
                yield finding("GROUP_STEP_IDS_EXISTS", f'there is no step "{id}"{guess}', pointer)


def step_belongs_to_only_one_group(document: Document) -> Iterator[Finding]:
    """A step is listed once."""
    first: dict[str, str] = {}
    for group in document.groups:
        for pointer, id in group.members:
            if id in first:
                message = f'step "{id}" is listed at {first[id]} already'
                yield finding("STEP_BELONGS_TO_ONLY_ONE_GROUP", message, pointer)
            else:
                first[id] = pointer


def step_group_cannot_be_empty(document: Document) -> Iterator[Finding]:
    """A group lists at least one step."""
    for group in document.groups:
        if group.data.get("stepIds") == []:
            message = f'step group "{group.id}" lists no steps'
            yield finding("STEP_GROUP_CANNOT_BE_EMPTY", message, f"{group.pointer}/stepIds")


def step_group_agrees(document: Document) -> Iterator[Finding]:
    """What a step says of its group is what the groups say of the step."""
    known = [group.id for group in document.groups if group.id is not None]
    for node in document.nodes:
        group = node.data.get("group")
        named = group.get("groupId") if isinstance(group, dict) else None
        if not isinstance(named, str) or node.id is None or (node.kind is not None and node.kind.is_special):
            continue
        listing = [group.id for group in document.groups_of.get(node.id, ())]
        pointer = f"{node.pointer}/group/groupId"
        if named not in known:
            guess = document.guess(named, known)
            yield finding("STEP_GROUP_AGREES", f'there is no step group "{named}"{guess}', pointer)
        elif named not in listing:
            where = f'"{listing[0]}" does' if listing else "none does"
            message = f'step "{node.id}" names group "{named}", which does not list it; {where}'
            yield finding("STEP_GROUP_AGREES", message, pointer)


def legacy_service_request_requires_step_groups(document: Document) -> Iterator[Finding]:
    """The tasks of a service request come in groups."""
    if document.data.get("legacyServiceRequestType") and not document.data.get("stepGroups"):
        message = "a definition for a legacy service request needs stepGroups"
        yield finding("LEGACY_SERVICE_REQUEST_REQUIRES_STEP_GROUPS", message, "/legacyServiceRequestType")


def legacy_service_request_type_group_task_unique(document: Document) -> Iterator[Finding]:
    """A task of a service request is one step."""
    first: dict[tuple[object, str], str | None] = {}
    for node in document.nodes:
        key = node.data.get("legacyServiceRequestTaskKey")
        if not isinstance(key, str):
            continue
        groups = document.groups_of.get(node.id or "", [])
        group = groups[0].data.get("legacyServiceRequestTaskGroupKey") if groups else None
        place = (group if isinstance(group, str) else None, key)
        if place in first:
            within = f' in group "{place[0]}"' if place[0] is not None else ""
            message = f'step "{first[place]}" stands for task "{key}"{within} already'
            pointer = f"{node.pointer}/legacyServiceRequestTaskKey"
            yield finding("LEGACY_SERVICE_REQUEST_TYPE_GROUP_TASK_UNIQUE", message, pointer)
        else:
            first[place] = node.id


def legacy_service_request_task_only_on_human_step(document: Document) -> Iterator[Finding]:
    """The tasks of a service request are done by people."""
    for node in document.nodes:
        if node.data.get("legacyServiceRequestTaskKey") and node.kind is not None and not node.kind.is_human:
            message = f'step "{node.id}" is a {node.type}; only human steps stand for a task of a service request'
            pointer = f"{node.pointer}/legacyServiceRequestTaskKey"
            yield finding("LEGACY_SERVICE_REQUEST_TASK_ONLY_ON_HUMAN_STEP", message, pointer)
