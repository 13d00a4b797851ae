"""Every start by an entity leaves word of what came of it."""

from __future__ import annotations

import json

import pytest

from heddle.v1.error_reason_pb2 import ErrorReason
from heddle.v1.trigger_record_pb2 import TriggerRecord
from service.domain.reasons import REASONS
from storage.database import query
from tests.end_to_end.api import entity, refused
from tests.end_to_end.definitions import definition
from tests.rpc.registry import a_published, a_template, an_active, at_once

PURCHASE = entity("PRODUCT", "incorporation")


@pytest.fixture
def template(api):
    return a_template(api)


@pytest.fixture
def link(api, template):
    return api.call("CreateLink", entity=PURCHASE, template_id=template.id).link


def start(api, entity=PURCHASE, **fields):
    return api.call("StartExecution", entity=entity, **{"input_json": "{}"} | fields).execution


def records(api, entity=PURCHASE, **fields):
    return list(api.call("ListTriggerRecords", entity=entity, **fields).trigger_records)


def told(record):
    """What a record says: the outcome, why, and whether it names an execution."""
    outcome = TriggerRecord.Outcome.Name(record.outcome).removeprefix("OUTCOME_")
    reason = ErrorReason.Name(record.reason).removeprefix("ERROR_REASON_")
    return outcome, reason, bool(record.execution_id)


STARTED = ("STARTED", "UNSPECIFIED", True)


def refusal_for(reason):
    return "REFUSED", reason, False


def test_a_start_says_what_it_started_by_which_link(api, template, link):
    version = an_active(api, template)

    execution = start(api, request_id="sr-1")

    (record,) = records(api)
    assert told(record) == STARTED
    assert (record.execution_id, record.version_id, record.template_id) == (execution.id, version.id, template.id)
    assert (record.source, record.source_id) == (TriggerRecord.SOURCE_LINK, link.id)
    assert (record.entity, record.request_id, record.message) == (PURCHASE, "sr-1", "")
    assert record.create_time == execution.create_time


def test_cq8_an_entity_whose_template_has_no_active_version_starts_nothing_and_the_reason_is_recorded(
    api, template, link
):
    with refused("FAILED_PRECONDITION", "TEMPLATE_HAS_NO_ACTIVE_VERSION") as refusals:
        start(api, request_id="sr-1")

    (record,) = records(api)
    assert told(record) == refusal_for("TEMPLATE_HAS_NO_ACTIVE_VERSION")
    assert (record.message, record.template_id, record.source_id) == (refusals[0].message, template.id, link.id)
    assert (record.request_id, record.execution_id, record.version_id) == ("sr-1", "", "")
    assert not api.call("ListExecutions").executions


def test_cq8_the_refused_request_starts_once_there_is_an_active_version(api, template, link):
    with refused("FAILED_PRECONDITION"):
        start(api, request_id="sr-1")
    an_active(api, template)

    execution = start(api, request_id="sr-1")

    assert [told(record) for record in records(api)] == [STARTED, refusal_for("TEMPLATE_HAS_NO_ACTIVE_VERSION")]
    assert records(api)[0].execution_id == execution.id


def test_cq9_the_same_purchase_delivered_twice_starts_one_execution_and_leaves_one_record(api, template, link):
    an_active(api, template)

    outcomes = at_once(*[lambda: start(api, request_id="purchase-1")] * 6)

    assert len({execution.id for execution in outcomes}) == 1
    assert len(api.call("ListExecutions").executions) == 1
    assert [told(record) for record in records(api)] == [STARTED]


def test_cq9_the_same_purchase_delivered_again_is_answered_whatever_has_become_of_the_link(api, template, link):
    an_active(api, template)
    execution = start(api, request_id="purchase-1")
    api.call("ArchiveTemplate", template_id=template.id)
    assert start(api, request_id="purchase-1").id == execution.id
    api.call("DeleteLink", link_id=link.id)

    assert start(api, request_id="purchase-1").id == execution.id

    assert [told(record) for record in records(api)] == [STARTED]


def test_a_request_id_of_another_start_is_refused_without_a_word(api, template, link):
    an_active(api, template)
    start(api, request_id="purchase-1")

    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        start(api, request_id="purchase-1", correlation_id="other")

    assert [told(record) for record in records(api)] == [STARTED]


def test_every_reason_for_which_nothing_is_started_is_recorded_once_for_a_request(api, template):
    schema = definition("start > a; a > end") | {"inputSchema": {"type": "object", "required": ["company"]}}

    def refuse(code, reason, request_id):
        for _ in range(2):
            with refused(code, reason):
                start(api, request_id=request_id)

    refuse("NOT_FOUND", "LINK_NOT_FOUND", "r1")
    api.call("CreateLink", entity=PURCHASE, template_id=template.id)
    refuse("FAILED_PRECONDITION", "TEMPLATE_HAS_NO_ACTIVE_VERSION", "r2")
    refuse("FAILED_PRECONDITION", "TEMPLATE_HAS_NO_ACTIVE_VERSION", "r3")
    version = api.publish(schema, template_id=template.id)
    refuse("INVALID_ARGUMENT", "INPUT_INVALID", "r3")
    api.call("ArchiveTemplate", template_id=template.id)
    refuse("FAILED_PRECONDITION", "TEMPLATE_ARCHIVED", "r3")

    found = records(api)
    assert [(record.request_id, told(record)[1]) for record in reversed(found)] == [
        ("r1", "LINK_NOT_FOUND"),
        ("r2", "TEMPLATE_HAS_NO_ACTIVE_VERSION"),
        ("r3", "TEMPLATE_HAS_NO_ACTIVE_VERSION"),
        ("r3", "INPUT_INVALID"),
        ("r3", "TEMPLATE_ARCHIVED"),
    ]
    assert all(record.message for record in found)
    assert (found[1].template_id, found[1].version_id) == (template.id, version.id)
    assert (found[4].template_id, found[4].source_id) == ("", "")


