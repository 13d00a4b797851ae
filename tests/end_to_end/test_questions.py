"""The open questions of the system that the native dialect comes from, each with the answer that Heddle gives.

CQ3 stands with sub-workflows too, CQ8 and CQ9 with trigger records, CQ15 and CQ16 with families of executions, CQ17
with the versions of children.
"""

from __future__ import annotations

import json
import secrets
from itertools import product

import pytest

from heddle.v1.step_run_pb2 import StepRun
from tests.end_to_end.api import Api, phase, refused, status
from tests.end_to_end.definitions import INCLUSIVE, REVIEW_LOOP, VERIFY, definition

ONE = definition("start > a; a > end")
TWO = definition("start > a; a > b; b > end")
STATUSES = [name.removeprefix("STATUS_") for name, number in StepRun.Status.items() if number]


def a_draft(api: Api, document, label="1.0.0"):
    template = api.call("CreateTemplate", name="Draft", key=f"draft-{secrets.token_hex(6)}").template
    return api.call("CreateVersion", template_id=template.id, label=label, definition_json=json.dumps(document)).version


def test_cq1_an_execution_has_the_status_of_its_record_and_says_what_it_is_doing(api: Api):
    broken = definition("start > xs; xs > a if $error('no'), b; a > c; b > c; c > end")
    waiting, done, cancelled = (api.start(ONE).execution.id for _ in range(3))
    failed = api.start(broken).execution.id
    api.complete(done, "a")
    api.call("CancelExecution", execution_id=cancelled)

    told = {id: (status(api.execution(id)), phase(api.execution(id))) for id in (waiting, done, cancelled, failed)}

    assert list(told.values()) == [
        ("STARTED", "WAITING_FOR_INPUT"),
        ("COMPLETED", "NONE"),
        ("CANCELLED", "NONE"),
        ("FAILED", "NONE"),
    ]


@pytest.mark.parametrize("written", ["ACTION_REQUIRED", "ActionRequired", "IN_PROGRESS", "inprogress", "", None, 5])
def test_cq2_a_status_beyond_the_five_is_refused_with_those_that_there_are(api: Api, written):
    document = definition("start > a; a > end", a={"activationPolicy": {"defaultStatus": written}})
    document["stepTransitions"][0]["onArrival"] = {"status": written}

    version = a_draft(api, document)
    with refused("FAILED_PRECONDITION", "DEFINITION_INVALID") as refusals:
        api.call("PublishVersion", version_id=version.id)

    places = ["/stepTransitions/0/onArrival/status", "/steps/1/activationPolicy/defaultStatus"]
    assert [found.pointer for found in version.findings] == places
    for found in version.findings:
        assert (found.rule, found.message.partition(" is not one of ")[2]) == (
            "DOCUMENT_SHAPE",
            '"NotStarted", "InProgress", "Completed", "Disabled", "Failed"',
        )
    assert json.dumps(written) in refusals[0].message


def test_cq3_the_names_of_the_enum_are_types_and_the_bytes_stay_as_they_were_written(api: Api):
    child = api.publish(ONE)
    sub = {"mode": "SINGLE", "childWorkflowTemplateVersionId": child.id}
    document = definition(
        "start > confirm; confirm > xs; xs > sub if true, form; sub > form; form > end",
        form={"formSchema": {}},
        sub=sub,
    )
    for step, alias in zip(
        document["steps"],
        ("START", "HUMAN_CONFIRM", "GATEWAY_EXCLUSIVE_SPLIT", "SYS_SUB_WORKFLOW", "HUMAN_FORM", "END"),
        strict=True,
    ):
        step["type"] = alias
    written = json.dumps(document, indent=3) + "\n"
    template = api.call("CreateTemplate", name="Aliases").template
    fields = {"template_id": template.id, "label": "1", "definition_json": written}
    version = api.call("CreateVersion", **fields).version

    assert not version.findings
    assert api.call("PublishVersion", version_id=version.id).version.definition_json == written
    id = api.start(version).execution.id
    api.complete(id, "confirm")
    (step,) = api.open(id)
    assert step == "sub"
    assert api.call("GetVersion", version_id=version.id).version.definition_json == written


