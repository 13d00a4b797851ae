"""Sub-workflows as authors write them, and what of it stands in the plan; what is wrong with them is in rules.json."""

from __future__ import annotations

import pytest

from service.definition.dialects import graph
from service.definition.partial import UNKNOWN
from service.definition.steps.mappings import Building, read
from tests.definition.definitions import chain, step

DSC = {
    "id": "dsc",
    "type": "sys.sub_workflow",
    "name": "DSC onboarding",
    "mode": "BATCH",
    "childWorkflowTemplateVersionId": "v1",
    "iterable": {"type": "EXPRESSION", "expr": {"src": "__context__.directors[hasDsc = false]"}},
    "inputMapping": [
        {
            "id": "m1",
            "targetPath": "directorId",
            "value": {"type": "expr", "expr": {"src": "__each__.id"}},
            "mode": "set",
        },
        {
            "id": "m2",
            "targetPath": "companyId",
            "value": {"type": "field", "ref": {"source": "CONTEXT", "path": "company.id"}},
        },
    ],
    "childWorkflowName": {"type": "jsonata", "src": "'DSC - ' & __each__.name"},
    "ui": {"reactFlow": {"position": {"x": 30, "y": 0}}},
}
RETRY = {
    "maxAttempts": 3,
    "initialInterval": 1.0,
    "backoffMultiplier": 2,
    "maxInterval": 60.0,
    "nonRetryableErrors": [],
}


def compiled(written):
    document = chain(written)
    assert graph.check(document) == []
    return graph.compile(document).steps[1]


def single(**more):
    return step("a", "sys.sub_workflow", mode="SINGLE", childWorkflowTemplateVersionId="v1", **more)


def test_the_flagship_compiles():
    assert compiled(DSC).settings == {
        "mode": "BATCH",
        "version": "v1",
        "items": {"expression": "__context__.directors[hasDsc = false]"},
        "mapping": [
            {"path": ["directorId"], "value": {"expression": "__each__.id"}},
            {"path": ["companyId"], "value": {"source": "CONTEXT", "path": ["company", "id"]}},
        ],
        "name": "'DSC - ' & __each__.name",
        "sources": [],
        "concurrency": 50,
        "collect": True,
    }


def test_cq3_the_enum_key_is_an_alias_of_the_type():
    by_alias = compiled({**DSC, "type": "SYS_SUB_WORKFLOW"})

    assert by_alias == compiled(DSC)
    assert by_alias.type == "sys.sub_workflow"


def test_a_single_child_has_defaults():
    assert compiled(single()).settings == {
        "mode": "SINGLE",
        "version": "v1",
        "mapping": [],
        "sources": [],
        "concurrency": 50,
        "collect": True,
    }


