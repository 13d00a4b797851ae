"""A workspace with one of everything, and for every rpc requests that are fine there: tests break them in one place."""

from __future__ import annotations

import json
import uuid
from string import Template
from typing import Any

import grpc
from google.protobuf.message import Message

from tests.end_to_end.api import Api, entity, refused
from tests.end_to_end.definitions import definition

# `task_x` has no worker and so stays under way.
DEFINITION = definition(
    "start > ps; ps > a, task_x; a > b; b > pj; task_x > pj; pj > end",
    name="World",
    a={"outputSchema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}},
    task_x={"task": "nobody_does", "taskQueue": "nobody"},
) | {
    "inputSchema": {"type": "object", "properties": {"company": {"type": "string"}}, "required": ["company"]},
}
FAILING = definition("start > a; a > end", name="Failing", a={"activationPolicy": {"defaultStatus": "Failed"}})
WAITING = definition(
    "start > wait; wait > end",
    name="Waiting",
    wait={"type": "event.wait", "pattern": "world.happened", "condition": "false"},
)
SHORT = definition("start > a; a > end", name="Short")
INPUT = '{"company": "Example"}'

World = dict[str, str]
"""The ids of what is there, by the names that the requests below have for them."""

REQUESTS: dict[str, dict[str, Any]] = {
    "CreateTemplate": {"name": "Another", "key": "another"},
    "GetTemplate": {"template_id": "$template"},
    "GetTemplate by key": {"template_key": "world"},
    "ListTemplates": {},
    "UpdateTemplate": {"template_id": "$template", "name": "New name"},
    "ArchiveTemplate": {"template_id": "$template"},
    "UnarchiveTemplate": {"template_id": "$archived_template"},
    "DeactivateTemplate": {"template_id": "$template"},
    "DeleteTemplate": {"template_id": "$idle_template"},
    "CreateVersion": {"template_id": "$template", "label": "next", "definition_json": json.dumps(SHORT)},
    "CreateVersion as a copy": {"template_id": "$template", "label": "next", "starter_version_id": "$version"},
    "GetVersion": {"version_id": "$version"},
    "ListVersions": {"template_id": "$template"},
    "UpdateVersion": {"version_id": "$draft", "note": "new", "definition_json": json.dumps(SHORT)},
    "ValidateVersion": {"version_id": "$draft"},
    "ValidateVersion by definition": {"definition_json": json.dumps(SHORT)},
    "PublishVersion": {"version_id": "$draft"},
    "ActivateVersion": {"version_id": "$spare"},
    "DeprecateVersion": {"version_id": "$spare"},
    "DeleteVersion": {"version_id": "$draft"},
    "CreateLink": {"entity": ("PRODUCT", "new"), "template_id": "$template"},
    "GetLink": {"link_id": "$link"},
    "GetLink by entity": {"entity": ("PRODUCT", "world")},
    "ListLinks": {},
    "UpdateLink": {"link_id": "$link", "template_id": "$idle_template"},
    "DeleteLink": {"link_id": "$link"},
    "ResolveLink": {"entity": ("PRODUCT", "world")},
    "GetCatalogue": {},
    "PutCatalogue": {"catalogue": {"types": [{"key": "NEW", "task_groups": [{"key": "G", "tasks": [{"key": "T"}]}]}]}},
    "CreateTaskDefinition": {
        "key": "another",
        "type": "TYPE_AUTOMATED",
        "input_schema_json": "{}",
        "output_schema_json": "{}",
        "implementation_json": '{"type": "task", "task": "another"}',
    },
    "GetTaskDefinition": {"task_definition_id": "$task_definition"},
    "GetTaskDefinition by key": {"task_definition_key": "world", "version": 1},
    "ListTaskDefinitions": {},
    "ListTaskDefinitionVersions": {"task_definition_id": "$task_definition"},
    "UpdateTaskDefinition": {"task_definition_id": "$task_definition", "name": "New name"},
    "DeleteTaskDefinition": {"task_definition_id": "$task_definition"},
    "StartExecution": {"version_id": "$version", "input_json": INPUT},
    "StartExecution by template": {"template_id": "$template", "input_json": INPUT},
    "StartExecution by key": {"template_key": "world", "input_json": INPUT},
    "StartExecution by entity": {"entity": ("PRODUCT", "world"), "input_json": INPUT},
    "GetExecution": {"execution_id": "$execution"},
    "ListExecutions": {},
    "WatchExecution": {"execution_id": "$execution"},
    "CancelExecution": {"execution_id": "$execution"},
    "SetVariables": {"execution_id": "$execution", "variables_json": '{"a": 1}'},
    "DeleteExecution": {"execution_id": "$completed"},
    "GetExecutionTree": {"execution_id": "$family"},
    "RetryExecution": {"execution_id": "$failed"},
    "SyncExecution": {"execution_id": "$execution"},
    "GetExecution by subject": {"subject": {"type": "CASE", "id": "world"}},
    "CancelExecution by subject": {"subject": {"type": "CASE", "id": "world"}},
    "CompleteStep by subject": {
        "subject": {"type": "CASE", "id": "world"},
        "step_id": "a",
        "output_json": '{"ok": true}',
    },
    "ListStepRuns": {"execution_id": "$execution"},
    "GetStepRun": {"step_run_id": "$execution/a/1"},
    "CompleteStep": {"execution_id": "$execution", "step_id": "a", "output_json": '{"ok": true}'},
    "CompleteStep by run": {"step_run_id": "$execution/a/1", "output_json": '{"ok": true}'},
    "UpdateStep": {"execution_id": "$execution", "step_id": "a", "status": "STATUS_DISABLED"},
    "UpdateStep by run": {"step_run_id": "$execution/a/1", "status": "STATUS_DISABLED"},
    "ListLedgerEntries": {"execution_id": "$execution"},
    "ListHumanTasks": {},
    "GetHumanTask": {"human_task_id": "$execution/a/1"},
    "ListHumanTaskActions": {"human_task_id": "$claimed/a/1"},
    "ClaimHumanTask": {"human_task_id": "$execution/a/1", "actor": "ann"},
    "ReleaseHumanTask": {"human_task_id": "$claimed/a/1", "actor": "ann"},
    "ReassignHumanTask": {"human_task_id": "$execution/a/1", "assignee": "ben", "actor": "ann"},
    "CompleteHumanTask": {"human_task_id": "$execution/a/1", "actor": "ann", "output_json": '{"ok": true}'},
    "ListHistoryEvents": {"execution_id": "$execution"},
    "GetStepGroups": {"execution_id": "$execution"},
    "GetTemplateStages": {"template_id": "$template"},
    "GetTemplateStages by key": {"template_key": "world"},
    "GetStatistics": {"template_id": "$template"},
    "GetStatistics by key": {"template_key": "world"},
    "GetStatistics by version": {"version_id": "$version"},
    "GetExecutionStages": {"execution_id": "$execution"},
    "ListTriggerRecords": {"entity": ("PRODUCT", "idle")},
    "PublishEvent": {"event_id": "new", "name": "order.paid", "payload_json": '{"a": 1}'},
    "GetEvent": {"event_id": "$event"},
    "ListEvents": {},
    "ListDeliveries": {"event_id": "$event"},
    "ListDeliveries by execution": {"execution_id": "$waiting"},
    "CreateTrigger": {"template_id": "$template", "action": "ACTION_START", "pattern": "order.paid"},
    "GetTrigger": {"trigger_id": "$trigger"},
    "ListTriggers": {},
    "UpdateTrigger": {"trigger_id": "$trigger", "pattern": "order.lost"},
    "DeleteTrigger": {"trigger_id": "$trigger"},
    "ListTriggerRecords by event": {"event_id": "$event"},
    "ListTriggerRecords by trigger": {"trigger_id": "$trigger"},
    "CreateEventDefinition": {"name": "order.new", "payload_schema_json": "{}"},
    "GetEventDefinition": {"event_definition_id": "$event_definition"},
    "GetEventDefinition by name": {"name": "order.paid"},
    "ListEventDefinitions": {},
    "UpdateEventDefinition": {"event_definition_id": "$event_definition", "description": "New"},
    "DeleteEventDefinition": {"event_definition_id": "$event_definition"},
}
"""A request for every rpc, for some more than one; "$name" is an id of the world, a pair an entity."""


def method_of(request: str) -> str:
    """The rpc that a request of the table is for."""
    return request.partition(" ")[0]


def send(api: Api, request: str, world: World, **changes: Any) -> Any:
    """Send a request of the table with other fields in it; of a stream, give the first message."""
    method = method_of(request)
    answer = api.call(method, **filled(REQUESTS[request] | changes, world))
    if method != "WatchExecution":
        return answer
    first = next(answer)
    answer.cancel()
    return first


def filled(fields: dict[str, Any], world: World) -> dict[str, Any]:
    """Put the ids of a world into a request of the table."""
    return {name: _filled(value, world) for name, value in fields.items()}


def _filled(value: Any, world: World) -> Any:
    if isinstance(value, tuple):
        return entity(*value)
    return Template(value).substitute(world) if isinstance(value, str) and "$" in value else value


def build(api: Api) -> World:
    """Make one of everything; the request ids "used-…" are taken by the rpcs of that name."""
    template = api.call("CreateTemplate", name="World", key="world", request_id="used-CreateTemplate").template.id
    version = api.publish(DEFINITION, template_id=template).id
    spare = api.publish(SHORT, label="1.1.0", template_id=template, activate=False).id
    old = api.publish(SHORT, label="0.9.0", template_id=template, activate=False).id
    api.call("DeprecateVersion", version_id=old)
    draft = api.call("CreateVersion", template_id=template, label="2.0.0", definition_json=json.dumps(SHORT)).version.id
    archived = api.publish(SHORT)
    api.call("ArchiveTemplate", template_id=archived.template_id)
    idle = api.publish(SHORT, activate=False)
    link = api.call("CreateLink", entity=entity("PRODUCT", "world"), template_id=template).link.id
    for id, linked in (("archived", archived.template_id), ("idle", idle.template_id)):
        api.call("CreateLink", entity=entity("PRODUCT", id), template_id=linked)
    for _ in range(2):
        with refused("FAILED_PRECONDITION", "TEMPLATE_HAS_NO_ACTIVE_VERSION"):
            api.call("StartExecution", entity=entity("PRODUCT", "idle"))
    api.call("PutCatalogue", catalogue={"types": [{"key": "WORLD"}]})
    api.call("CreateTaskDefinition", key="other", type="TYPE_MANUAL")
    task_definition = api.call("CreateTaskDefinition", key="world", type="TYPE_AUTOMATED").task_definition.id
    api.call("UpdateTaskDefinition", task_definition_id=task_definition, description="Changed")
    ended = [
        api.call("StartExecution", version_id=spare, input_json="{}", request_id=id).execution.id
        for id in ("used-StartExecution", "second")
    ]
    api.complete(ended[0], "a", {"x": 1}, request_id="used-CompleteStep")
    api.call("CancelExecution", execution_id=ended[1])
    subject = {"type": "CASE", "id": "world"}
    execution = api.call("StartExecution", version_id=version, input_json=INPUT, subject=subject).execution.id
    claimed = api.call("StartExecution", version_id=spare, input_json="{}").execution.id
    api.call("ClaimHumanTask", human_task_id=f"{claimed}/a/1", actor="ann")
    failed = api.start(FAILING).execution.id
    family = api.start(family_of(spare)).execution.id
    await_children(api, family)
    triggers = [
        api.call("CreateTrigger", template_id=idle.template_id, action="ACTION_START", pattern="world.*").trigger.id
        for _ in range(2)
    ]
    unhappy = api.publish(WAITING)
    waiting = [api.start(unhappy).execution.id for _ in range(2)]
    event = str(uuid.uuid4())
    for id in (event, str(uuid.uuid4())):
        api.call("PublishEvent", event_id=id, name="world.happened")
    definitions = [
        api.call("CreateEventDefinition", name=name).event_definition.id for name in ("order.paid", "order.lost")
    ]
    return {
        "event": event,
        "waiting": waiting[0],
        "trigger": triggers[0],
        "event_definition": definitions[0],
        "template": template,
        "archived_template": archived.template_id,
        "archived_version": archived.id,
        "idle_template": idle.template_id,
        "idle_version": idle.id,
        "version": version,
        "spare": spare,
        "old": old,
        "draft": draft,
        "link": link,
        "task_definition": task_definition,
        "other_task_definition": api.call("GetTaskDefinition", task_definition_key="other").task_definition.id,
        "completed": ended[0],
        "cancelled": ended[1],
        "execution": execution,
        "claimed": claimed,
        "failed": failed,
        "family": family,
    }


def family_of(child_version_id: str) -> dict[str, Any]:
    """A definition of executions that have two children each."""
    step = {
        "type": "sys.sub_workflow",
        "mode": "BATCH",
        "childWorkflowTemplateVersionId": child_version_id,
        "iterable": {"type": "EXPRESSION", "expr": {"src": "[1, 2]"}},
        "inputMapping": [],
    }
    return definition("start > children; children > end", name="Family", children=step)


def await_children(api: Api, id: str) -> list[str]:
    """Wait until the children of an execution have started, and it knows; gives their ids by item."""
    api.await_that(id, lambda _: "CHILDREN_STARTED" in [entry["type"] for entry in api.ledger(id)])
    children = api.call("ListExecutions", parent_execution_id=id).executions
    return [child.id for child in sorted(children, key=lambda child: child.item)]


def outline(api: Api) -> list[Message]:
    """What changes with everything that a workspace has stored: every record with its etag, revision or digest."""
    templates = api.call("ListTemplates")
    versions = [api.call("ListVersions", template_id=template.id) for template in templates.templates]
    lists = [
        api.call(method) for method in ("ListEvents", "ListEventDefinitions", "ListTriggers", "ListTaskDefinitions")
    ]
    return [templates, *versions, *_catalogue(api), *lists, api.call("ListLinks"), api.call("ListExecutions")]


def _catalogue(api: Api) -> list[Message]:
    """The workspace's catalogue, if it has one."""
    try:
        return [api.call("GetCatalogue")]
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return []


def everything(api: Api) -> list[Message]:
    """All that a workspace has stored, as its callers can read it."""
    lists = outline(api)
    versions = [version.id for list in lists for version in getattr(list, "versions", ())]
    executions = [execution.id for execution in lists[-1].executions]
    return [
        *lists,
        *(api.call("GetVersion", version_id=id) for id in versions),
        *(
            api.call(method, execution_id=id)
            for id in executions
            for method in ("GetExecution", "ListStepRuns", "ListLedgerEntries")
        ),
    ]