def test_cq4_the_output_of_a_step_is_read_directly_and_as_a_record(api: Api):
    document = TWO | {
        "outputExpression": "{% {'name': __steps__.a.name, 'whole': __steps__.a.outputData, 'status': __steps__.a"
        ".status, 'attempt': __steps__.a.attempt, 'outcome': __steps__.a.outcome} %}"
    }
    id = api.start(document).execution.id
    api.complete(id, "a", {"name": "Ann", "status": "mine"}, outcome="GOOD")
    answer = api.complete(id, "b")

    assert json.loads(answer.execution.output_json) == {
        "name": "Ann",
        "whole": {"name": "Ann", "status": "mine"},
        "status": "mine",  # a field of the output goes before the record's
        "attempt": 1,
        "outcome": "GOOD",
    }


def test_cq5_visits_are_told_one_by_one_and_expressions_read_the_latest_completed(api: Api):
    document = REVIEW_LOOP | {"outputExpression": "{% [__steps__.questionnaire.n, __steps__.questionnaire.attempt] %}"}
    id = api.start(document).execution.id
    for n, issue in ((1, True), (2, False)):
        api.complete(id, "questionnaire", {"n": n})
        api.complete(id, "approve", {"issueFound": issue})
    answer = api.complete(id, "file")

    assert json.loads(answer.execution.output_json) == [2, 2]
    for visit in (1, 2):
        run = api.call("GetStepRun", step_run_id=f"{id}/questionnaire/{visit}").step_run
        assert (run.visit, json.loads(run.output_json)) == (visit, {"n": visit})


def test_cq6_a_draft_is_not_activated_and_the_active_version_is_not_deprecated(api: Api):
    draft = a_draft(api, ONE)
    with refused("FAILED_PRECONDITION", "VERSION_NOT_PUBLISHED"):
        api.call("ActivateVersion", version_id=draft.id)
    first = api.publish(ONE)
    with refused("FAILED_PRECONDITION", "VERSION_ACTIVE"):
        api.call("DeprecateVersion", version_id=first.id)

    api.publish(TWO, label="2", template_id=first.template_id)
    api.call("DeprecateVersion", version_id=first.id)


def test_cq7_a_label_is_any_line_that_is_unique_in_its_template(api: Api):
    labels = ["0.1", "1.0.0", "10.0.0", "Spring release", "v2 (draft) ü"]
    version = a_draft(api, ONE, labels[0])
    fields = {"template_id": version.template_id, "definition_json": json.dumps(ONE)}
    for label in labels[1:]:
        api.call("CreateVersion", label=label, **fields)

    with refused("ALREADY_EXISTS", "VERSION_LABEL_EXISTS"):
        api.call("CreateVersion", label="1.0.0", **fields)
    for label in ("", " ", " 1.0.1", "1.0.1 ", "1\n2", "x" * 129):
        with refused("INVALID_ARGUMENT", "INVALID_FIELD"):
            api.call("CreateVersion", label=label, **fields)

    listed = api.call("ListVersions", template_id=version.template_id).versions
    assert [each.label for each in listed] == labels[::-1]


