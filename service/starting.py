"""StartExecution: find what to run, make the first moves with the row in one write, hand the rest to Temporal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from service.awaiting import await_children, planned_by
from service.definition.plan import Json, Plan
from service.definition.schemas import violations
from service.delivering import Deliverer
from service.domain.errors import AlreadyExists, Exhausted, HeddleError, Invalid, NotFound, WrongState
from service.domain.execution import Execution
from service.domain.fields import shown
from service.domain.step_run import StepRun
from service.domain.trigger_record import TriggerRecord
from service.gateway import Gateway
from service.launching import Created, create, first_moves, launch, subject_in_use
from storage import executions, requests, step_runs, targets, trigger_records
from storage.database import connection, refusing


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller asks for; exactly one of version, template, key and entity names what to run."""

    workspace: str
    request_id: str
    request_digest: str
    execution_id: str  # what it gets when the request is new
    time: datetime
    input_json: str
    input: Json
    version_id: str = ""
    template_id: str = ""
    template_key: str = ""
    entity_type: str = ""
    entity_id: str = ""
    name: str = ""
    correlation_id: str = ""
    subject_type: str = ""
    subject_id: str = ""
    event_id: str = ""  # of the event that starts it by a trigger; empty: a caller does
    trigger_id: str = ""
    event_depth: int = 0


class Starter:
    """Starts executions; `plan_of` gives a plan by workspace and digest, `is_swamped` tells when to refuse more.

    `deliverer` brings the events that came before an execution's first waits; without it a sweep does so.
    """

    def __init__(
        self,
        gateway: Gateway,
        plan_of: Callable[[str, str], Plan],
        is_swamped: Callable[[], bool],
        deliverer: Deliverer | None = None,
    ) -> None:
        self._gateway = gateway
        self._plan_of = plan_of
        self._is_swamped = is_swamped
        self._deliverer = deliverer

    def start(self, order: Order, seconds: float = 0) -> tuple[Execution, list[StepRun]]:
        """Start an execution once, however often the same order comes; gives it with its first step runs.

        Raises NotFound, WrongState or Invalid when there is nothing to run or the input does not fit, AlreadyExists
        when the request id stands for another order. While Temporal is away the execution is accepted as CREATED.
        The first children of its first steps are awaited for so many seconds.
        """
        try:
            created = self._create(order)
        except HeddleError as refusal:
            earlier = self._earlier(order)
            if earlier is None:
                _record(order, refusal)
                raise
            return earlier
        if created is None:
            earlier = self._earlier(order)
            if earlier is None:
                raise _deleted(order)
            return earlier
        execution = created.execution
        if created.launch is not None:
            stored = launch(self._gateway, created.launch, 0, lambda: datetime.now(UTC))
            execution = stored or executions.get(execution.workspace, execution.id) or execution
            if execution.status == "STARTED" and (planned := planned_by(created.step_runs)):
                await_children(self._plan_of(order.workspace, execution.plan_digest), execution, planned, seconds)
            if created.waits and self._deliverer is not None:
                self._deliverer.look_back(execution.workspace, execution.id, seconds)
            if execution.last_number != created.execution.last_number:
                return self._standing(execution)  # it went on, and its step runs with it
        return execution, created.step_runs

    def _create(self, order: Order) -> Created | None:
        if self._is_swamped():
            raise Exhausted(
                "LAUNCH_BACKLOG_FULL", "too many executions wait for Temporal to come back; try again later"
            )
        with connection():
            target = _find(order)
            plan = self._plan_of(order.workspace, target.plan_digest or "")
            _check_input(plan, order.input, target)
            in_use = subject_in_use(order.subject_type, order.subject_id)
            with refusing(requests_pkey=_reused(order), executions_subject_open=in_use):
                return create(_new(order, target, plan), plan, first_moves(plan, order.input, order.time))

    def _earlier(self, order: Order) -> tuple[Execution, list[StepRun]] | None:
        """The execution that the same request started before, with its step runs so far; None when it started none."""
        with connection():
            earlier = executions.by_request(order.workspace, order.request_id)
            request = requests.find(order.workspace, order.request_id) if earlier is None else None
        if request is not None and (request.method, request.digest) == ("StartExecution", order.request_digest):
            raise _deleted(order)
        if earlier is not None and earlier.request_digest != order.request_digest:
            raise _reused(order)
        return None if earlier is None else self._standing(earlier)

    def _standing(self, execution: Execution) -> tuple[Execution, list[StepRun]]:
        """Read it again with its step runs, both as of one moment."""
        return step_runs.with_execution(execution.workspace, execution.id) or (execution, [])


