"""Which versions a parent may run, and what it may map to them, through the real server (CQ17)."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.end_to_end.api import Api, refused, status
from tests.end_to_end.definitions import definition
from tests.rpc.registry import a_draft, a_template, at_once, reasons

CHILD = definition("start > collect; collect > end", name="DSC Procurement")


def parent(version_id: str, **more):
    """A definition with one step, that runs a version."""
    step = {"type": "sys.sub_workflow", "mode": "SINGLE", "childWorkflowTemplateVersionId": version_id, **more}
    return definition("start > dsc; dsc > file; file > end", name="India Pvt Ltd", dsc=step)


def draft(api: Api, document):
    template = a_template(api, document["name"], key=f"t-{secrets.token_hex(6)}")
    return a_draft(api, template, definition_json=json.dumps(document))


def child_of(api: Api, id: str):
    """The only child of an execution, once it is there."""
    api.await_that(id, lambda _: len(api.call("ListExecutions", parent_execution_id=id).executions) == 1)
    (child,) = api.call("ListExecutions", parent_execution_id=id).executions
    return child


def test_cq17_a_child_that_is_deprecated_later_is_run_on_and_no_new_parent_takes_it(api: Api):
    child = api.publish(CHILD, activate=False)  # it need not be its template's active version
    version = api.publish(parent(child.id))
    before = api.start(version).execution.id
    ran = child_of(api, before)
    other = draft(api, parent(child.id))
    assert not other.findings

    api.call("DeprecateVersion", version_id=child.id)

    after = api.start(version).execution.id
    assert child_of(api, after).version_id == ran.version_id == child.id
    for id in (before, after):
        api.complete(child_of(api, id).id, "collect")
        api.await_that(id, lambda _, id=id: api.open(id) == ["file"])
    assert not api.call("GetVersion", version_id=version.id).version.findings
    with refused("FAILED_PRECONDITION", "DEFINITION_INVALID") as refusals:
        api.call("PublishVersion", version_id=other.id)
    assert "CHILD_VERSION_PUBLISHED: version 1.0.0 of template" in refusals[0].message
    assert "is DEPRECATED, not PUBLISHED" in refusals[0].message


def test_cq17_a_draft_is_no_child_until_it_is_published(api: Api):
    child = draft(api, CHILD)
    version = draft(api, parent(child.id))
    assert [(found.rule, found.pointer) for found in version.findings] == [
        ("CHILD_VERSION_PUBLISHED", "/steps/1/childWorkflowTemplateVersionId")
    ]
    with refused("FAILED_PRECONDITION", "DEFINITION_INVALID"):
        api.call("PublishVersion", version_id=version.id)

    api.call("PublishVersion", version_id=child.id)

    assert not api.call("PublishVersion", version_id=version.id).version.findings
    with refused("FAILED_PRECONDITION", "VERSION_IN_USE"):
        api.call("DeleteVersion", version_id=child.id)
    with refused("FAILED_PRECONDITION", "TEMPLATE_IN_USE"):
        api.call("DeleteTemplate", template_id=child.template_id)
    api.call("ArchiveTemplate", template_id=child.template_id)
    assert child_of(api, api.start(version).execution.id).version_id == child.id


def test_a_version_never_runs_itself(api: Api):
    version = draft(api, CHILD)
    first = draft(api, parent(version.id))

    # Each names the other, which is not there yet when it is saved the first time.
    for id, names in ((version.id, version.id), (version.id, first.id)):
        api.call("UpdateVersion", version_id=id, definition_json=json.dumps(parent(names)))
        with refused("FAILED_PRECONDITION", "DEFINITION_INVALID") as refusals:
            api.call("PublishVersion", version_id=id)
        assert "is DRAFT, not PUBLISHED" in refusals[0].message
    both = at_once(*(lambda id=id: api.call("PublishVersion", version_id=id) for id in (version.id, first.id)))
    assert reasons(both) == ["DEFINITION_INVALID"] * 2


def test_a_version_that_was_deleted_or_is_another_workspaces_is_no_child(api: Api):
    gone = draft(api, CHILD)
    api.call("DeleteVersion", version_id=gone.id)
    theirs = Api(api.channel, f"{api.workspace}-b").publish(CHILD)

    for id in (gone.id, theirs.id, "nothing", "../x", "0"):
        version = draft(api, parent(id))
        assert [(found.rule, found.message) for found in version.findings] == [
            ("CHILD_VERSION_EXISTS", f'the workspace has no version "{id}"')
        ]
        with refused("FAILED_PRECONDITION", "DEFINITION_INVALID"):
            api.call("PublishVersion", version_id=version.id)


@pytest.mark.parametrize("path", ["__proto__", "a.__proto__.b", "constructor.prototype.x"])
def test_a_mapping_to_what_objects_are_made_of_is_refused(api: Api, path):
    child = api.publish(CHILD)
    version = draft(api, parent(child.id, inputMapping=[{"targetPath": path, "value": {"value": 1}}]))

    assert [(found.rule, found.pointer) for found in version.findings] == [
        ("PATHS_VALID", "/steps/1/inputMapping/0/targetPath")
    ]
    with refused("FAILED_PRECONDITION", "DEFINITION_INVALID"):
        api.call("PublishVersion", version_id=version.id)


def test_a_path_through_a_text_that_only_the_execution_knows_fails_it_in_words_and_starts_no_child(api: Api):
    child = api.publish(CHILD)
    field = {"ref": {"source": "CONTEXT", "path": "company"}}
    mapping = [{"targetPath": "company", "value": field}, {"targetPath": "company.id", "value": {"value": "c9"}}]
    version = api.publish(parent(child.id, inputMapping=mapping))

    id = api.start(version, {"company": "Acme"}).execution.id
    failed = api.await_end(id)
    assert (status(failed), failed.error.step_id) == ("FAILED", "dsc")
    assert "cannot map to company.id: company is a string" in failed.error.message
    assert not api.call("ListExecutions", parent_execution_id=id).executions

    id = api.start(version, {"company": {"name": "Acme"}}).execution.id
    assert json.loads(api.execution(child_of(api, id).id).input_json) == {"company": {"name": "Acme", "id": "c9"}}


def test_a_childs_step_is_not_completed_through_its_parent(api: Api):
    id = api.start(parent(api.publish(CHILD).id)).execution.id
    child = child_of(api, id)
    before = api.runs(id)

    with refused("NOT_FOUND", "STEP_NOT_FOUND"):
        api.complete(id, "collect")
    with refused("INVALID_ARGUMENT", "INVALID_FIELD"):
        api.call("CompleteStep", execution_id=id, step_run_id=f"{child.id}/collect/1", output_json="null")
    with refused("FAILED_PRECONDITION", "STEP_NOT_WAITING"):
        api.complete(id, "dsc", {"directorId": "d1"})

    assert api.open(child.id) == ["collect"]
    assert api.runs(id) == before


def test_cq13_a_step_with_children_is_switched_off_at_any_point_and_begins_anew(api: Api):
    id = api.start(parent(api.publish(CHILD).id)).execution.id
    first = child_of(api, id)

    answer = api.call("UpdateStep", execution_id=id, step_id="dsc", status="STATUS_DISABLED")

    assert [status(run) for run in answer.step_runs][1:] == ["DISABLED"]
    assert status(api.await_end(first.id)) == "CANCELLED"
    api.call("UpdateStep", execution_id=id, step_id="dsc", status="STATUS_RUNNING")
    api.await_that(id, lambda _: len(api.call("ListExecutions", parent_execution_id=id).executions) == 2)
    second = api.call("ListExecutions", parent_execution_id=id).executions[0]
    api.complete(second.id, "collect")
    api.await_that(id, lambda _: api.open(id) == ["file"])


@pytest.mark.parametrize(
    ("expression", "name"),
    [("'DSC - ' & __context__.nobody", "DSC -"), ("'  two\\n\\tlines \\u0000'", "two lines")],
)
def test_a_childs_name_is_one_line_however_it_was_computed(api: Api, expression, name):
    id = api.start(parent(api.publish(CHILD).id, childWorkflowName={"src": expression})).execution.id

    assert child_of(api, id).name == name


@pytest.mark.parametrize(
    ("expression", "rule"), [("$pad('x', 257, 'y')", "it must have 1 to 256 characters"), ("'a\\u0000'", "NUL")]
)
def test_a_child_has_a_subject_by_which_callers_can_name_it(api: Api, expression, rule):
    subject = {"type": "TASK_GROUP", "id": {"src": expression}}
    id = api.start(parent(api.publish(CHILD).id, childSubject=subject)).execution.id

    failed = api.await_end(id)

    assert (status(failed), failed.error.code) == ("FAILED", "CHILD_FAILED")
    assert "INVALID_FIELD: childSubject.id is " in failed.error.message
    assert rule in failed.error.message


@pytest.mark.parametrize(("expression", "length"), [("' \\n'", 0), ("$pad('x', 257, 'y')", 257)])
def test_a_name_that_no_list_can_show_fails_the_child(api: Api, expression, length):
    id = api.start(parent(api.publish(CHILD).id, childWorkflowName={"src": expression})).execution.id

    said = f"NAME_INVALID: childWorkflowName gave {length} characters, it must be 1 to 256"
    assert said in api.await_end(id).error.message


def test_a_task_reaches_the_child_that_is_for_it_and_a_subject_has_one_open_execution(api: Api):
    batch = {
        "mode": "BATCH",
        "iterable": {"type": "EXPRESSION", "expr": {"src": "__context__.groups"}},
        "childSubject": {"type": "TASK_GROUP", "id": {"src": "__each__"}},
        "toleratedFailureCount": 1,
    }
    id = api.start(parent(api.publish(CHILD).id, **batch), {"groups": ["g1", "g2", "g1"]}).execution.id
    api.await_that(id, lambda _: len(api.call("ListExecutions", parent_execution_id=id).executions) == 2)

    answer = api.call("CompleteStep", subject={"type": "TASK_GROUP", "id": "g2"}, step_id="collect", output_json="null")

    assert (answer.execution.parent_execution_id, answer.execution.item) == (id, 1)
    assert status(answer.execution) == "COMPLETED"
    api.call("CompleteStep", subject={"type": "TASK_GROUP", "id": "g1"}, step_id="collect", output_json="null")
    api.await_that(id, lambda _: api.open(id) == ["file"])
    told = api.call("GetStepRun", step_run_id=f"{id}/dsc/1").step_run.children
    assert (told.total, told.completed, told.failed) == (3, 2, 1)


def test_children_go_ten_levels_deep(api: Api):
    version = api.publish(CHILD, activate=False)
    for level in range(11):
        version = api.publish(parent(version.id) | {"name": f"Level {11 - level}"}, activate=False)

    id = api.start(version).execution.id

    failed = api.await_end(id)
    assert (status(failed), failed.error.code) == ("FAILED", "CHILD_FAILED")
    below = api.call("ListExecutions", root_execution_id=id, page_size=50).executions
    assert sorted(execution.depth for execution in below) == list(range(11))
    assert {status(execution) for execution in below} == {"FAILED"}
    deepest = max(below, key=lambda execution: execution.depth)
    assert "SUB_WORKFLOW_TOO_DEEP: a child would be 11 levels deep; the limit is 10" in deepest.error.message
