"""Events that start and cancel executions."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from heddle.v1 import error_reason_pb2
from heddle.v1.trigger_record_pb2 import TriggerRecord
from tests.end_to_end.api import PATIENCE, Api, refused, status
from tests.end_to_end.definitions import definition

ONBOARDING = definition("start > a; a > end", name="Onboarding")


def trigger(api: Api, template_id: str, pattern: str = "customers.created", **fields: Any) -> Any:
    return api.call(
        "CreateTrigger", **({"template_id": template_id, "pattern": pattern, "action": "ACTION_START"} | fields)
    ).trigger


def publish(api: Api, event_id: str, name: str = "customers.created", metadata: Any = None, **payload: Any) -> Any:
    return api.call(
        "PublishEvent",
        event_id=event_id,
        name=name,
        payload_json=json.dumps(payload),
        metadata_json=json.dumps(metadata or {}),
    )


def records(answer: Any) -> list[tuple[str, str, str]]:
    """Trigger, outcome and reason of each record in an answer."""
    return [
        (
            one.source_id,
            TriggerRecord.Outcome.Name(one.outcome).removeprefix("OUTCOME_"),
            error_reason_pb2.ErrorReason.Name(one.reason).removeprefix("ERROR_REASON_"),
        )
        for one in answer.trigger_records
    ]


def executions(api: Api, **fields: Any) -> list[Any]:
    return list(api.call("ListExecutions", **fields).executions)


@pytest.fixture
def template(api) -> str:
    return api.publish(ONBOARDING).template_id


@pytest.mark.parametrize(
    ("language", "mapping", "expressions"),
    [
        (
            "LANGUAGE_JSONATA",
            {
                "customerId": "{% __event__.payload.id %}",
                "contactEmail": "{% __event__.payload.primaryContact.email %}",
            },
            ("__event__.payload.accountType = 'enterprise'", "__event__.payload.id"),
        ),
        (
            "LANGUAGE_ORCHESTRATOR",
            {"customerId": "event.payload.id", "contactEmail": "event.payload.primaryContact.email"},
            ("event.payload.accountType == 'enterprise'", "event.payload.id"),
        ),
        (
            "LANGUAGE_ORCHESTRATOR",
            {"customerId": "$.payload.id", "contactEmail": "data.primaryContact.email"},
            ("data.accountType === 'enterprise'", "$.payload.id"),
        ),
    ],
    ids=["jsonata", "event", "aq18"],
)
def test_b5_and_aq18_an_event_starts_one_execution_with_the_mapped_input(api, template, language, mapping, expressions):
    made = trigger(
        api,
        template,
        language=language,
        condition=expressions[0],
        input_mapping_json=json.dumps(mapping),
        correlation_key=expressions[1],
        priority=10,
    )
    payload = {"id": "CUST-1", "accountType": "enterprise", "primaryContact": {"email": "a@example.com"}}

    answer = publish(api, "e1", **payload)
    small = publish(api, "e2", **payload | {"accountType": "small"})
    again = publish(api, "e1", **payload)

    assert records(answer) == [(made.id, "STARTED", "UNSPECIFIED")]
    assert again == answer
    assert records(small) == [(made.id, "REFUSED", "TRIGGER_CONDITION_FALSE")]
    (execution,) = executions(api, correlation_id="CUST-1")
    execution = api.execution(execution.id)
    assert json.loads(execution.input_json) == {"customerId": "CUST-1", "contactEmail": "a@example.com"}
    assert (execution.trigger_event_id, execution.trigger_id) == ("e1", made.id)
    assert answer.trigger_records[0].execution_id == execution.id
    assert answer.complete


def test_b5_without_a_mapping_the_input_tells_the_event(api, template):
    trigger(api, template)

    publish(api, "e1", a=1)

    (execution,) = executions(api)
    assert json.loads(api.execution(execution.id).input_json) == {
        "eventId": "e1",
        "eventPattern": "customers.created",
        "eventPayload": {"a": 1},
    }


def test_b5_a_disabled_trigger_starts_nothing_and_says_so(api, template):
    made = trigger(api, template, enabled=False)

    assert records(publish(api, "e1")) == [(made.id, "REFUSED", "TRIGGER_DISABLED")]
    assert not executions(api)


def test_b5_triggers_are_asked_by_priority_and_one_that_fails_stops_no_other(api, template):
    last = trigger(api, template, priority=20)
    broken = trigger(api, template, priority=10, condition="__event__.payload.a > 'x'")
    unmapped = trigger(api, template, priority=11, input_mapping_json='{"x": "{% 1 + $string(1) %}"}')
    first = trigger(api, template, priority=5)
    tie = trigger(api, template, priority=5)

    answer = publish(api, "e1", a=1)

    assert records(answer) == [
        (first.id, "STARTED", "UNSPECIFIED"),
        (tie.id, "STARTED", "UNSPECIFIED"),
        (broken.id, "REFUSED", "TRIGGER_CONDITION_FAILED"),
        (unmapped.id, "REFUSED", "TRIGGER_MAPPING_FAILED"),
        (last.id, "STARTED", "UNSPECIFIED"),
    ]
    assert len(executions(api)) == 3


def test_b5_an_event_cancels_all_open_executions_with_its_correlation_id(api, template):
    made = trigger(
        api,
        template,
        "purchases.cancelled",
        action="ACTION_CANCEL",
        correlation_key="__event__.payload.id",
        reason="withdrawn",
    )
    wanted = {api.call("StartExecution", template_id=template, correlation_id="1").execution.id for _ in range(3)}
    other = api.call("StartExecution", template_id=template, correlation_id="2").execution.id
    elsewhere = api.start(ONBOARDING, correlation_id="1").execution.id
    done = api.call("StartExecution", template_id=template, correlation_id="1").execution.id
    api.complete(done, "a")

    answer = publish(api, "e1", "purchases.cancelled", id=1)
    again = publish(api, "e2", "purchases.cancelled", id=1)

    assert records(answer) == [(made.id, "CANCELLED", "UNSPECIFIED")]
    assert answer.trigger_records[0].cancelled_executions == 3
    assert {one.execution_id for one in answer.deliveries} == wanted
    assert answer.complete
    assert records(again) == [(made.id, "REFUSED", "TRIGGER_NOTHING_TO_CANCEL")]
    for id in wanted:
        cancellation = api.execution(id).cancellation
        assert status(api.execution(id)) == "CANCELLED"
        assert (cancellation.reason, cancellation.source, cancellation.event_id) == ("withdrawn", 2, "e1")
    assert [status(api.execution(id)) for id in (other, elsewhere, done)] == ["STARTED", "STARTED", "COMPLETED"]


def test_the_correlation_id_is_by_default_that_of_the_event(api, template):
    trigger(api, template)
    trigger(api, template, "purchases.cancelled", action="ACTION_CANCEL")

    publish(api, "e1", metadata={"correlationId": "C-1"})
    (execution,) = executions(api, correlation_id="C-1")
    unknown = publish(api, "e2", "purchases.cancelled")
    publish(api, "e3", "purchases.cancelled", metadata={"correlationId": "C-1"})

    assert records(unknown)[0][1:] == ("REFUSED", "TRIGGER_MAPPING_FAILED")
    assert status(api.execution(execution.id)) == "CANCELLED"


def test_aq16_executions_may_share_a_correlation_key_but_not_an_event(api, template):
    trigger(api, template, correlation_key="__event__.payload.id")

    for event_id in ("e1", "e2", "e1", "e2"):
        publish(api, event_id, id="1")

    assert len(executions(api, correlation_id="1")) == 2


def test_a_trigger_onto_a_draft_is_refused_on_record_until_a_version_is_active(api):
    template = api.publish(ONBOARDING, activate=False).template_id
    made = trigger(api, template)

    refusals = publish(api, "e1")
    version = api.call("ListVersions", template_id=template).versions[0]
    api.call("ActivateVersion", version_id=version.id)

    assert records(refusals) == [(made.id, "REFUSED", "TEMPLATE_HAS_NO_ACTIVE_VERSION")]
    assert records(publish(api, "e1")) == [(made.id, "REFUSED", "TEMPLATE_HAS_NO_ACTIVE_VERSION")]
    assert records(publish(api, "e2")) == [(made.id, "STARTED", "UNSPECIFIED")]


def test_an_input_that_the_version_refuses_is_on_record(api):
    schema = {"inputSchema": {"type": "object", "required": ["customerId"]}}
    made = trigger(api, api.publish(ONBOARDING | schema).template_id)

    assert records(publish(api, "e1")) == [(made.id, "REFUSED", "INPUT_INVALID")]


def test_the_event_that_starts_an_execution_is_not_what_it_waits_for(api):
    waiting = {"type": "event.wait", "pattern": "customers.*"}
    template = api.publish(definition("start > wait; wait > a; a > wait2; wait2 > end", wait=waiting, wait2=waiting))
    trigger(api, template.template_id)

    publish(api, "first")
    (started,) = executions(api, template_id=template.template_id)

    assert api.open(started.id) == ["wait"]
    publish(api, "second", name="customers.changed")
    assert api.open(started.id) == ["a"]


def test_records_are_listed_by_event_and_by_trigger(api, template):
    first, second = trigger(api, template), trigger(api, template, enabled=False)
    publish(api, "e1")
    publish(api, "e2")

    by_event = api.call("ListTriggerRecords", event_id="e1")
    by_trigger = api.call("ListTriggerRecords", trigger_id=first.id)
    started = api.call("ListTriggerRecords", event_id="e1", outcome="OUTCOME_STARTED")

    assert {one.source_id for one in by_event.trigger_records} == {first.id, second.id}
    assert [one.event_id for one in by_trigger.trigger_records] == ["e2", "e1"]
    assert [one.source_id for one in started.trigger_records] == [first.id]
    with refused("INVALID_ARGUMENT", "INVALID_FIELD"):
        api.call("ListTriggerRecords", event_id="e1", trigger_id=first.id)
    with refused("INVALID_ARGUMENT", "INVALID_FIELD"):
        api.call("ListTriggerRecords")


def test_a_circle_of_triggers_ends_at_its_limit(api):
    quick = [api.publish(definition("start > end", name=name)).template_id for name in "AB"]
    for mine, others in (quick, quick[::-1]):
        condition = f"__event__.payload.templateId = '{mine}'"
        trigger(api, others, "workflow.completed", condition=condition)

    api.call("StartExecution", template_id=quick[0])

    def ends() -> list[Any]:
        found = api.call("ListEvents", pattern="workflow.completed").events
        return [
            record
            for event in found
            for record in api.call("ListTriggerRecords", event_id=event.event_id).trigger_records
            if error_reason_pb2.ErrorReason.Name(record.reason) == "ERROR_REASON_TRIGGER_TOO_DEEP"
        ]

    limit = time.monotonic() + PATIENCE
    while not ends():
        assert time.monotonic() < limit
        time.sleep(0.2)
    assert len(executions(api)) == 11
    assert sorted(event.depth for event in api.call("ListEvents").events) == list(range(11))


def test_a_trigger_is_changed_and_deleted(api, template):
    made = trigger(api, template)

    changed = api.call("UpdateTrigger", trigger_id=made.id, condition="false", priority=7).trigger
    assert (changed.condition, changed.priority, changed.pattern, changed.enabled) == ("false", 7, made.pattern, True)
    with refused("ABORTED", "ETAG_MISMATCH"):
        api.call("DeleteTrigger", trigger_id=made.id, etag=made.etag)
    assert not executions(api)
    api.call("DeleteTrigger", trigger_id=made.id, etag=changed.etag)
    with refused("NOT_FOUND", "TRIGGER_NOT_FOUND"):
        api.call("GetTrigger", trigger_id=made.id)
    assert records(publish(api, "e1")) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"condition": "__event__.payload."},
        {"condition": "$now2("},
        {"condition": "workflow.state.x == 1", "language": "LANGUAGE_ORCHESTRATOR"},
        {"condition": "event.payload.reduce((a, b) => a)", "language": "LANGUAGE_ORCHESTRATOR"},
        {"input_mapping_json": '{"a": "{% ( %}"}'},
        {"input_mapping_json": '{"a": "1 +"}', "language": "LANGUAGE_ORCHESTRATOR"},
        {"correlation_key": "("},
        {"priority": 2_000_000},
        {"action": 0},
        {"action": "ACTION_CANCEL", "input_mapping_json": "{}"},
    ],
    ids=repr,
)
def test_a_trigger_that_cannot_work_is_refused(api, template, fields):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD"):
        trigger(api, template, **fields)


@pytest.mark.parametrize("condition", ["($f := function($x) { $f($x) }; $f(1))", "$sum([1..10000000]) > 1"])
def test_a_condition_that_loops_or_allocates_fails_on_its_own(api, template, condition):
    loops, other = trigger(api, template, priority=1, condition=condition), trigger(api, template, priority=2)

    assert records(publish(api, "e1")) == [
        (loops.id, "REFUSED", "TRIGGER_CONDITION_FAILED"),
        (other.id, "STARTED", "UNSPECIFIED"),
    ]


def onboarding(*triggers: dict[str, Any]) -> dict[str, Any]:
    return ONBOARDING | {"triggers": list(triggers)}


def test_the_triggers_of_a_definition_are_there_while_its_version_is_active(api):
    first = {"pattern": "customers.created", "condition": "{% __event__.payload.big %}", "priority": 3}
    withdrawn = {"action": "CANCEL", "pattern": "customers.gone", "correlationKey": "{% __event__.payload.id %}"}
    version = api.publish(onboarding(first, withdrawn), activate=False)
    assert not api.call("ListTriggers").triggers

    api.call("ActivateVersion", version_id=version.id)
    before = list(api.call("ListTriggers", template_id=version.template_id).triggers)
    started = publish(api, "e1", big=True)
    assert [one.version_id for one in before] == [version.id] * 2
    assert [outcome for _, outcome, _ in records(started)] == ["STARTED"]

    with refused("FAILED_PRECONDITION", "TRIGGER_OF_DEFINITION"):
        api.call("DeleteTrigger", trigger_id=before[0].id)
    with refused("FAILED_PRECONDITION", "TRIGGER_OF_DEFINITION"):
        api.call("UpdateTrigger", trigger_id=before[0].id, pattern="a.b")
    api.call("UpdateTrigger", trigger_id=before[0].id, enabled=False)

    second = api.publish(onboarding(first | {"condition": "false"}), label="2", template_id=version.template_id)
    (after,) = api.call("ListTriggers", template_id=version.template_id).triggers
    assert (after.version_id, after.condition, after.priority) == (second.id, "false", 3)
    assert after.id in [one.id for one in before]  # it is the same one, and so decides about no event again

    api.call("DeactivateTemplate", template_id=version.template_id)
    assert not api.call("ListTriggers").triggers


def test_the_triggers_of_a_definition_of_the_orchestrator_start_executions(api):
    wanted = {
        "workflowId": "onboarding",
        "name": "Onboarding",
        "version": "1.0.0",
        "steps": [
            {"stepId": "greet", "type": "HUMAN_TASK", "taskDefinition": {"assigneeRole": "x"}, "transitions": {}}
        ],
        "triggers": [
            {
                "triggerType": "START",
                "eventPattern": "customers.created",
                "eventCondition": "event.payload.accountType == 'enterprise'",
                "inputMapping": {"customerId": "event.payload.id"},
                "correlationKey": "event.payload.id",
                "priority": 10,
            }
        ],
    }
    template = api.call("CreateTemplate", name="Onboarding", key="onboarding").template.id
    draft = api.call(
        "CreateVersion", template_id=template, label="1", dialect="orchestrator", definition_json=json.dumps(wanted)
    ).version
    api.call("PublishVersion", version_id=draft.id)
    api.call("ActivateVersion", version_id=draft.id)

    answers = [publish(api, str(n), id="C", accountType=type) for n, type in enumerate(["small", "enterprise"])]

    assert [outcome for answer in answers for _, outcome, _ in records(answer)] == ["REFUSED", "STARTED"]
    (execution,) = executions(api, correlation_id="C")
    assert json.loads(api.execution(execution.id).input_json) == {"customerId": "C"}
