"""The triggers that a definition has: they are there as long as its version is the active one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from service.definition.compiling import native
from service.definition.event_triggers import Written, written
from service.domain.trigger import Trigger
from service.domain.version import Version
from storage import triggers


def adopt(version: Version, now: datetime, new_id: Callable[[], str]) -> None:
    """Let the triggers of a version's definition take the place of those that its template's active version had.

    One that looks like one that was there before stays the same trigger, and so decides about no event twice. Call it
    inside the transaction that makes the version the active one.
    """
    before = triggers.of_definition(version.workspace, version.template_id)
    if before and all(trigger.version_id == version.id for trigger in before):
        return
    known = dict(zip(_names((one.action, one.pattern, one.name) for one in before), before, strict=True))
    wanted = written(native(version.dialect, json.loads(version.definition)))
    ids = sorted(new_id() for _ in wanted)
    for id, name, one in zip(ids, _names((one.action, one.pattern, one.name) for one in wanted), wanted, strict=True):
        stays = known.pop(name, None)
        if stays is None:
            triggers.add(_trigger(one, version, id, now))
        else:
            fresh = _trigger(one, version, stays.id, now)
            triggers.replace(replace(fresh, revision=stays.revision + 1, create_time=stays.create_time))
    for gone in known.values():
        triggers.delete(gone)


def abandon(workspace: str, template_id: str) -> None:
    """Take away the triggers that the definition of a template's active version had."""
    for gone in triggers.of_definition(workspace, template_id):
        triggers.delete(gone)


def _names(found: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str, int]]:
    """Tell triggers apart by action, pattern and name, and equal ones by their order."""
    seen: Counter[tuple[str, str, str]] = Counter()
    names = []
    for one in found:
        names.append((*one, seen[one]))
        seen[one] += 1
    return names


def _trigger(one: Written, version: Version, id: str, now: datetime) -> Trigger:
    return Trigger(
        workspace=version.workspace,
        id=id,
        template_id=version.template_id,
        version_id=version.id,
        name=one.name[:256],
        description=one.description[:4_096],
        action=one.action,
        pattern=one.pattern,
        condition=one.condition,
        language="jsonata",
        input_mapping=one.mapping if one.action == "START" else "",
        correlation_key=one.correlation_key,
        priority=one.priority,
        enabled=one.enabled,
        reason=one.reason,
        compensate=one.compensates,
        revision=1,
        create_time=now,
        update_time=now,
    )