MAX_MESSAGE = 1_000
"""Characters of a refusal's message that its record keeps."""

_RECORDED = (Invalid, NotFound, WrongState, AlreadyExists, Exhausted)
"""Refusals that say something of the request; the others say that something was away, or in the way."""


def _record(order: Order, refusal: HeddleError) -> None:
    """Leave word that nothing was started for an entity, and why."""
    if not order.entity_type or not isinstance(refusal, _RECORDED) or refusal.reason == "REQUEST_ID_REUSED":
        return
    record = TriggerRecord(
        workspace=order.workspace,
        id=order.execution_id,
        source="LINK",
        entity_type=order.entity_type,
        entity_id=order.entity_id,
        request_id=order.request_id,
        outcome="REFUSED",
        reason=refusal.reason,
        message=refusal.message[:MAX_MESSAGE],
        template_id=refusal.facts.get("template_id", ""),
        version_id=refusal.facts.get("version_id", ""),
        create_time=order.time,
    )
    trigger_records.add(record)


def _deleted(order: Order) -> NotFound:
    """Say that the request has had its effect, though nothing of it is left: it starts nothing a second time."""
    return NotFound(
        "EXECUTION_NOT_FOUND",
        f"the execution that request_id {shown(order.request_id)} started was deleted",
        request_id=order.request_id,
    )


def _reused(order: Order) -> AlreadyExists:
    return AlreadyExists(
        "REQUEST_ID_REUSED",
        f"request_id {shown(order.request_id)} was used before for another request",
        request_id=order.request_id,
    )


def _new(order: Order, target: targets.Target, plan: Plan) -> Execution:
    return Execution.new(
        workspace=order.workspace,
        id=order.execution_id,
        request_id=order.request_id,
        request_digest=order.request_digest,
        name=order.name or plan.name,
        template_id=target.template_id,
        version_id=target.version_id or "",
        plan_digest=target.plan_digest or "",
        input=order.input_json,
        time=order.time,
        correlation_id=order.correlation_id,
        subject=(order.subject_type, order.subject_id),
        entity=(order.entity_type, order.entity_id),
        event=(order.event_id, order.trigger_id, order.event_depth),
    )


def _find(order: Order) -> targets.Target:
    target, wanted = _look_up(order)
    if target is None:
        reason, words, facts = wanted
        raise NotFound(reason, words, **facts)
    if target.archived:
        raise WrongState(
            "TEMPLATE_ARCHIVED",
            f"cannot start template {target.template_id}: it is archived",
            template_id=target.template_id,
        )
    if target.version_id is None:
        raise WrongState(
            "TEMPLATE_HAS_NO_ACTIVE_VERSION",
            f"cannot start template {target.template_id}: it has no active version",
            template_id=target.template_id,
        )
    if target.version_status != "PUBLISHED":
        raise WrongState(
            "VERSION_NOT_PUBLISHED",
            f"cannot start version {target.version_label}: it is {target.version_status}",
            version_id=target.version_id,
            status=target.version_status,
        )
    return target


def _look_up(order: Order) -> tuple[targets.Target | None, tuple[str, str, dict[str, str]]]:
    """Look the target up, with what to say when it is not there."""
    workspace = order.workspace
    if order.version_id:
        words = ("VERSION_NOT_FOUND", f"there is no version {order.version_id}", {"version_id": order.version_id})
        return targets.by_version(workspace, order.version_id), words
    if order.template_id:
        words = ("TEMPLATE_NOT_FOUND", f"there is no template {order.template_id}", {"template_id": order.template_id})
        return targets.by_template(workspace, order.template_id), words
    if order.template_key:
        key = order.template_key
        words = ("TEMPLATE_NOT_FOUND", f"there is no template with key {key}", {"template_key": key})
        return targets.by_key(workspace, key), words
    entity = f"{order.entity_type} {order.entity_id}"
    words = ("LINK_NOT_FOUND", f"no template is linked to {entity}", {"entity": entity})
    return targets.by_entity(workspace, order.entity_type, order.entity_id), words


def _check_input(plan: Plan, input: Json, target: targets.Target) -> None:
    if plan.input_schema is None:
        return
    if found := violations(plan.input_schema, input):
        raise Invalid(
            "INPUT_INVALID",
            f"the input does not match the version's inputSchema: {found[0].message} (at {found[0].pointer or '/'})",
            field="input_json",
            pointer=found[0].pointer,
            template_id=target.template_id,
            version_id=target.version_id,
        )
