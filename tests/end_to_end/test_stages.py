"""The stages of cases as partners follow them, and the groups as staff do, on real Temporal."""

from __future__ import annotations

from typing import Any

import pytest

from heddle.v1.stage_pb2 import CaseStatus, StageProgress
from heddle.v1.step_group_pb2 import StepGroup
from heddle.v1.step_run_pb2 import StepRun
from tests.end_to_end.api import Api, refused
from tests.end_to_end.definitions import definition


def grouped(picture: str, groups: dict[str, str], **steps: Any) -> dict[str, Any]:
    found = [{"id": id, "name": id.title(), "stepIds": ids.split()} for id, ids in groups.items()]
    return definition(picture, name="Incorporation", **steps) | {"stepGroups": found}


REVIEW = grouped(
    "start > questionnaire; questionnaire > approve; approve > xs; xs > questionnaire if __steps__.approve.again, file;"
    "file > end",
    {"onboarding": "questionnaire", "review": "approve", "filing": "file"},
)


def stages(api: Api, id: str) -> str:
    """The overall word, and each stage as `id=status`."""
    answer = api.call("GetExecutionStages", execution_id=id)
    words = [
        f"{one.stage.id}={StageProgress.Status.Name(one.status).removeprefix('STATUS_')}{'-' if one.bypassed else ''}"
        for one in answer.stages
    ]
    return " ".join([CaseStatus.Name(answer.status).removeprefix("CASE_STATUS_"), *words])


def test_a_case_goes_through_its_stages_and_back_and_keeps_its_version(api: Api):
    version = api.publish(REVIEW, label="1.0.0")
    template = api.call("GetTemplate", template_id=version.template_id).template
    told = api.call("GetTemplateStages", template_key=template.key)
    assert (told.template_id, told.key, told.version_id) == (template.id, template.key, version.id)
    assert told.definition_version == "1.0.0"
    assert [(stage.id, stage.name) for stage in told.stages] == [
        ("onboarding", "Onboarding"),
        ("review", "Review"),
        ("filing", "Filing"),
    ]

    id = api.start(version).execution.id
    seen = [stages(api, id)]
    for step, output in (("questionnaire", {}), ("approve", {"again": True})):
        api.complete(id, step, output)
        seen.append(stages(api, id))
    later = grouped("start > other; other > end", {"everything": "other"})
    api.publish(later, label="2.0.0", template_id=template.id)
    for step, output in (("questionnaire", {}), ("approve", {}), ("file", {})):
        api.complete(id, step, output)
        seen.append(stages(api, id))

    waiting = "AWAITING_CUSTOMER_INPUT"
    assert seen == [
        f"{waiting} onboarding=IN_PROGRESS review=NOT_STARTED filing=NOT_STARTED",
        f"{waiting} onboarding=COMPLETED review=IN_PROGRESS filing=NOT_STARTED",
        f"{waiting} onboarding=IN_PROGRESS review=IN_PROGRESS filing=NOT_STARTED",
        f"{waiting} onboarding=COMPLETED review=IN_PROGRESS filing=NOT_STARTED",
        f"{waiting} onboarding=COMPLETED review=COMPLETED filing=IN_PROGRESS",
        "COMPLETED onboarding=COMPLETED review=COMPLETED filing=COMPLETED",
    ]
    case = api.call("GetExecutionStages", execution_id=id)
    assert (case.execution_id, case.template_id, case.key) == (id, template.id, template.key)
    assert (case.version_id, case.definition_version) == (version.id, "1.0.0")
    told = api.call("GetTemplateStages", template_id=template.id)
    assert (told.definition_version, [stage.id for stage in told.stages]) == ("2.0.0", ["everything"])


def test_a_case_is_submitted_until_a_stage_begins_and_blocked_when_it_ends_early(api: Api):
    document = grouped(
        "start > task; task > a; a > end", {"one": "a"}, task={"task": "nobody_does", "taskQueue": "nobody"}
    )
    id = api.start(document).execution.id
    assert stages(api, id) == "SUBMITTED one=NOT_STARTED"

    api.call("CancelExecution", execution_id=id)

    assert stages(api, id) == "BLOCKED one=NOT_STARTED"


def test_a_switched_off_step_blocks_its_stage_until_it_is_set_free(api: Api):
    id = api.start(grouped("start > a; a > b; b > end", {"one": "a", "two": "b"})).execution.id

    api.call("UpdateStep", execution_id=id, step_id="a", status="STATUS_DISABLED")
    assert stages(api, id) == "BLOCKED one=BLOCKED two=NOT_STARTED"
    api.call("UpdateStep", execution_id=id, step_id="a", status="STATUS_RUNNING")
    assert stages(api, id) == "AWAITING_CUSTOMER_INPUT one=IN_PROGRESS two=NOT_STARTED"
    api.call("CancelExecution", execution_id=id)

    assert stages(api, id) == "BLOCKED one=BLOCKED two=NOT_STARTED"


