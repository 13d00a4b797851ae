"""The catalogue over gRPC."""

from __future__ import annotations

from heddle.v1 import catalogue_service_pb2 as pb
from heddle.v1.catalogue_pb2 import Catalogue as CatalogueMessage
from heddle.v1.catalogue_service_pb2_grpc import CatalogueServiceServicer
from service.domain.catalogue import Catalogue, ServiceRequestType, Task, TaskGroup
from service.domain.errors import Invalid
from service.rpc.call import Call
from service.rpc.changing import changing
from service.rpc.messages import time_message
from service.rpc.status import rpc
from storage import catalogues


class CatalogueService(CatalogueServiceServicer):
    """See catalogue_service.proto."""

    @rpc
    def GetCatalogue(self, request: pb.GetCatalogueRequest, call: Call) -> pb.GetCatalogueResponse:
        return pb.GetCatalogueResponse(catalogue=_message(catalogues.get(call.workspace)))

    @changing
    def PutCatalogue(self, request: pb.PutCatalogueRequest, call: Call) -> pb.PutCatalogueResponse:
        types = _types(request)
        present = catalogues.lock(call.workspace)
        if present is None:
            catalogue = Catalogue.created(workspace=call.workspace, types=types, etag=request.etag, now=call.now)
            catalogues.add(catalogue)
        else:
            catalogue = present.require_etag(request.etag).put(types, call.now)
            catalogues.replace(catalogue)
        return pb.PutCatalogueResponse(catalogue=_message(catalogue))


def _types(request: pb.PutCatalogueRequest) -> tuple[ServiceRequestType, ...]:
    """Read the types of a request; one without a catalogue was hardly meant to empty it."""
    if not request.HasField("catalogue"):
        raise Invalid("INVALID_FIELD", "catalogue is empty: it must be given", field="catalogue")
    return tuple(
        ServiceRequestType(
            type.key,
            type.name,
            tuple(
                TaskGroup(group.key, group.name, tuple(Task(task.key, task.name) for task in group.tasks))
                for group in type.task_groups
            ),
        )
        for type in request.catalogue.types
    )


def _message(catalogue: Catalogue) -> CatalogueMessage:
    message = CatalogueMessage(
        etag=catalogue.etag,
        create_time=time_message(catalogue.create_time),
        update_time=time_message(catalogue.update_time),
    )
    for type in catalogue.types:
        type_message = message.types.add(key=type.key, name=type.name)
        for group in type.task_groups:
            group_message = type_message.task_groups.add(key=group.key, name=group.name)
            for task in group.tasks:
                group_message.tasks.add(key=task.key, name=task.name)
    return message
