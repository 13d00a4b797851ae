from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.definition.compiling import MAX_FINDINGS, examine
from service.definition.dialects import graph, graph_schema
from service.definition.plan import Plan, Step, Transition
from service.definition.rules import RULES
from service.definition.schemas import check_schema
from service.definition.steps.kinds import KINDS
from tests.definition.definitions import (
    BATCH,
    CHILD_INPUT,
    PARALLEL,
    REVIEW_LOOP,
    VERIFICATION,
    assert_sound,
    chain,
    definition,
    step,
    surroundings,
)

HERE = Path(__file__).parent
CASES = json.loads((HERE / "rules.json").read_text())


def told(examination):
    return [[f.severity, f.code, f.rule, f.pointer, f.message] for f in examination.findings]


def rules(document):
    return [finding.rule for finding in examine("graph", document).findings]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_definitions_get_the_findings_of_the_table(case):
    assert told(examine("graph", case["definition"], surroundings(case))) == case["findings"]


def test_every_rule_is_in_the_table():
    cases = CASES + json.loads((HERE / "orchestrator_rules.json").read_text())

    assert {finding[2] for case in cases for finding in case["findings"]} == set(RULES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_there_is_a_plan_unless_there_are_errors(case):
    examination = examine("graph", case["definition"], surroundings(case))

    assert (examination.plan is None) == any(finding.severity == "ERROR" for finding in examination.findings)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_is_explained(rule):
    for text in (rule.meaning, rule.remedy):
        assert text[0].isupper() or text[0] == "`"
        assert text.endswith(".")
        assert "  " not in text
    assert rule.example


A6 = {
    "GRAPH_INVALID": "GRAPH_EXACTLY_ONE_START GRAPH_EXACTLY_ONE_END START_STEP_NO_INCOMING END_STEP_SINGLE_INCOMING "
    "END_STEP_NO_OUTGOING TRANSITIONS_UNIQUE NO_SELF_LOOPS NO_ISOLATED_STEPS ONLY_SPLIT_GATEWAY_CAN_FAN_OUT "
    "JOIN_GATEWAY_MANY_IN_SINGLE_OUT CONDITIONAL_SPLIT_SINGLE_DEFAULT EXCLUSIVE_SPLIT_TWO_OUTGOING "
    "ONLY_EXCLUSIVE_INCLUSIVE_STEP_HAVE_CONDITION MISSING_BATCH_ITERATOR",
    "ID_INVALID": "STEP_IDS_UNIQUE TRANSITION_IDS_UNIQUE STEP_GROUP_IDS_UNIQUE",
    "GROUPING_INVALID": "NO_GROUP_FOR_SPECIAL_NODES GROUP_STEP_IDS_EXISTS STEP_BELONGS_TO_ONLY_ONE_GROUP "
    "STEP_GROUP_CANNOT_BE_EMPTY LEGACY_SERVICE_REQUEST_REQUIRES_STEP_GROUPS",
    "LEGACY_CONFIG_INVALID": "LEGACY_SERVICE_REQUEST_TYPE_GROUP_TASK_UNIQUE "
    "LEGACY_SERVICE_REQUEST_TASK_GROUP_EXISTS_IN_TEMPLATE LEGACY_SERVICE_REQUEST_TASK_EXISTS_IN_TEMPLATE "
    "LEGACY_SERVICE_REQUEST_TASK_ONLY_ON_HUMAN_STEP",
}
"""The 26 rules of the system that the native dialect comes from, by their codes."""
BROKEN_26 = [(code, rule) for code, rules in A6.items() for rule in rules.split()]


@pytest.mark.parametrize(("code", "rule"), BROKEN_26)
def test_a6_some_definition_breaks_each_of_the_26_rules_and_no_other(code, rule):
    found = [[finding[:3] for finding in case["findings"]] for case in CASES]

    assert [["ERROR", code, rule]] in found


def test_a6_a_definition_that_breaks_all_but_one_hears_of_each():
    document = definition(
        "start > if; if > a?, b?, c?; a > join; join > b; a > a; a > b; b > end; b > end; c > end; end > start"
    )
    document["steps"] += [
        step("a", "human.confirm"),
        step("batch", "sys.sub_workflow", mode="BATCH", childWorkflowTemplateVersionId="v1"),
        step("wait", "timer", duration=1, legacyServiceRequestTaskKey="NO_TASK"),
        step("start2", "start"),
        step("end2", "end"),
        step("t1", "human.confirm", legacyServiceRequestTaskKey="NO_TASK"),
        step("t2", "human.confirm", legacyServiceRequestTaskKey="NO_TASK"),
    ]
    document["stepTransitions"] += [
        {"id": "t1", "fromStepId": "c", "toStepId": "batch", "condition": {"src": "true"}},
    ]
    document["stepGroups"] = [
        {"id": "g", "stepIds": ["start", "gone", "c", "t1", "t2"], "legacyServiceRequestTaskGroupKey": "NO_GROUP"},
        {"id": "g", "stepIds": ["c"]},
        {"id": "empty", "stepIds": []},
    ]
    document["legacyServiceRequestType"] = "INDIA"
    within = surroundings({"surroundings": {"children": {"v1": {}}, "catalogue": {"INDIA": {"FILING": ["FILE"]}}}})

    broken = {(found.code, found.rule) for found in examine("graph", document, within).findings}

    kept = ("GROUPING_INVALID", "LEGACY_SERVICE_REQUEST_REQUIRES_STEP_GROUPS")  # there are groups to be wrong
    assert set(BROKEN_26) - broken == {kept}


@pytest.mark.parametrize(
    "document", [VERIFICATION, REVIEW_LOOP, PARALLEL, BATCH], ids=lambda document: document["name"]
)
def test_sound_definitions_have_no_findings(document):
    assert examine("graph", document).findings == ()


def test_a_plan_has_what_the_author_wrote():
    assert examine("graph", REVIEW_LOOP).plan == Plan(
        name="Incorporation with a review",
        steps=(
            Step("start", "start", "Start"),
            Step("questionnaire", "human.confirm", "Fill in the questionnaire"),
            Step("approve", "human.confirm", "Approve it", {"required": ["issueFound"]}),
            Step("issues", "gateway.exclusive_split", "Issues?"),
            Step("file", "human.confirm", "file", default_status="PENDING"),
            Step("end", "end", "end"),
        ),
        transitions=(
            Transition("t1", "start", "questionnaire"),
            Transition("t2", "questionnaire", "approve"),
            Transition("t3", "approve", "issues"),
            Transition(
                "t4",
                "issues",
                "questionnaire",
                condition="__steps__.approve.outputData.issueFound = true",
                on_arrival="RUNNING",
                label="Issue reported",
            ),
            Transition("t5", "issues", "file", is_default=True),
            Transition("t6", "file", "end"),
        ),
        input_schema={"type": "object"},
        output_expression="__steps__.file",
    )


def test_a_task_has_defaults():
    (task,) = [s for s in examine("graph", chain(step("pay", "task", task="charge"))).plan.steps if s.type == "task"]

    assert task.settings == {
        "task": "charge",
        "taskQueue": "heddle-tasks",
        "timeout": 300.0,
        "retry": {
            "maxAttempts": 3,
            "initialInterval": 1.0,
            "backoffMultiplier": 2,
            "maxInterval": 60.0,
            "nonRetryableErrors": [],
        },
    }


def test_a_task_has_what_its_author_wants():
    written = step(
        "pay",
        "TASK",
        task="charge",
        taskQueue="money",
        input={"amount": "{% __context__.total %}"},
        timeout=30_000,
        heartbeat="PT10S",
        retry={
            "maxAttempts": 5,
            "initialInterval": "PT0.5S",
            "backoffMultiplier": 1.5,
            "maxInterval": 60_000,
            "retryableErrors": ["TRANSIENT"],
            "nonRetryableErrors": ["CARD_STOLEN"],
        },
    )

    task = examine("graph", chain(written)).plan.step["pay"]

    assert task.type == "task"
    assert task.settings == {
        "task": "charge",
        "taskQueue": "money",
        "input": {"amount": "{% __context__.total %}"},
        "timeout": 30.0,
        "heartbeat": 10.0,
        "retry": {
            "maxAttempts": 5,
            "initialInterval": 0.5,
            "backoffMultiplier": 1.5,
            "maxInterval": 60.0,
            "retryableErrors": ["TRANSIENT"],
            "nonRetryableErrors": ["CARD_STOLEN"],
        },
    }


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ({"duration": "PT5M"}, {"duration": 300.0}),
        ({"duration": 1500}, {"duration": 1.5}),
        ({"duration": "{% __context__.pause %}"}, {"durationExpression": "__context__.pause"}),
        ({"duration": {"src": "__context__.pause"}}, {"durationExpression": "__context__.pause"}),
        ({"until": "2026-01-31T09:00:00Z"}, {"until": "2026-01-31T09:00:00Z"}),
        ({"until": "{% __context__.due %}"}, {"untilExpression": "__context__.due"}),
    ],
)
def test_a_timer_waits_as_written(written, canonical):
    assert examine("graph", chain(step("wait", "timer", **written))).plan.step["wait"].settings == canonical


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("NotStarted", "PENDING"),
        ("InProgress", "RUNNING"),
        ("Completed", "COMPLETED"),
        ("Disabled", "DISABLED"),
        ("Failed", "FAILED"),
    ],
)
def test_statuses_are_those_of_step_runs(written, canonical):
    document = chain(step("a", "human.confirm", activationPolicy={"defaultStatus": written}))
    document["stepTransitions"][0]["onArrival"] = {"status": written}

    plan = examine("graph", document).plan

    assert plan.step["a"].default_status == canonical
    assert plan.transitions[0].on_arrival == canonical