@pytest.mark.parametrize(
    "fields",
    [{"input_json": "{"}, {"input_json": "[]"}, {"request_id": "a b"}, {"name": " "}, {"wait_for": 99}],
)
def test_a_malformed_request_leaves_no_record(api, link, fields):
    with refused("INVALID_ARGUMENT"):
        start(api, **fields)

    assert not records(api)


def test_a_start_that_names_what_to_run_leaves_no_record(api, template, link):
    version = an_active(api, template)
    for target in ({"version_id": version.id}, {"template_id": template.id}, {"template_key": template.key}):
        api.call("StartExecution", input_json="{}", **target)

    assert not records(api)
    assert not query("SELECT 1 FROM trigger_records WHERE workspace = %s", (api.workspace,))


def test_a_moved_link_starts_the_other_template_from_then_on(api, template, link):
    second = a_template(api, "Second")
    versions = [an_active(api, template), an_active(api, second)]

    executions = [start(api)]
    api.call("UpdateLink", link_id=link.id, template_id=second.id)
    executions.append(start(api))

    assert [execution.version_id for execution in executions] == [version.id for version in versions]
    assert [record.version_id for record in reversed(records(api))] == [version.id for version in versions]
    assert {record.source_id for record in records(api)} == {link.id}


def test_a_link_that_moves_while_it_starts_starts_one_or_the_other(api, template, link):
    second = a_template(api, "Second")
    versions = {one.id: an_active(api, one).id for one in (template, second)}

    for round in range(5):
        to = (second, template)[round % 2]
        _, execution = at_once(
            lambda to=to: api.call("UpdateLink", link_id=link.id, template_id=to.id), lambda: start(api)
        )
        assert execution.version_id == versions[execution.template_id]


def test_records_are_listed_newest_first_by_outcome_in_pages(api, template, link):
    expected = []
    for number in range(6):
        if number == 3:
            an_active(api, template)
        try:
            start(api, request_id=f"r{number}")
        except Exception:
            expected.append(("REFUSED", f"r{number}"))
        else:
            expected.append(("STARTED", f"r{number}"))
            api.call("DeactivateTemplate", template_id=template.id) if number == 3 else None

    def listed(size, **fields):
        found, token = [], ""
        while True:
            answer = api.call("ListTriggerRecords", entity=PURCHASE, page_size=size, page_token=token, **fields)
            found += [(told(record)[0], record.request_id) for record in answer.trigger_records]
            token = answer.next_page_token
            if not token:
                return found

    for size in (1, 2, 5, 6, 7):
        assert listed(size) == expected[::-1]
        for outcome in ("STARTED", "REFUSED"):
            assert listed(size, outcome=f"OUTCOME_{outcome}") == [e for e in expected[::-1] if e[0] == outcome]


def test_records_are_of_one_workspace_and_one_entity(api, other, template, link):
    an_active(api, template)
    start(api, request_id="r1")
    for somebody, what in ((other, PURCHASE), (api, entity("PRODUCT", "else"))):
        with refused("NOT_FOUND", "LINK_NOT_FOUND"):
            start(somebody, what, request_id="r2")

    assert [told(record) for record in records(api)] == [STARTED]
    assert [told(record) for record in records(other)] == [refusal_for("LINK_NOT_FOUND")]
    assert [told(record) for record in records(api, entity("PRODUCT", "else"))] == [refusal_for("LINK_NOT_FOUND")]
    assert not records(api, entity("SERVICE_CATALOG", "incorporation"))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "entity.type"),
        ({"entity": entity("product", "x")}, "entity.type"),
        ({"entity": entity("PRODUCT", "")}, "entity.id"),
        ({"entity": entity("PRODUCT", "x"), "outcome": 99}, "outcome"),
    ],
)
def test_what_no_record_can_have_is_refused(api, fields, field):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("ListTriggerRecords", **fields)

    assert refusals[0].fields == [field]


def test_a_long_message_is_kept_as_far_as_it_goes(api, template, link):
    names = [f"field_{number}" for number in range(200)]
    schema = {"type": "object", "additionalProperties": False, "properties": {"x" * 900: {}}}
    api.publish(definition("start > a; a > end") | {"inputSchema": schema}, template_id=template.id)

    with refused("INVALID_ARGUMENT", "INPUT_INVALID"):
        start(api, input_json=json.dumps(dict.fromkeys(names)))

    (record,) = records(api)
    assert 0 < len(record.message) <= 1_000


def test_every_reason_that_is_recorded_can_be_told():
    assert {f"ERROR_REASON_{reason}" for reason in REASONS} <= set(ErrorReason.keys())


def test_a_record_never_changes(api, template, link):
    an_active(api, template)
    start(api)

    with pytest.raises(Exception, match="violated"):
        query("UPDATE trigger_records SET reason = 'x' WHERE workspace = %s", (api.workspace,))


def test_what_was_published_by_hand_is_started_by_no_link(api, template, link):
    a_published(api, template)

    with refused("FAILED_PRECONDITION", "TEMPLATE_HAS_NO_ACTIVE_VERSION"):
        start(api)