def test_what_the_author_wants_stands_in_the_plan():
    settings = compiled(
        {
            **DSC,
            "x-note": "mine",
            "maxConcurrency": 7,
            "toleratedFailurePercentage": 10,
            "waitForAll": True,
            "collectOutputs": False,
            "contextProjection": ["anything"],
            "childSubject": {"type": "SERVICE_REQUEST_TASK_GROUP", "id": {"src": "__each__.groupId"}},
        }
    ).settings

    assert settings["concurrency"] == 7
    assert settings["tolerated"] == {"percentage": 10.0}
    assert settings["waitForAll"] is True
    assert settings["collect"] is False
    assert settings["subject"] == {"type": "SERVICE_REQUEST_TASK_GROUP", "id": "__each__.groupId"}
    assert compiled({**DSC, "toleratedFailureCount": 0}).settings["tolerated"] == {"count": 0}


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ({"type": "EXPRESSION", "expr": {"src": "__context__.a"}}, {"expression": "__context__.a"}),
        ({"expr": {"src": "__context__.a"}}, {"expression": "__context__.a"}),
        ({"type": "STEP", "stepId": "start"}, {"step": "start"}),
        ({"type": "STEP", "stepId": "start", "select": {"src": "$.data"}}, {"step": "start", "select": "$.data"}),
        ({"type": "DATASOURCE", "key": "x", "select": {"src": "data"}}, {"source": "x", "select": "data"}),
    ],
)
def test_items_come_from_where_the_author_says(written, canonical):
    source = {"alias": "x", "type": "CRM", "dataSourceID": "people"}

    assert compiled({**DSC, "iterable": written, "dataSources": [source]}).settings["items"] == canonical


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ({"type": "const", "value": {"a": [None]}}, {"const": {"a": [None]}}),
        ({"value": False}, {"const": False}),
        ({"value": {"expr": {"src": "a"}}}, {"const": {"expr": {"src": "a"}}}),
        ({"type": "expr", "expr": {"type": "jsonata", "src": "__context__.a"}}, {"expression": "__context__.a"}),
        ({"expr": {"src": "__steps__.start.a"}, "x-note": "mine"}, {"expression": "__steps__.start.a"}),
        ({"ref": {"source": "CONTEXT"}}, {"source": "CONTEXT", "path": []}),
        ({"ref": {"source": "EACH", "path": ""}}, {"source": "EACH", "path": []}),
        (
            {"type": "field", "ref": {"source": "STEP", "stepId": "start", "path": "a.b"}},
            {"source": "STEP", "step": "start", "path": ["a", "b"]},
        ),
        (
            {"type": "field", "ref": {"source": "DATASOURCE", "key": "x", "path": "a.0"}},
            {"source": "DATASOURCE", "alias": "x", "path": ["a", "0"]},
        ),
    ],
)
def test_values_come_with_and_without_their_type(written, canonical):
    source = {"alias": "x", "type": "CRM", "dataSourceID": "people"}
    mapping = {"targetPath": "company.id", "value": written, "mode": "append"}

    settings = compiled({**DSC, "inputMapping": [mapping], "dataSources": [source]}).settings

    assert settings["mapping"] == [{"path": ["company", "id"], "append": True, "value": canonical}]


def test_a_data_source_has_defaults():
    source = {"id": "d1", "alias": "x", "type": "COMMENDA_LOGICAL_BACKEND", "dataSourceID": "getDirectors"}

    assert compiled(single(dataSources=[source])).settings["sources"] == [
        {"alias": "x", "type": "COMMENDA_LOGICAL_BACKEND", "id": "getDirectors", "timeout": 30.0, "retry": RETRY}
    ]


def test_a_data_source_has_what_its_author_wants():
    source = {
        "alias": "x",
        "type": "CRM",
        "dataSourceID": "director",
        "scope": "per-item",
        "params": {
            "company": {"type": "field", "ref": {"source": "CONTEXT", "path": "company.id"}},
            "type": {"value": "full"},
            "filters": [{"value": 1}, {"nested": {"expr": {"src": "__each__.id"}}}, []],
        },
        "select": {"src": "$.data"},
        "timeout": 1500,
        "retry": {"maxAttempts": 1},
    }

    assert compiled({**DSC, "dataSources": [source]}).settings["sources"] == [
        {
            "alias": "x",
            "type": "CRM",
            "id": "director",
            "each": True,
            "params": {
                "object": {
                    "company": {"source": "CONTEXT", "path": ["company", "id"]},
                    "type": {"const": "full"},
                    "filters": {
                        "list": [
                            {"const": 1},
                            {"object": {"nested": {"expression": "__each__.id"}}},
                            {"list": []},
                        ]
                    },
                }
            },
            "select": "$.data",
            "timeout": 1.5,
            "retry": {**RETRY, "maxAttempts": 1},
        }
    ]


def test_an_input_is_built_as_far_as_it_is_known():
    constant = {"b": {"c": 1}}
    mappings = [
        {"targetPath": "a", "value": {"value": constant}},
        {"targetPath": "a.b.d", "value": {"expr": {"src": "1"}}},
        {"targetPath": "list", "value": {"value": 1}, "mode": "append"},
        {"targetPath": "list", "value": {"ref": {"source": "CONTEXT"}}, "mode": "append"},
        {"targetPath": "a.b.c.e", "value": {"value": 1}},
    ]

    building = Building(read(mappings, ""))

    assert building.input == {"a": {"b": {"c": 1, "d": UNKNOWN}}, "list": [1, UNKNOWN]}
    assert [found.pointer for found in building.problems] == ["/4/targetPath"]
    assert constant == {"b": {"c": 1}}
