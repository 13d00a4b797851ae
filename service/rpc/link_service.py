"""Links over gRPC."""

from __future__ import annotations

from heddle.v1 import link_service_pb2 as pb
from heddle.v1.error_reason_pb2 import ErrorReason
from heddle.v1.link_service_pb2_grpc import LinkServiceServicer
from service.domain.fields import required, shown
from service.domain.link import Link
from service.rpc.call import Call
from service.rpc.changing import changing
from service.rpc.messages import entity_of, link_message, target_of, template_message, version_message
from service.rpc.paging import Page
from service.rpc.status import rpc
from storage import links, templates


class LinkService(LinkServiceServicer):
    """See link_service.proto."""

    @changing
    def CreateLink(self, request: pb.CreateLinkRequest, call: Call) -> pb.CreateLinkResponse:
        link = Link.created(
            workspace=call.workspace,
            id=call.new_id(),
            entity_type=request.entity.type,
            entity_id=request.entity.id,
            template_id=required("template_id", request.template_id),
            now=call.now,
        )
        links.add(link)
        return pb.CreateLinkResponse(link=link_message(link))

    @rpc
    def GetLink(self, request: pb.GetLinkRequest, call: Call) -> pb.GetLinkResponse:
        if target_of(request) == "link_id":
            link = links.get(call.workspace, required("link_id", request.link_id))
        else:
            link = links.by_entity(call.workspace, *entity_of(request.entity))
        return pb.GetLinkResponse(link=link_message(link))

    @rpc
    def ListLinks(self, request: pb.ListLinksRequest, call: Call) -> pb.ListLinksResponse:
        page = Page.asked(request, call)
        found = links.page(
            call.workspace,
            template_id=request.template_id,
            entity_type=request.entity_type,
            before=page.after,
            limit=page.limit,
        )
        items, token = page.cut(found, lambda link: link.id)
        return pb.ListLinksResponse(links=map(link_message, items), next_page_token=token)

    @changing
    def UpdateLink(self, request: pb.UpdateLinkRequest, call: Call) -> pb.UpdateLinkResponse:
        template_id = required("template_id", request.template_id)
        required("link_id", request.link_id)
        templates.hold(call.workspace, template_id)  # before the link
        link = _locked(request, call).move(template_id, call.now)
        links.replace(link)
        return pb.UpdateLinkResponse(link=link_message(link))

    @changing
    def DeleteLink(self, request: pb.DeleteLinkRequest, call: Call) -> pb.DeleteLinkResponse:
        links.delete(_locked(request, call))
        return pb.DeleteLinkResponse()

    @rpc
    def ResolveLink(self, request: pb.ResolveLinkRequest, call: Call) -> pb.ResolveLinkResponse:
        link, template, version = links.resolve(call.workspace, *entity_of(request.entity))
        refusal = template.refusal()
        reason = refusal.reason if refusal else "UNSPECIFIED"
        linked = f"{link.entity_type} {shown(link.entity_id)} is linked to template {template.key}"
        runs = f"version {version.label} would start: it is the active one" if version else ""
        return pb.ResolveLinkResponse(
            link=link_message(link),
            template=template_message(template),
            version=version_message(version) if version else None,
            startable=refusal is None,
            reason=ErrorReason.Value(f"ERROR_REASON_{reason}"),
            explanation=f"{linked}; {refusal.message if refusal else runs}",
        )


def _locked(request: pb.UpdateLinkRequest | pb.DeleteLinkRequest, call: Call) -> Link:
    return links.lock(call.workspace, required("link_id", request.link_id)).require_etag(request.etag)
