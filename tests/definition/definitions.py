"""Definitions for the tests, and ways to write them shortly."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from service.definition.compiling import Examination
from service.definition.plan import Plan
from service.definition.surroundings import Child, Surroundings
from service.domain.catalogue import Catalogue, ServiceRequestType, Task, TaskGroup
from service.domain.task_definition import TaskDefinition

TYPES = {
    "start": "start",
    "end": "end",
    "if": "gateway.exclusive_split",
    "some": "gateway.inclusive_split",
    "all": "gateway.parallel_split",
    "join": "gateway.parallel_join",
}


def step(id: str, type: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": type, **more}


def chain(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Put steps between a start and an end."""
    steps = (step("start", "start"), *steps, step("end", "end"))
    transitions = [
        {"id": f"t{n}", "fromStepId": before["id"], "toStepId": after["id"]}
        for n, (before, after) in enumerate(pairwise(steps), start=1)
    ]
    return {"id": "d", "name": "D", "steps": list(steps), "stepTransitions": transitions, **more}


def surroundings(case: dict[str, Any]) -> Surroundings | None:
    """Read what a case of rules.json has around its definition: children by their ids, a catalogue of
    keys, and task definitions by their keys, each in its version 1.
    """
    if "surroundings" not in case:
        return None
    children = tuple(
        Child(
            id=id,
            template_key=child.get("template", "child"),
            label="1.0.0",
            status=child.get("status", "PUBLISHED"),
            input_schema=json.dumps(child["inputSchema"]) if "inputSchema" in child else None,
        )
        for id, child in case["surroundings"].get("children", {}).items()
    )
    keys = case["surroundings"].get("catalogue")
    defined = tuple(
        task_definition(key, **written) for key, written in case["surroundings"].get("taskDefinitions", {}).items()
    )
    return Surroundings(children, None if keys is None else catalogue(keys), defined)


def task_definition(key: str, *, type: str = "AUTOMATED", implementation: Any = None, **schemas: Any) -> TaskDefinition:
    """Make a task definition in its version 1."""
    return TaskDefinition.created(
        workspace="w",
        id=f"id-of-{key}",
        key=key,
        name="",
        description="",
        type=type,
        input_schema=json.dumps(schemas["input_schema"]) if "input_schema" in schemas else None,
        output_schema=json.dumps(schemas["output_schema"]) if "output_schema" in schemas else None,
        implementation=json.dumps(implementation) if implementation is not None else "",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )


def catalogue(keys: dict[str, dict[str, list[str]]]) -> Catalogue:
    """Write a catalogue shortly: the keys of the tasks by those of their groups by those of the types."""
    types = tuple(
        ServiceRequestType(
            type,
            "",
            tuple(TaskGroup(group, "", tuple(Task(task, "") for task in tasks)) for group, tasks in groups.items()),
        )
        for type, groups in keys.items()
    )
    return Catalogue.created(workspace="w", types=types, now=datetime(2026, 1, 1, tzinfo=UTC))


def definition(picture: str) -> dict[str, Any]:
    """Read `start > if; if > a?, b!`, where `?` gives a transition a condition and `!` makes it the default."""
    steps: dict[str, dict[str, Any]] = {}
    transitions: list[dict[str, Any]] = []
    for line in picture.split(";"):
        source, _, targets = (part.strip() for part in line.partition(">"))
        for target in (part.strip() for part in targets.split(",")):
            id = target.rstrip("?!")
            for name in (source, id):
                steps.setdefault(name, step(name, TYPES.get(name, "human.confirm")))
            transition: dict[str, Any] = {"id": f"t{len(transitions) + 1}", "fromStepId": source, "toStepId": id}
            if target.endswith("?"):
                transition["condition"] = {"type": "jsonata", "src": f"__context__.{id}"}
            if target.endswith("!"):
                transition["isDefault"] = True
            transitions.append(transition)
    return {"id": "d", "name": "D", "steps": list(steps.values()), "stepTransitions": transitions}


_HANDLE = {"reactFlow": {"handle": {"sourceHandle": "out", "targetHandle": "in"}}}

VERIFICATION: dict[str, Any] = {
    "id": "verification",
    "name": "Verification of a customer",
    "steps": [
        {"id": "start", "type": "start", "name": "Start", "ui": {"reactFlow": {"position": {"x": 0, "y": 0}}}},
        {
            "id": "verify",
            "type": "human.confirm",
            "name": "Verify the documents",
            "outputSchema": {
                "type": "object",
                "properties": {"verified": {"type": "boolean"}},
                "required": ["verified"],
            },
            "group": {"groupId": "g1", "order": 0},
            "ui": {"reactFlow": {"position": {"x": 0, "y": 80}}},
        },
        {"id": "end", "type": "end", "name": "End", "ui": {"reactFlow": {"position": {"x": 0, "y": 160}}}},
    ],
    "stepTransitions": [
        {"id": "t1", "fromStepId": "start", "toStepId": "verify", "ui": _HANDLE},
        {"id": "t2", "fromStepId": "verify", "toStepId": "end", "ui": _HANDLE},
    ],
    "stepGroups": [{"id": "g1", "name": "Verification", "stepIds": ["verify"]}],
}