@pytest.mark.parametrize(
    ("written", "canonical"), [(True, None), ({}, None), (False, {"not": {}}), ({"type": "null"}, {"type": "null"})]
)
def test_a_schema_of_everything_is_none(written, canonical):
    plan = examine("graph", chain(step("a", "human.confirm", outputSchema=written), inputSchema=written)).plan

    assert plan.step["a"].output_schema == canonical
    assert plan.input_schema == canonical


def test_a_plan_survives_being_written():
    plan = examine("graph", REVIEW_LOOP).plan

    assert Plan.from_json(plan.to_json()) == plan


def test_the_same_definition_gives_the_same_plan():
    reordered = {name: REVIEW_LOOP[name] for name in reversed(REVIEW_LOOP)}

    digests = {examine("graph", document).plan.digest for document in (REVIEW_LOOP, reordered, {**reordered, "ui": {}})}

    assert len(digests) == 1


def test_examining_changes_nothing():
    document = copy.deepcopy(REVIEW_LOOP)

    examine("graph", document)

    assert document == REVIEW_LOOP


def test_findings_stand_in_the_order_of_the_document():
    document = chain(*(step(f"a{n}", "human.confirm", colour="red") for n in range(12)))

    pointers = [finding.pointer for finding in examine("graph", document).findings]

    assert pointers == [f"/steps/{n}/colour" for n in range(1, 13)]


