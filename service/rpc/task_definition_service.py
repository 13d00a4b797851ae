"""Task definitions over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from heddle.v1 import task_definition_service_pb2 as pb
from heddle.v1.task_definition_pb2 import TaskDefinition as TaskDefinitionMessage
from heddle.v1.task_definition_service_pb2_grpc import TaskDefinitionServiceServicer
from service.definition import task_definitions as rules
from service.definition.schemas import MAX_SCHEMA, Violation, check_schema
from service.domain.errors import Invalid
from service.domain.fields import required
from service.domain.json_text import InvalidJson, Json, parse
from service.domain.task_definition import MAX_IMPLEMENTATION, TYPES, TaskDefinition
from service.rpc.call import Call
from service.rpc.changing import changing
from service.rpc.messages import given, target_of, time_message, value_of
from service.rpc.paging import Page
from service.rpc.room import fitting
from service.rpc.status import rpc
from storage import task_definitions


class TaskDefinitionService(TaskDefinitionServiceServicer):
    """See task_definition_service.proto."""

    @changing
    def CreateTaskDefinition(
        self, request: pb.CreateTaskDefinitionRequest, call: Call
    ) -> pb.CreateTaskDefinitionResponse:
        definition = TaskDefinition.created(
            workspace=call.workspace,
            id=call.new_id(),
            key=request.key,
            name=request.name,
            description=request.description,
            type=value_of("type", TaskDefinitionMessage.Type, request.type),
            input_schema=request.input_schema_json or None,
            output_schema=request.output_schema_json or None,
            implementation=request.implementation_json,
            now=call.now,
        )
        _check(definition)
        task_definitions.add(definition)
        return pb.CreateTaskDefinitionResponse(task_definition=_message(definition))

    @rpc
    def GetTaskDefinition(self, request: pb.GetTaskDefinitionRequest, call: Call) -> pb.GetTaskDefinitionResponse:
        target = target_of(request)
        find = task_definitions.get if target == "task_definition_id" else task_definitions.by_key
        name = required(target, request.task_definition_id or request.task_definition_key)
        definition = find(call.workspace, name, _version(request.version))
        return pb.GetTaskDefinitionResponse(task_definition=_message(definition))

    @rpc
    def ListTaskDefinitions(self, request: pb.ListTaskDefinitionsRequest, call: Call) -> pb.ListTaskDefinitionsResponse:
        page = Page.asked(request, call)
        type = value_of("type", TaskDefinitionMessage.Type, request.type)
        found = task_definitions.page(call.workspace, type=type, before=page.after, limit=page.limit)
        messages, token = _portion(page, found, lambda definition: definition.id)
        return pb.ListTaskDefinitionsResponse(task_definitions=messages, next_page_token=token)

    @rpc
    def ListTaskDefinitionVersions(
        self, request: pb.ListTaskDefinitionVersionsRequest, call: Call
    ) -> pb.ListTaskDefinitionVersionsResponse:
        page = Page.asked(request, call)
        definition_id = required("task_definition_id", request.task_definition_id)
        found = task_definitions.versions(call.workspace, definition_id, before=int(page.after or 0), limit=page.limit)
        if not found:
            task_definitions.get(call.workspace, definition_id)  # an empty list and no definition are not the same
        messages, token = _portion(page, found, lambda definition: str(definition.version))
        return pb.ListTaskDefinitionVersionsResponse(task_definitions=messages, next_page_token=token)

    @changing
    def UpdateTaskDefinition(
        self, request: pb.UpdateTaskDefinitionRequest, call: Call
    ) -> pb.UpdateTaskDefinitionResponse:
        changes = _changes(request)
        definition = _locked(request, call).next(call.now, **changes)
        _check(definition)
        task_definitions.advance(definition)
        return pb.UpdateTaskDefinitionResponse(task_definition=_message(definition))

    @changing
    def DeleteTaskDefinition(
        self, request: pb.DeleteTaskDefinitionRequest, call: Call
    ) -> pb.DeleteTaskDefinitionResponse:
        task_definitions.delete(_locked(request, call))
        return pb.DeleteTaskDefinitionResponse()


def _locked(request: pb.UpdateTaskDefinitionRequest | pb.DeleteTaskDefinitionRequest, call: Call) -> TaskDefinition:
    definition_id = required("task_definition_id", request.task_definition_id)
    return task_definitions.lock(call.workspace, definition_id).require_etag(request.etag)


def _changes(request: pb.UpdateTaskDefinitionRequest) -> dict[str, str | None]:
    """Read what is to be otherwise in the next version."""
    changes: dict[str, str | None] = {
        name: value
        for name, field in (
            ("name", "name"),
            ("description", "description"),
            ("implementation", "implementation_json"),
        )
        if (value := given(request, field)) is not None
    }
    for name in ("input_schema", "output_schema"):
        if (schema := given(request, f"{name}_json")) is not None:
            changes[name] = schema or None
    if type := value_of("type", TaskDefinitionMessage.Type, request.type):
        changes["type"] = type
    return changes


def _version(number: int) -> int:
    if number < 0:
        raise Invalid("INVALID_FIELD", f"version is {number}: it must not be negative", field="version")
    return number


def _check(definition: TaskDefinition) -> None:
    """Refuse schemas that are none, and an implementation that could not perform the task."""
    for field, schema in (
        ("input_schema_json", definition.input_schema),
        ("output_schema_json", definition.output_schema),
    ):
        if schema is not None:
            _refuse_if(field, check_schema(_schema(field, schema)))
    if definition.implementation:
        field = "implementation_json"
        implementation = parse(definition.implementation, limit=MAX_IMPLEMENTATION, field=field)
        if not isinstance(implementation, dict):
            raise InvalidJson(field, "an implementation is a JSON object")
        _refuse_if(field, rules.problems(definition.type, implementation))


def _schema(field: str, text: str) -> Json:
    schema = parse(text, limit=MAX_SCHEMA, field=field)
    if not isinstance(schema, dict | bool):
        _refuse_if(field, [Violation("", "a schema is an object or a boolean")])
    return schema


def _refuse_if(field: str, found: Sequence[Violation]) -> None:
    if found:
        told = [f"{violation.pointer or '/'}: {violation.message}" for violation in found]
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        message = f"{field} cannot be used: at {told[0]}{more}"
        raise Invalid("TASK_DEFINITION_INVALID", message, field=field, violations=told)


def _portion(
    page: Page, found: Sequence[TaskDefinition], position: Callable[[TaskDefinition], str]
) -> tuple[Sequence[TaskDefinitionMessage], str]:
    """Take as many for a page as there is room for in an answer."""
    room = page.within(fitting([_message(definition) for definition in found]))
    items, token = room.cut(found, position)
    return [_message(definition) for definition in items], token


def _message(definition: TaskDefinition) -> TaskDefinitionMessage:
    assert definition.type in TYPES
    return TaskDefinitionMessage(
        id=definition.id,
        key=definition.key,
        version=definition.version,
        name=definition.name,
        description=definition.description,
        type=TaskDefinitionMessage.Type.Value(f"TYPE_{definition.type}"),
        input_schema_json=definition.input_schema,
        output_schema_json=definition.output_schema,
        implementation_json=rules.implementation_text(definition),
        etag=definition.etag,
        create_time=time_message(definition.create_time),
        update_time=time_message(definition.update_time),
    )
