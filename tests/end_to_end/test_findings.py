"""Checks as callers meet them: all findings at once, a draft may have errors, publishing refuses them (A6, CQ18)."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from heddle.v1 import finding_pb2
from tests.end_to_end.api import Api, refused
from tests.end_to_end.definitions import PARALLEL, REVIEW_LOOP, VERIFY, definition

CASES = json.loads((Path(__file__).parent.parent / "definition" / "rules.json").read_text())
CASES = [case for case in CASES if case["case"] != "a definition is nested too deep"]  # not even taken in
SEVERITY = finding_pb2.Finding.Severity

# The picture of an if/else whose branches both lead straight to the end.
GUIDE = definition("start > check; check > xs; xs > yes if __context__.status = 'approved', no; yes > end; no > end")


def surrounded(api: Api, case) -> Any:
    """Give the workspace what a case has around its definition; gives the definition with the ids of its children."""
    around = case.get("surroundings", {"children": {"v1": {}}, "taskDefinitions": {"y": {}}})
    if "catalogue" in around:
        api.call(
            "PutCatalogue", catalogue={"types": [type_of(key, groups) for key, groups in around["catalogue"].items()]}
        )
    for key, task in around.get("taskDefinitions", {}).items():
        api.call("CreateTaskDefinition", key=key, type=f"TYPE_{task.get('type', 'AUTOMATED')}")
    ids = {
        id: a_child(api, child.get("status", "PUBLISHED"), child.get("inputSchema", True)).id
        for id, child in around.get("children", {}).items()
    }
    document = copy.deepcopy(case["definition"])
    steps = document["steps"] if isinstance(document, dict) and isinstance(document.get("steps"), list) else []
    for step in steps:
        if isinstance(step, dict) and step.get("childWorkflowTemplateVersionId") in ids:
            step["childWorkflowTemplateVersionId"] = ids[step["childWorkflowTemplateVersionId"]]
    return document


def type_of(key: str, groups: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "key": key,
        "task_groups": [
            {"key": group, "tasks": [{"key": task, "name": "T"} for task in tasks]} for group, tasks in groups.items()
        ],
    }


def a_child(api: Api, status: str = "PUBLISHED", schema: Any = True) -> Any:
    template = api.call("CreateTemplate", name="Child").template
    document = json.dumps({**VERIFY, "inputSchema": schema})
    version = api.call("CreateVersion", template_id=template.id, label="1.0.0", definition_json=document).version
    for method in {"DRAFT": (), "PUBLISHED": ("Publish",), "DEPRECATED": ("Publish", "Deprecate")}[status]:
        version = api.call(f"{method}Version", version_id=version.id).version
    return version


def validate(api: Api, document) -> list[tuple[str, str, str, str]]:
    answer = api.call("ValidateVersion", definition_json=json.dumps(document), dialect="graph")
    return [
        (SEVERITY.Name(found.severity).removeprefix("SEVERITY_"), found.code, found.rule, found.pointer)
        for found in answer.findings
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_a6_each_rule_is_told_by_its_id_code_and_place(api: Api, case):
    assert validate(api, surrounded(api, case)) == [tuple(finding[:4]) for finding in case["findings"]]


def test_a6_two_branches_into_the_end_break_one_rule(api: Api):
    rules = [(severity, rule) for severity, _, rule, _ in validate(api, GUIDE)]

    assert rules == [("ERROR", "END_STEP_SINGLE_INCOMING")]


@pytest.mark.parametrize("document", [VERIFY, REVIEW_LOOP, PARALLEL], ids=lambda document: document["name"])
def test_a6_good_definitions_have_no_errors(api: Api, document):
    assert [found for found in validate(api, document) if found[0] == "ERROR"] == []


def test_a_draft_may_have_errors_and_says_them_and_publishing_refuses_with_all_of_them(api: Api):
    broken = definition("start > a; a > b; a > end; b > end")
    template = api.call("CreateTemplate", name="Broken").template

    version = api.call("CreateVersion", template_id=template.id, label="1", definition_json=json.dumps(broken)).version
    with pytest.raises(grpc.RpcError) as error:
        api.call("PublishVersion", version_id=version.id)

    stored = {found.rule for found in version.findings}
    assert {"ONLY_SPLIT_GATEWAY_CAN_FAN_OUT", "END_STEP_SINGLE_INCOMING"} <= stored
    assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    told = finding_pb2.DefinitionFindings()
    for detail in rpc_status.from_call(error.value).details:
        if detail.Is(told.DESCRIPTOR):
            detail.Unpack(told)
    assert {found.rule for found in told.findings} == stored


def test_an_unpublished_version_does_not_start(api: Api):
    version = api.publish(VERIFY, activate=False)
    template = api.call("GetTemplate", template_id=version.template_id).template

    with refused("FAILED_PRECONDITION", "TEMPLATE_HAS_NO_ACTIVE_VERSION"):
        api.call("StartExecution", template_key=template.key)
