"""Event definitions over gRPC."""

from __future__ import annotations

from heddle.v1 import event_definition_service_pb2 as pb
from heddle.v1.event_definition_pb2 import EventDefinition as EventDefinitionMessage
from heddle.v1.event_definition_service_pb2_grpc import EventDefinitionServiceServicer
from service.definition.schemas import check_schema
from service.domain import event_pattern
from service.domain.errors import Invalid
from service.domain.event_definition import MAX_SCHEMA, EventDefinition
from service.domain.fields import required
from service.domain.json_text import parse
from service.rpc.call import Call
from service.rpc.changing import changing
from service.rpc.messages import given, target_of, time_message
from service.rpc.paging import Page
from service.rpc.status import rpc
from storage import event_definitions


class EventDefinitionService(EventDefinitionServiceServicer):
    """See event_definition_service.proto."""

    @changing
    def CreateEventDefinition(
        self, request: pb.CreateEventDefinitionRequest, call: Call
    ) -> pb.CreateEventDefinitionResponse:
        definition = EventDefinition.created(
            workspace=call.workspace,
            id=call.new_id(),
            name=request.name,
            description=request.description,
            payload_schema=_schema(request.payload_schema_json) or "",
            now=call.now,
        )
        event_definitions.add(definition)
        return pb.CreateEventDefinitionResponse(event_definition=_message(definition))

    @rpc
    def GetEventDefinition(self, request: pb.GetEventDefinitionRequest, call: Call) -> pb.GetEventDefinitionResponse:
        if target_of(request) == "name":
            name = required("name", request.name)
            definition = event_definitions.by_name(call.workspace, name)
            if definition is None:
                raise event_definitions.missing(name)
        else:
            definition = event_definitions.get(
                call.workspace, required("event_definition_id", request.event_definition_id)
            )
        return pb.GetEventDefinitionResponse(event_definition=_message(definition))

    @rpc
    def ListEventDefinitions(
        self, request: pb.ListEventDefinitionsRequest, call: Call
    ) -> pb.ListEventDefinitionsResponse:
        page = Page.asked(request, call)
        pattern = event_pattern.pattern("pattern", request.pattern) if request.pattern else ""
        found = event_definitions.page(call.workspace, pattern=pattern, before=page.after, limit=page.limit)
        told, token = page.filled(found, _message, lambda definition: definition.id)
        return pb.ListEventDefinitionsResponse(event_definitions=told, next_page_token=token)

    @changing
    def UpdateEventDefinition(
        self, request: pb.UpdateEventDefinitionRequest, call: Call
    ) -> pb.UpdateEventDefinitionResponse:
        definition = _locked(request, call).edit(
            description=given(request, "description"),
            payload_schema=_schema(given(request, "payload_schema_json")),
            now=call.now,
        )
        event_definitions.replace(definition)
        return pb.UpdateEventDefinitionResponse(event_definition=_message(definition))

    @changing
    def DeleteEventDefinition(
        self, request: pb.DeleteEventDefinitionRequest, call: Call
    ) -> pb.DeleteEventDefinitionResponse:
        event_definitions.delete(_locked(request, call))
        return pb.DeleteEventDefinitionResponse()


def _locked(request: pb.UpdateEventDefinitionRequest | pb.DeleteEventDefinitionRequest, call: Call) -> EventDefinition:
    id = required("event_definition_id", request.event_definition_id)
    return event_definitions.lock(call.workspace, id).require_etag(request.etag)


def _schema(text: str | None) -> str | None:
    """Refuse what is no schema; none at all is None or empty."""
    if text:
        schema = parse(text, limit=MAX_SCHEMA, field="payload_schema_json")
        if problems := check_schema(schema):
            message = f"payload_schema_json is no JSON schema: {problems[0].message} (at {problems[0].pointer or '/'})"
            raise Invalid("INVALID_FIELD", message, field="payload_schema_json")
    return text


def _message(definition: EventDefinition) -> EventDefinitionMessage:
    return EventDefinitionMessage(
        id=definition.id,
        name=definition.name,
        description=definition.description,
        payload_schema_json=definition.payload_schema,
        etag=definition.etag,
        create_time=time_message(definition.create_time),
        update_time=time_message(definition.update_time),
    )