def test_of_very_many_findings_of_one_rule_only_the_first_are_told():
    document = chain(*(step(f"a{n}", "human.confirm", colour="red") for n in range(150)))

    findings = examine("graph", document).findings

    assert len(findings) == MAX_FINDINGS
    assert findings[-1].message == '"colour" is not known here and has no effect (and 50 more of the kind)'


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"steps": [{}] * 2001, "stepTransitions": []}, "there are 2,001 steps; at most 2,000 are allowed"),
        ({"steps": [], "stepTransitions": [{}] * 10_001}, "there are 10,001 transitions; at most 10,000 are allowed"),
    ],
)
def test_of_a_definition_that_is_too_large_only_that_is_told(document, message):
    assert [finding.message for finding in examine("graph", document).findings] == [message]


@pytest.mark.parametrize("document", [None, 5, "x", [], True, {}])
def test_what_is_no_definition_is_told(document):
    examination = examine("graph", document)

    assert examination.plan is None
    assert {finding.rule for finding in examination.findings} == {"DOCUMENT_SHAPE"}


def test_a_thousand_steps_are_examined_in_well_under_a_second():
    steps = [
        step(f"s{n}", "task", task="work", input={"a": f"{{% __steps__.s{n // 2}.x + {n} %}}"}) for n in range(998)
    ]
    document = chain(*steps)
    start = time.perf_counter()

    examination = examine("graph", document)

    assert examination.findings == ()
    assert time.perf_counter() - start < 2  # 0.1 on a quiet machine