REVIEW_LOOP: dict[str, Any] = {
    "id": "incorporation",
    "name": "Incorporation with a review",
    "steps": [
        {"id": "start", "type": "start", "name": "Start"},
        {"id": "questionnaire", "type": "HUMAN_CONFIRM", "name": "Fill in the questionnaire"},
        {
            "id": "approve",
            "type": "human.confirm",
            "name": "Approve it",
            "outputSchema": {"required": ["issueFound"]},
        },
        {"id": "issues", "type": "gateway.exclusive_split", "name": "Issues?"},
        {"id": "file", "type": "human.confirm", "activationPolicy": {"defaultStatus": "NotStarted"}},
        {"id": "end", "type": "end"},
    ],
    "stepTransitions": [
        {"id": "t1", "fromStepId": "start", "toStepId": "questionnaire"},
        {"id": "t2", "fromStepId": "questionnaire", "toStepId": "approve"},
        {"id": "t3", "fromStepId": "approve", "toStepId": "issues"},
        {
            "id": "t4",
            "fromStepId": "issues",
            "toStepId": "questionnaire",
            "condition": {"src": "__steps__.approve.outputData.issueFound = true"},
            "label": "Issue reported",
            "onArrival": {"status": "InProgress"},
        },
        {"id": "t5", "fromStepId": "issues", "toStepId": "file", "isDefault": True},
        {"id": "t6", "fromStepId": "file", "toStepId": "end"},
    ],
    "inputSchema": {"type": "object"},
    "outputExpression": "{% __steps__.file %}",
}

BATCH: dict[str, Any] = chain(
    step(
        "dsc",
        "sys.sub_workflow",
        mode="BATCH",
        childWorkflowTemplateVersionId="v1",
        dataSources=[
            {
                "alias": "people",
                "type": "CRM",
                "dataSourceID": "people",
                "params": {"company": {"ref": {"source": "CONTEXT", "path": "company.id"}}, "pages": [{"value": 1}]},
                "select": {"src": "$.data"},
                "timeout": "PT10S",
                "retry": {"maxAttempts": 2},
            },
            {
                "alias": "person",
                "type": "CRM",
                "dataSourceID": "person",
                "scope": "per-item",
                "params": {"type": "expr", "expr": {"src": "__each__.id"}},
            },
        ],
        iterable={"type": "DATASOURCE", "key": "people", "select": {"src": "directors[active]"}},
        inputMapping=[
            {"targetPath": "directorId", "value": {"type": "expr", "expr": {"src": "__each__.id"}}},
            {"targetPath": "company.id", "value": {"ref": {"source": "CONTEXT", "path": "company.id"}}},
            {"targetPath": "tags", "value": {"type": "const", "value": "new"}, "mode": "append"},
            {"targetPath": "tags", "value": {"ref": {"source": "DATASOURCE", "key": "person"}}, "mode": "append"},
            {"targetPath": "before", "value": {"ref": {"source": "STEP", "stepId": "start", "path": "at"}}},
        ],
        childWorkflowName={"src": "'DSC ' & __each__.name"},
        childSubject={"type": "TASK_GROUP", "id": {"src": "__each__.groupId"}},
        toleratedFailureCount=1,
        waitForAll=True,
    ),
    step("file", "human.confirm", legacyServiceRequestTaskKey="FILE"),
    inputSchema={"type": "object", "properties": {"company": {"properties": {"id": {"type": "string"}}}}},
    legacyServiceRequestType="INDIA",
    stepGroups=[{"id": "g", "stepIds": ["file"], "legacyServiceRequestTaskGroupKey": "FILING"}],
) | {"name": "Batch"}

CHILD_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "directorId": {"type": "string"},
        "company": {"$ref": "#/$defs/company"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["directorId", "company"],
    "$defs": {"company": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}},
}
"""An input that the children of `BATCH` take."""

PARALLEL = definition("start > all; all > a, b, c; a > join; b > join; c > join; join > d; d > end") | {
    "name": "Parallel"
}


def assert_sound(examination: Examination, document: Any) -> None:
    """Hold an examination to what is true of every one: a plan or errors, short findings at places of the document."""
    assert (examination.plan is None) == any(finding.severity == "ERROR" for finding in examination.findings)
    for finding in examination.findings:
        assert len(finding.message) < 500
        found = document
        for part in finding.pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
    if examination.plan is not None:
        assert Plan.from_json(examination.plan.to_json()) == examination.plan