def test_cq10_a_join_fires_for_what_was_taken_in_each_round_and_never_waits_for_the_rest(api: Api):
    document = definition(
        "start > q; q > is; is > a if __steps__.q.a, b if __steps__.q.b, c; a > pj; b > pj; c > pj; pj > check;"
        "check > xs; xs > q if __steps__.check.again, file; file > end"
    )
    id = api.start(document).execution.id
    for taken in (["a", "b"], ["b"], ["c"], ["a"]):
        api.complete(id, "q", {name: name in taken for name in "ab"})
        assert api.open(id) == taken
        for step in reversed(taken):
            api.complete(id, step)
        assert api.open(id) == ["check"]
        api.complete(id, "check", {"again": taken != ["a"]})

    assert api.open(id) == ["file"]
    assert [run for run in api.runs(id) if run[0] == "pj"] == [("pj", n, "COMPLETED") for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(("a", "b"), list(product([True, False, None], [True, False, None])))
def test_cq11_an_inclusive_split_takes_all_that_is_true_and_the_default_only_when_nothing_is(api: Api, a, b):
    context = {name: value for name, value in {"a": a, "b": b}.items() if value is not None}

    id = api.start(INCLUSIVE, context).execution.id

    assert api.open(id) == ([name for name, value in (("a", a), ("b", b)) if value] or ["c"])


@pytest.mark.parametrize("gateway", ["xs", "is"])
def test_cq12_what_is_not_there_is_false_and_an_error_is_never_the_default(api: Api, gateway):
    document = definition(f"start > {gateway}; {gateway} > a if COND, b; a > c; b > c; c > end")
    condition = document["stepTransitions"][1]["condition"]

    condition["src"] = "__context__.nothing.here > 3"
    assert api.open(api.start(document).execution.id) == ["b"]
    condition["src"] = "__context__.amount > 'three'"
    execution = api.start(document, {"amount": 5}).execution

    assert status(execution) == "FAILED"
    assert (execution.error.code, execution.error.step_id) == ("EXPRESSION_FAILED", gateway)
    for part in (gateway, "t2", "__context__.amount > 'three'"):
        assert part in execution.error.message
    assert (gateway, 1, "FAILED") in api.runs(execution.id)
    assert api.open(execution.id) == []


ARRIVING = {"NotStarted": "PENDING", "InProgress": "WAITING", "Disabled": "DISABLED"}


@pytest.mark.parametrize("on_arrival", [None, *ARRIVING, "Completed", "Failed"])
@pytest.mark.parametrize("default", [None, "NotStarted", "Completed"])
def test_cq13_the_transition_says_how_a_step_begins_then_its_policy_then_it_is_in_progress(
    api: Api, on_arrival, default
):
    document = definition(
        "start > a; a > b; b > end", **({"a": {"activationPolicy": {"defaultStatus": default}}} if default else {})
    )
    if on_arrival:
        document["stepTransitions"][0]["onArrival"] = {"status": on_arrival}

    answer = api.start(document)
    id = answer.execution.id

    written = on_arrival or default or "InProgress"
    if written == "Failed":
        assert (status(answer.execution), answer.execution.error.code) == ("FAILED", "FAILED_ON_ARRIVAL")
    elif written == "Completed":
        assert api.runs(id)[1:] == [("a", 1, "COMPLETED"), ("b", 1, "WAITING")]
    else:
        assert api.runs(id)[1:] == [("a", 1, ARRIVING[written])]


def test_cq13_a_parked_step_waits_until_it_is_set_free(api: Api):
    id = api.start(definition("start > a; a > end", a={"activationPolicy": {"defaultStatus": "NotStarted"}}), {})
    id = id.execution.id
    with refused("FAILED_PRECONDITION", "STEP_NOT_WAITING") as refusals:
        api.complete(id, "a")
    assert "it is PENDING; move it to RUNNING first" in refusals[0].message
    assert phase(api.execution(id)) == "WAITING_FOR_INPUT"

    answer = api.call("UpdateStep", execution_id=id, step_id="a", status="STATUS_RUNNING")
    assert [status(run) for run in answer.step_runs] == ["COMPLETED", "WAITING"]

    assert status(api.complete(id, "a").execution) == "COMPLETED"


TABLE = {"PENDING": "RUNNING, DISABLED, COMPLETED", "DISABLED": "RUNNING, PENDING, COMPLETED", "WAITING": "DISABLED"}


@pytest.mark.parametrize(("current", "wanted"), list(product(TABLE, STATUSES)))
def test_cq13_each_status_that_is_refused_is_refused_with_those_that_are_not(api: Api, current, wanted):
    document = definition("start > a; a > b; b > end", a={"activationPolicy": {"defaultStatus": "Disabled"}})
    id = api.start(document).execution.id
    asked = {"execution_id": id, "step_id": "a"}
    api.call("UpdateStep", status=f"STATUS_{'RUNNING' if current == 'WAITING' else current}", **asked)
    assert api.runs(id)[1] == ("a", 1, current)

    if wanted in (*TABLE[current].split(", "), current) or (current, wanted) == ("WAITING", "RUNNING"):
        answer = api.call("UpdateStep", status=f"STATUS_{wanted}", **asked)
        assert status(answer.step_runs[1]) == ("WAITING" if wanted == "RUNNING" else wanted)
    else:
        with refused("FAILED_PRECONDITION", "STEP_STATUS_REFUSED") as refusals:
            api.call("UpdateStep", status=f"STATUS_{wanted}", **asked)
        assert f"from {current} to {wanted}; allowed: {TABLE[current]}" in refusals[0].message
        assert refusals[0].facts["allowed"] == TABLE[current]
        assert api.runs(id)[1] == ("a", 1, current)


def test_cq13_passing_a_step_again_changes_nothing(api: Api):
    document = definition("start > a; a > b; b > end", a={"activationPolicy": {"defaultStatus": "Disabled"}})
    id = api.start(document).execution.id
    pass_a = {"execution_id": id, "step_id": "a", "status": "STATUS_COMPLETED"}
    api.call("UpdateStep", **pass_a)
    before = api.ledger(id)

    api.call("UpdateStep", **pass_a)
    with refused("FAILED_PRECONDITION", "STEP_STATUS_REFUSED") as refusals:
        api.call("UpdateStep", **pass_a | {"status": "STATUS_DISABLED"})
    assert refusals[0].message == "cannot move step a, visit 1, to DISABLED: it is COMPLETED; allowed: nothing"
    assert api.ledger(id) == before
    api.complete(id, "b")
    before = api.ledger(id)

    assert status(api.call("UpdateStep", **pass_a).execution) == "COMPLETED"
    with refused("FAILED_PRECONDITION", "EXECUTION_ENDED"):
        api.call("UpdateStep", **pass_a | {"status": "STATUS_DISABLED"})
    assert api.ledger(id) == before


def test_cq14_completing_again_in_the_same_words_is_quiet_and_otherwise_refused(api: Api):
    id = api.start(TWO).execution.id
    api.complete(id, "a", {"x": 1})
    before = api.ledger(id)

    assert status(api.complete(id, "a", {"x": 1}).step_runs[1]) == "COMPLETED"
    with refused("FAILED_PRECONDITION", "STEP_NOT_WAITING"):
        api.complete(id, "a", {"x": 2})
    with refused("FAILED_PRECONDITION", "STEP_NOT_WAITING"):
        api.complete(id, "end")

    assert api.ledger(id) == before


def test_cq18_a_draft_may_be_wrong_and_says_so_and_is_not_published(api: Api):
    half_drawn = {"name": "Half", "steps": [{"id": "start", "type": "start"}, {"id": "a"}], "stepTransitions": []}

    version = a_draft(api, half_drawn)
    with refused("FAILED_PRECONDITION", "DEFINITION_INVALID"):
        api.call("PublishVersion", version_id=version.id)

    stored = api.call("GetVersion", version_id=version.id).version
    assert (status_of(stored), json.loads(stored.definition_json)) == ("DRAFT", half_drawn)
    assert list(stored.findings) == list(version.findings)
    assert "GRAPH_EXACTLY_ONE_END" in [found.rule for found in version.findings]
    api.call("UpdateVersion", version_id=version.id, definition_json=json.dumps(VERIFY))
    assert status_of(api.call("PublishVersion", version_id=version.id).version) == "PUBLISHED"


def status_of(version) -> str:
    return type(version).Status.Name(version.status).removeprefix("STATUS_")


def test_cq19_the_time_in_expressions_is_the_executions_and_chance_is_refused(api: Api):
    document = TWO | {"outputExpression": "{% {'now': $now(), 'millis': $millis(), 'same': $toMillis($now())} %}"}
    id = api.start(document).execution.id
    api.complete(id, "a")
    output = json.loads(api.complete(id, "b").execution.output_json)

    ended = next(entry for entry in api.ledger(id) if entry["type"] == "EXECUTION_COMPLETED")
    assert output["millis"] == output["same"]
    assert ended["time"].startswith(output["now"][:19])
    for source in ("$random()", "$shuffle([1, 2])", "$eval('1')"):
        version = a_draft(api, TWO | {"outputExpression": f"{{% {source} %}}"})
        assert [(found.rule, found.pointer) for found in version.findings] == [
            ("EXPRESSIONS_PARSE", "/outputExpression")
        ]
        assert "is not available" in version.findings[0].message