def test_a_hostile_graph_is_examined_in_time():
    joins = [step(f"n{n}", "gateway.parallel_join") for n in range(1998)]
    document = chain(*joins)
    for n in range(1, 1998):
        document["stepTransitions"].append({"id": f"b{n}", "fromStepId": f"n{n}", "toStepId": f"n{n - 1}"})
        document["stepTransitions"].append({"id": f"c{n}", "fromStepId": "n0", "toStepId": f"n{n}"})
    start = time.perf_counter()

    assert examine("graph", document).plan is None

    assert time.perf_counter() - start < 3  # 0.2 on a quiet machine


def test_a_hostile_schema_is_examined_in_time():
    last = 12  # what a property must match depends on the last twelve names before it
    parts = {f"s{n}": {"properties": {key: {"$ref": f"#/$defs/s{n + 1}"} for key in "ab"}} for n in range(last)}
    both = {"allOf": [{"$ref": "#/$defs/top"}, {"$ref": "#/$defs/s0"}]}
    top = {"type": "object", "required": ["a", "b"], "properties": {"a": both, "b": {"$ref": "#/$defs/top"}}}
    endless = {"$ref": "#/$defs/top", "$defs": {**parts, f"s{last}": {}, "top": top}}
    names = [str(n) for n in range(900)]
    wide = {"type": "object", "required": names, "allOf": [{"title": name} for name in names]}
    document = chain(
        *(step(f"s{n}", "human.confirm", outputSchema=endless) for n in range(20)),
        *(step(f"w{n}", "human.confirm", outputSchema=wide) for n in range(10)),
    )
    start = time.perf_counter()

    assert examine("graph", document).findings == ()

    assert time.perf_counter() - start < 5  # 0.5 on a quiet machine


def test_many_inputs_of_children_are_examined_in_time():
    schema = {"properties": {f"p{n}": {"type": "string", "title": "A part"} for n in range(2000)}}
    mapped = [{"targetPath": f"p{n}", "value": {"ref": {"source": "CONTEXT", "path": "a"}}} for n in range(10)]
    child = {"mode": "SINGLE", "childWorkflowTemplateVersionId": "v1", "inputMapping": mapped}
    document = chain(*(step(f"s{n}", "sys.sub_workflow", **child) for n in range(500)))
    start = time.perf_counter()

    within = surroundings({"surroundings": {"children": {"v1": {"inputSchema": schema}}}})
    assert examine("graph", document, within).findings == ()

    assert time.perf_counter() - start < 4  # 0.6 on a quiet machine


# The JSON Schema of the dialect, as editors get it.


def test_the_schema_for_editors_is_the_one_that_checks():
    written = HERE.parent.parent / "service/definition/dialects/graph.schema.json"

    assert written.read_text() == graph_schema.text(), "run python -m service.definition.dialects.graph_schema"