def test_a_stage_of_children_is_in_progress_until_they_are_done_and_waits_when_they_all_do(api: Api):
    work = {"task": "nobody_does", "taskQueue": "nobody"}
    child = api.publish(definition("start > a; a > b; b > end", name="Child"), activate=False)
    batch = {
        "type": "sys.sub_workflow",
        "mode": "BATCH",
        "childWorkflowTemplateVersionId": child.id,
        "iterable": {"type": "EXPRESSION", "expr": {"src": "[1, 2]"}},
    }
    document = grouped("start > dsc; dsc > file; file > end", {"certificates": "dsc", "filing": "file"}, dsc=batch)
    id = api.start(document).execution.id
    children = await_children(api, id, 2)
    await_stages(api, id, "AWAITING_CUSTOMER_INPUT certificates=IN_PROGRESS filing=NOT_STARTED")

    for one in children:
        api.complete(one.id, "a")
        assert stages(api, id) == "AWAITING_CUSTOMER_INPUT certificates=IN_PROGRESS filing=NOT_STARTED"
        api.complete(one.id, "b")
    await_stages(api, id, "AWAITING_CUSTOMER_INPUT certificates=COMPLETED filing=IN_PROGRESS")

    busy = api.publish(definition("start > task; task > end", name="Busy", task=work), activate=False)
    document["steps"][1]["childWorkflowTemplateVersionId"] = busy.id
    id = api.start(document).execution.id
    children = await_children(api, id, 2)
    assert stages(api, id) == "IN_PROGRESS certificates=IN_PROGRESS filing=NOT_STARTED"
    api.call("CancelExecution", execution_id=children[0].id)

    await_stages(api, id, "BLOCKED certificates=BLOCKED filing=NOT_STARTED")
    api.call("RetryExecution", execution_id=id)

    await_stages(api, id, "IN_PROGRESS certificates=IN_PROGRESS filing=NOT_STARTED")


def await_children(api: Api, id: str, number: int) -> list[Any]:
    """Wait until an execution has so many children; gives them."""
    api.await_that(id, lambda _: len(api.call("ListExecutions", parent_execution_id=id).executions) == number)
    return list(api.call("ListExecutions", parent_execution_id=id).executions)


def await_stages(api: Api, id: str, wanted: str) -> None:
    """Wait until the stages of an execution are as wanted."""
    api.await_that(id, lambda _: stages(api, id) == wanted)


def test_the_groups_of_an_execution_show_their_steps(api: Api):
    document = grouped("start > xs; xs > b if false, a; a > c; b > c; c > end", {"one": "a c", "two": "b"})
    id = api.start(document).execution.id
    api.complete(id, "a")

    one, two = api.call("GetStepGroups", execution_id=id).groups

    assert (one.id, one.name, one.status, one.bypassed) == ("one", "One", StepGroup.STATUS_IN_PROGRESS, False)
    assert [(step.step_id, step.step_name, step.step_type, step.status, step.visit) for step in one.steps] == [
        ("a", "a", "human.confirm", StepRun.STATUS_COMPLETED, 1),
        ("c", "c", "human.confirm", StepRun.STATUS_WAITING, 1),
    ]
    assert (two.status, two.bypassed) == (StepGroup.STATUS_NOT_STARTED, True)
    assert [(step.status, step.visit) for step in two.steps] == [(StepRun.STATUS_PENDING, 0)]


def test_a_definition_without_groups_has_no_stages(api: Api):
    version = api.publish(definition("start > a; a > end"))
    id = api.start(version).execution.id

    assert not api.call("GetTemplateStages", template_id=version.template_id).stages
    assert not api.call("GetStepGroups", execution_id=id).groups
    assert stages(api, id) == "AWAITING_CUSTOMER_INPUT"


@pytest.mark.parametrize("by", ["template_id", "template_key"])
def test_a_template_without_active_version_has_no_stages(api: Api, by):
    version = api.publish(REVIEW, activate=False)
    template = api.call("GetTemplate", template_id=version.template_id).template
    name = {"template_id": template.id, "template_key": template.key}[by]

    with refused("NOT_FOUND", "ACTIVE_VERSION_NOT_FOUND") as refusals:
        api.call("GetTemplateStages", **{by: name})
    assert refusals[0].message == f'template "{template.key}" has no active version, so it has no stages'
    api.call("ActivateVersion", version_id=version.id)
    id = api.start(version).execution.id
    api.call("ArchiveTemplate", template_id=template.id)
    with refused("NOT_FOUND", "ACTIVE_VERSION_NOT_FOUND"):
        api.call("GetTemplateStages", **{by: name})

    assert api.call("GetExecutionStages", execution_id=id).definition_version == "1.0.0"
