"""Templates over gRPC."""

from __future__ import annotations

from collections.abc import Callable

from heddle.v1 import template_service_pb2 as pb
from heddle.v1.template_pb2 import Template as TemplateMessage
from heddle.v1.template_service_pb2_grpc import TemplateServiceServicer
from service import adopting
from service.domain.fields import required
from service.domain.template import Template
from service.rpc.call import Call
from service.rpc.changing import changing
from service.rpc.messages import given, target_of, template_message, value_of
from service.rpc.paging import Page
from service.rpc.status import rpc
from storage import templates


class TemplateService(TemplateServiceServicer):
    """See template_service.proto."""

    @changing
    def CreateTemplate(self, request: pb.CreateTemplateRequest, call: Call) -> pb.CreateTemplateResponse:
        template = Template.created(
            workspace=call.workspace,
            id=call.new_id(),
            key=request.key,
            name=request.name,
            description=request.description,
            now=call.now,
        )
        templates.add(template)
        return pb.CreateTemplateResponse(template=template_message(template))

    @rpc
    def GetTemplate(self, request: pb.GetTemplateRequest, call: Call) -> pb.GetTemplateResponse:
        find = templates.get if target_of(request) == "template_id" else templates.by_key
        name = required(target_of(request), request.template_id or request.template_key)
        return pb.GetTemplateResponse(template=template_message(find(call.workspace, name)))

    @rpc
    def ListTemplates(self, request: pb.ListTemplatesRequest, call: Call) -> pb.ListTemplatesResponse:
        page = Page.asked(request, call)
        state = value_of("state", TemplateMessage.State, request.state)
        found = templates.page(call.workspace, state=state, before=page.after, limit=page.limit)
        items, token = page.cut(found, lambda template: template.id)
        return pb.ListTemplatesResponse(templates=map(template_message, items), next_page_token=token)

    @changing
    def UpdateTemplate(self, request: pb.UpdateTemplateRequest, call: Call) -> pb.UpdateTemplateResponse:
        template = _changed(
            request,
            call,
            lambda template: template.describe(
                name=given(request, "name"), description=given(request, "description"), now=call.now
            ),
        )
        return pb.UpdateTemplateResponse(template=template)

    @changing
    def ArchiveTemplate(self, request: pb.ArchiveTemplateRequest, call: Call) -> pb.ArchiveTemplateResponse:
        template = _changed(request, call, lambda template: template.archive(call.now))
        return pb.ArchiveTemplateResponse(template=template)

    @changing
    def UnarchiveTemplate(self, request: pb.UnarchiveTemplateRequest, call: Call) -> pb.UnarchiveTemplateResponse:
        template = _changed(request, call, lambda template: template.unarchive(call.now))
        return pb.UnarchiveTemplateResponse(template=template)

    @changing
    def DeactivateTemplate(self, request: pb.DeactivateTemplateRequest, call: Call) -> pb.DeactivateTemplateResponse:
        template = _changed(request, call, lambda template: template.deactivate(call.now))
        adopting.abandon(call.workspace, template.id)
        return pb.DeactivateTemplateResponse(template=template)

    @changing
    def DeleteTemplate(self, request: pb.DeleteTemplateRequest, call: Call) -> pb.DeleteTemplateResponse:
        templates.delete(_locked(request, call))
        return pb.DeleteTemplateResponse()


_Request = (
    pb.UpdateTemplateRequest
    | pb.ArchiveTemplateRequest
    | pb.UnarchiveTemplateRequest
    | pb.DeactivateTemplateRequest
    | pb.DeleteTemplateRequest
)


def _locked(request: _Request, call: Call) -> Template:
    template_id = required("template_id", request.template_id)
    return templates.lock(call.workspace, template_id).require_etag(request.etag)


def _changed(request: _Request, call: Call, change: Callable[[Template], Template]) -> TemplateMessage:
    template = change(_locked(request, call))
    templates.replace(template)
    return template_message(template)