def test_the_schema_knows_every_setting_of_every_step_type():
    conditions = graph_schema.SCHEMA["$defs"]["step"]["allOf"]

    told_of = {name: part["then"] for part in conditions for name in part["if"]["properties"]["type"]["enum"]}

    for kind in KINDS.values():
        if kind.properties:
            assert told_of[kind.name]["properties"] == dict(kind.properties)


def test_every_check_finds_something_in_the_table():
    documents = [graph.Document(case["definition"]) for case in CASES]
    within = [(graph.Document(case["definition"]), surroundings(case)) for case in CASES if "surroundings" in case]
    silent = [check.__name__ for check in graph.CHECKS if not any(list(check(document)) for document in documents)]
    silent += [check.__name__ for check in graph.CHECKS_WITHIN if not any(list(check(*case)) for case in within)]

    assert silent == []


# Whatever comes.

JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
    ),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(st.text(max_size=5), part, max_size=3)),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["a", "b", "start", "end", "if", "PT5M", "task", "timer", "{% __steps__.a %}", "{% ( %}", "gateway.parallel_join"]
)


def places(value, pointer=()):
    """List the ways to all parts of a document."""
    yield pointer
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*pointer, key))


def changed(document, place, value):
    """Put a value somewhere into a copy of a document; None takes out what is there."""
    document = copy.deepcopy(document)
    if not place:
        return value
    part = document
    for key in place[:-1]:
        part = part[key]
    if value is None and isinstance(part, dict):
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return document


RICH = chain(
    step("pay", "task", task="charge", input={"a": ["{% __context__.a %}"]}, retry={"maxAttempts": 2}, timeout="PT1M"),
    step("wait", "timer", duration="PT5M"),
    step("check", "human.confirm", outputSchema={"type": "object", "properties": {"ok": {"type": "boolean"}}}),
    stepGroups=[{"id": "g", "name": "G", "stepIds": ["check"], "legacyServiceRequestTaskGroupKey": "K"}],
    legacyServiceRequestType="L",
    inputSchema={"type": "object"},
    outputExpression="{% __steps__.check %}",
)
SOUND = [RICH, BATCH, REVIEW_LOOP, PARALLEL, definition("start > if; if > a?, b!; a > b; b > end")]


@st.composite
def damaged(draw):
    document = draw(st.sampled_from(SOUND))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(document))))
        document = changed(document, place, draw(st.one_of(st.none(), JSON, WORDS)))
        if not isinstance(document, dict):
            break
    return document


def test_the_documents_that_are_damaged_are_sound_before():
    assert [rules(document) for document in SOUND] == [[]] * len(SOUND)


@st.composite
def around(draw):
    schema = draw(st.sampled_from([None, CHILD_INPUT, {"not": {}}, {"type": "string"}, {"$ref": "#"}]))
    for _ in range(draw(st.integers(0, 2))):
        damaged = changed(schema, draw(st.sampled_from(list(places(schema)))), draw(st.one_of(st.none(), JSON)))
        schema = schema if isinstance(damaged, bool | dict) and check_schema(damaged) else damaged
    child = {"inputSchema": schema} if isinstance(schema, bool | dict) and not check_schema(schema) else {}
    catalogue = draw(st.sampled_from([{}, {"INDIA": {}}, {"INDIA": {"FILING": ["FILE"]}}]))
    return surroundings({"surroundings": {"children": {"v1": child}, "catalogue": catalogue}})


def test_the_batch_is_sound_within_its_surroundings():
    within = {"children": {"v1": {"inputSchema": CHILD_INPUT}}, "catalogue": {"INDIA": {"FILING": ["FILE"]}}}

    assert told(examine("graph", BATCH, surroundings({"surroundings": within}))) == []


@settings(max_examples=400, deadline=None)
@given(st.one_of(JSON, damaged()), st.one_of(st.none(), around()))
def test_whatever_the_document_is_it_is_examined(document, around):
    examination = examine("graph", document, around)

    assert_sound(examination, document)
    if examination.plan is not None:
        assert examination.plan.start.type == "start"
        assert all(t.source in examination.plan.step for t in examination.plan.transitions)
