"""The scenarios of the system that the native dialect comes from, through the real server, Temporal and PostgreSQL."""

from __future__ import annotations

import json
import threading
from itertools import product

import pytest

from tests.end_to_end.api import Api, entity, phase, refused, status
from tests.end_to_end.definitions import INCLUSIVE, PARALLEL, REVIEW_LOOP, VERIFY, definition

US_C_CORP = entity("SERVICE_CATALOG", "US_C_CORP")


def in_parallel(number, call):
    """Make the same call from many threads at one moment; gives the answers, errors included."""
    barrier = threading.Barrier(number)
    answers = []

    def run():
        barrier.wait()
        try:
            answers.append(call())
        except Exception as error:
            answers.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a1_a_version_lives_and_an_execution_of_it_runs_to_its_end(api: Api):
    template = api.call("CreateTemplate", name="Customer Verification").template
    version = api.call(
        "CreateVersion", template_id=template.id, label="1.0.0", dialect="graph", definition_json=json.dumps(VERIFY)
    ).version
    with refused("FAILED_PRECONDITION", "VERSION_NOT_PUBLISHED"):
        api.call("ActivateVersion", version_id=version.id)
    api.call("PublishVersion", version_id=version.id)
    with refused("FAILED_PRECONDITION", "VERSION_NOT_DRAFT"):
        api.call("UpdateVersion", version_id=version.id, definition_json="{}")
    assert api.call("ActivateVersion", version_id=version.id).template.active_version_id == version.id

    api.call("CreateLink", entity=US_C_CORP, template_id=template.id)
    with refused("ALREADY_EXISTS", "LINK_ENTITY_EXISTS"):
        api.call("CreateLink", entity=US_C_CORP, template_id=template.id)
    api.call("CreateLink", entity=entity("PRODUCT", "US_C_CORP"), template_id=template.id)

    order = {"entity": US_C_CORP, "request_id": "sr-1", "input_json": '{"customerId":"123"}'}
    answer = api.call("StartExecution", **order)
    id = answer.execution.id
    assert (status(answer.execution), phase(answer.execution)) == ("STARTED", "WAITING_FOR_INPUT")
    assert [(run.step_id, status(run)) for run in answer.step_runs] == [("start", "COMPLETED"), ("verify", "WAITING")]
    pending = api.call("ListStepRuns", execution_id=id, include_pending=True).step_runs
    assert ("end", 0, "PENDING") in [(run.step_id, run.visit, status(run)) for run in pending]
    assert api.call("StartExecution", **order).execution.id == id
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        api.call("StartExecution", **order | {"input_json": '{"customerId":"124"}'})

    next_version = api.publish(VERIFY, label="1.1.0", template_id=template.id)
    with refused("INVALID_ARGUMENT", "OUTPUT_INVALID"):
        api.complete(id, "verify", {})
    assert api.open(id) == ["verify"]
    answer = api.complete(id, "verify", {"verified": True})

    assert status(answer.execution) == "COMPLETED"
    assert answer.execution.version_id == version.id
    assert api.runs(id) == [("start", 1, "COMPLETED"), ("verify", 1, "COMPLETED"), ("end", 1, "COMPLETED")]
    verify = api.call("GetStepRun", step_run_id=f"{id}/verify/1").step_run
    assert json.loads(verify.output_json) == {"verified": True}
    assert api.call("StartExecution", entity=US_C_CORP, input_json="{}").execution.version_id == next_version.id


def test_a2_an_issue_sends_the_case_back_and_each_visit_stands_for_itself(api: Api):
    id = api.start(REVIEW_LOOP).execution.id
    for issue in (True, False):
        api.complete(id, "questionnaire")
        api.complete(id, "approve", {"issueFound": issue})
    assert api.open(id) == ["file"]
    assert status(api.complete(id, "file").execution) == "COMPLETED"

    visits = [(step, visit) for step, visit, _ in api.runs(id) if step in ("questionnaire", "approve", "file")]
    assert visits == [("questionnaire", 1), ("approve", 1), ("questionnaire", 2), ("approve", 2), ("file", 1)]
    decisions = [entry["data"]["decisions"][0] for entry in api.ledger(id) if entry["step_id"] == "xs"]
    assert [decision["result"] for decision in decisions] == [True, False]
    assert decisions[0]["reads"] == {"__steps__.approve.outputData.issueFound": True}


