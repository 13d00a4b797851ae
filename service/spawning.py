"""Starting the children of a step run: a row each, then Temporal, once however often it is tried."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.definition.plan import Json
from service.definition.schemas import violations
from service.domain import fields, ids
from service.domain.errors import HeddleError, Unavailable
from service.domain.execution import MAX_DEPTH, Execution, Launch, Siblings
from service.domain.fields import MAX_NAME
from service.domain.json_text import compact
from service.engine.steps.sub_workflow import ChildOrder
from service.gateway import Gateway, StartRefused, TemporalAway
from service.launching import create, first_moves, subject_in_use
from service.plans import Plans
from storage import executions, families, targets
from storage.database import connection, refusing

AT_ONCE = 8
"""Starts that Temporal is asked for at the same time."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """What became of orders: the items that have a child now, and of those the ones that have ended already."""

    items: list[int]
    ended: list[dict[str, Json]]  # fields of `ChildEnded`, without key and round


class Unstartable(Exception):
    """A child cannot be started; `reason` is the code of the error that its parent is told."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Spawner:
    """Starts children for a worker."""

    def __init__(self, gateway: Gateway, plans: Plans) -> None:
        self._gateway = gateway
        self._plans = plans

    def spawn(self, siblings: Siblings, orders: Sequence[ChildOrder]) -> Spawned:
        """Give every order its child, unless the parent's step run has ended meanwhile.

        What cannot be started (no such version, an input that does not fit) counts as ended, with the reason.
        """
        spawned = Spawned([], [])
        launches: list[tuple[int, Launch]] = []
        with connection():
            parent = executions.without_values(siblings.workspace, siblings.parent_id)
            if parent is None:
                return spawned
            known = families.of_items(siblings, [order.item for order in orders])
            for order in orders:
                child, launch = known.get(order.item), None
                if child is None:
                    child, launch = self._create(parent, siblings, order)
                if child is not None:
                    spawned.items.append(order.item)
                    if child.status not in ("CREATED", "STARTED"):
                        spawned.ended.append(_ended(child))
                if launch is not None:
                    launches.append((order.item, launch))
        spawned.ended.extend(self._launch(launches))
        return spawned

    def _create(
        self, parent: Execution, siblings: Siblings, order: ChildOrder
    ) -> tuple[families.Child | None, Launch | None]:
        """Store one child; (None, None) when the step run has ended."""
        try:
            return self._created(parent, siblings, order)
        except Unavailable:
            raise  # the activity is tried again
        except (Unstartable, HeddleError) as error:
            told = {"code": error.reason, "message": str(error)}
            return families.Child(order.item, "", "FAILED_TO_START", 0, json.dumps(told)), None

    def _created(
        self, parent: Execution, siblings: Siblings, order: ChildOrder
    ) -> tuple[families.Child | None, Launch | None]:
        if order.error:
            raise Unstartable(order.error["code"], order.error["message"])
        if parent.depth >= MAX_DEPTH:
            message = f"a child would be {parent.depth + 1} levels deep; the limit is {MAX_DEPTH}"
            raise Unstartable("SUB_WORKFLOW_TOO_DEEP", message)
        now = datetime.now(UTC)
        child, plan = self._new(parent, siblings, order, now)
        moves = first_moves(plan, order.input, now)
        with refusing(executions_subject_open=subject_in_use(order.subject_type, order.subject_id)):
            created = create(child, plan, moves)
        if created is None:
            return families.of_items(siblings, [order.item]).get(order.item), None
        size = len((created.execution.output or "").encode())
        known = families.Child(order.item, child.id, created.execution.status, size, created.execution.error)
        return known, created.launch

    def _new(self, parent: Execution, siblings: Siblings, order: ChildOrder, now: datetime) -> tuple[Execution, Any]:
        target = targets.by_version(parent.workspace, order.version)
        if target is None or target.plan_digest is None or target.version_id is None:
            raise Unstartable("VERSION_NOT_FOUND", f"there is no published version {order.version}")
        plan = self._plans.get(parent.workspace, target.plan_digest)
        if plan.input_schema is not None and (found := violations(plan.input_schema, order.input)):
            at = f" (at {found[0].pointer})" if found[0].pointer else ""
            message = f"the input does not match the inputSchema of version {target.version_label}: {found[0].message}"
            raise Unstartable("INPUT_INVALID", message + at)
        if order.subject_type:
            fields.subject_id("childSubject.id", order.subject_id)
        child = Execution.new(
            workspace=parent.workspace,
            id=ids.uuid7(now, secrets.randbits(62)),
            # No caller can give this id: an arrow is not ASCII.
            request_id=f"→{parent.id}/{siblings.step_id}/{siblings.visit}/{siblings.round}/{order.item}",
            request_digest="",
            name=_name(order.name) if order.name else target.template_name,
            template_id=target.template_id,
            version_id=target.version_id,
            plan_digest=target.plan_digest,
            input=compact(order.input),
            time=now,
            correlation_id=parent.correlation_id,
            subject=(order.subject_type, order.subject_id),
            parent=parent,
            siblings=siblings,
            item=order.item,
        )
        return child, plan

    def _launch(self, launches: list[tuple[int, Launch]]) -> list[dict[str, Json]]:
        """Hand children to Temporal; those that it did not take now the launcher hands over later."""
        if not launches:
            return []
        with ThreadPoolExecutor(min(AT_ONCE, len(launches)), "spawn") as pool:
            errors = list(pool.map(self._start, (launch for _, launch in launches)))
        now = datetime.now(UTC)
        refused = []
        with connection():
            taken = [launch for (_, launch), error in zip(launches, errors, strict=True) if error is None]
            if taken:
                executions.confirm_all(taken[0].workspace, [launch.execution_id for launch in taken], now)
            for (item, launch), error in zip(launches, errors, strict=True):
                if isinstance(error, StartRefused):
                    told = json.dumps({"code": "START_REFUSED", "message": f"Temporal refuses the start: {error}"})
                    executions.refuse_launch(launch.workspace, launch.execution_id, told, now)
                    child = families.Child(item, launch.execution_id, "FAILED_TO_START", 0, told)
                    refused.append(_ended(child))
        return refused

    def _start(self, launch: Launch) -> Exception | None:
        try:
            self._gateway.start(launch)
        except (StartRefused, TemporalAway) as error:
            return error
        return None


def collect(siblings: Siblings, items: int) -> list[Json]:
    """Give the outputs of children in the order of their items, null for those that did not complete."""
    with connection():
        outputs = families.outputs(siblings)
    return [json.loads(outputs[item]) if item in outputs else None for item in range(items)]


def _name(computed: str) -> str:
    """Make a name of what an expression gave: what it joins, such as a name that is not known, may leave space."""
    name = fields.tidied(computed)
    if not 1 <= len(name) <= MAX_NAME:
        raise Unstartable("NAME_INVALID", f"childWorkflowName gave {len(name)} characters, it must be 1 to {MAX_NAME}")
    return name


def _ended(child: families.Child) -> dict[str, Json]:
    error = None if child.error is None else json.loads(child.error)
    told = None if error is None else {"code": error["code"], "message": error["message"][:500]}
    return {"item": child.item, "id": child.id, "status": child.status, "size": child.output_size, "error": told}