def test_a2_a_condition_on_a_missing_value_takes_the_default(api: Api):
    id = api.start(REVIEW_LOOP).execution.id
    api.complete(id, "questionnaire")

    api.complete(id, "approve", {"nothing": "said"})

    assert api.open(id) == ["file"]


def test_a3_parallel_branches_join_once(api: Api):
    answer = api.start(PARALLEL)
    id = answer.execution.id
    assert api.open(id) == ["a", "b", "c"]

    api.complete(id, "c")
    api.complete(id, "a")
    assert api.open(id) == ["b"]
    api.complete(id, "b")

    assert [run for run in api.runs(id) if run[0] in ("pj", "d")] == [("pj", 1, "COMPLETED"), ("d", 1, "WAITING")]
    assert status(api.complete(id, "d").execution) == "COMPLETED"


@pytest.mark.parametrize(("a", "b"), list(product([True, False], [True, False])))
def test_a4_an_inclusive_split_joins_what_it_took(api: Api, a, b):
    taken = [name for name, chosen in (("a", a), ("b", b)) if chosen] or ["c"]
    id = api.start(INCLUSIVE, {"a": a, "b": b}).execution.id
    assert api.open(id) == taken

    for step in taken:
        api.complete(id, step)

    assert api.open(id) == ["d"]
    assert status(api.complete(id, "d").execution) == "COMPLETED"


def test_a7_nothing_is_created_without_a_link(api: Api):
    with refused("NOT_FOUND", "LINK_NOT_FOUND"):
        api.call("StartExecution", entity=US_C_CORP, input_json="{}")

    assert not api.call("ListExecutions").executions


def test_a7_a_link_to_a_template_without_active_version_starts_nothing(api: Api):
    version = api.publish(VERIFY, activate=False)
    api.call("CreateLink", entity=US_C_CORP, template_id=version.template_id)

    with refused("FAILED_PRECONDITION", "TEMPLATE_HAS_NO_ACTIVE_VERSION"):
        api.call("StartExecution", entity=US_C_CORP, input_json="{}")


def test_a7_a_template_with_executions_stays_and_one_without_goes_with_all_it_has(api: Api):
    used = api.publish(VERIFY)
    api.start(used)
    with refused("FAILED_PRECONDITION", "TEMPLATE_IN_USE"):
        api.call("DeleteTemplate", template_id=used.template_id)

    unused = api.publish(PARALLEL)
    api.call("CreateLink", entity=US_C_CORP, template_id=unused.template_id)
    api.call("DeleteTemplate", template_id=unused.template_id)

    for method, fields in [("GetVersion", {"version_id": unused.id}), ("GetLink", {"entity": US_C_CORP})]:
        with refused("NOT_FOUND"):
            api.call(method, **fields)


def test_a8_twenty_completions_at_once_have_one_effect(api: Api):
    id = api.start(definition("start > a; a > b; b > end")).execution.id

    answers = in_parallel(20, lambda: api.complete(id, "a", {"x": 1}))

    assert [status(answer.execution) for answer in answers] == ["STARTED"] * 20
    assert [entry["type"] for entry in api.ledger(id) if entry["step_id"] == "a"] == ["STEP_STARTED", "STEP_COMPLETED"]


def test_a8_twenty_completions_of_the_last_step_have_one_effect(api: Api):
    id = api.start(definition("start > a; a > end")).execution.id

    answers = in_parallel(20, lambda: api.complete(id, "a", {"x": 1}))

    assert [status(answer.execution) for answer in answers] == ["COMPLETED"] * 20


def test_a8_fifty_starts_with_one_request_id_start_one_execution(api: Api):
    version = api.publish(VERIFY)

    answers = in_parallel(50, lambda: api.start(version, request_id="purchase-1"))

    assert len({answer.execution.id for answer in answers}) == 1
    assert len(api.call("ListExecutions").executions) == 1
