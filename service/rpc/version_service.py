"""Versions over gRPC."""

from __future__ import annotations

from heddle.v1 import version_service_pb2 as pb
from heddle.v1.version_pb2 import Version as VersionMessage
from heddle.v1.version_service_pb2_grpc import VersionServiceServicer
from service import adopting
from service.domain.fields import required
from service.domain.version import Version
from service.rpc.call import Call
from service.rpc.changing import changing
from service.rpc.examining import examine, examine_stored, native_text, publishable_plan
from service.rpc.messages import finding_message, given, target_of, template_message, value_of, version_message
from service.rpc.paging import Page
from service.rpc.status import rpc
from storage import children, plans, templates, versions

DEFAULT_DIALECT = "graph"


class VersionService(VersionServiceServicer):
    """See version_service.proto."""

    @changing
    def CreateVersion(self, request: pb.CreateVersionRequest, call: Call) -> pb.CreateVersionResponse:
        template_id = required("template_id", request.template_id)
        dialect, definition = _source(request, call)
        examination = examine(call.workspace, dialect, definition)
        # Last, because the template's other versions wait from here on.
        number = templates.take_number(call.workspace, template_id)
        version = Version.drafted(
            workspace=call.workspace,
            id=call.new_id(),
            template_id=template_id,
            number=number,
            label=request.label,
            note=request.note,
            dialect=dialect,
            definition=definition,
            now=call.now,
        )
        versions.add(version)
        return pb.CreateVersionResponse(version=version_message(version, examination.findings))

    @rpc
    def GetVersion(self, request: pb.GetVersionRequest, call: Call) -> pb.GetVersionResponse:
        version = versions.get(call.workspace, required("version_id", request.version_id))
        return pb.GetVersionResponse(
            version=version_message(version, examine_stored(version).findings),
            native_definition_json=native_text(version.dialect, version.definition) if request.include_native else None,
        )

    @rpc
    def ListVersions(self, request: pb.ListVersionsRequest, call: Call) -> pb.ListVersionsResponse:
        page = Page.asked(request, call)
        template_id = required("template_id", request.template_id)
        status = value_of("status", VersionMessage.Status, request.status)
        found = versions.page(
            call.workspace, template_id=template_id, status=status, before=page.after, limit=page.limit
        )
        if not found:
            templates.get(call.workspace, template_id)  # an empty list and no template are not the same
        items, token = page.cut(found, lambda version: version.id)
        return pb.ListVersionsResponse(versions=map(version_message, items), next_page_token=token)

    @changing
    def UpdateVersion(self, request: pb.UpdateVersionRequest, call: Call) -> pb.UpdateVersionResponse:
        version = _locked(request, call).edit(
            label=given(request, "label"),
            note=given(request, "note"),
            dialect=given(request, "dialect"),
            definition=given(request, "definition_json"),
            now=call.now,
        )
        examination = examine(call.workspace, version.dialect, version.definition)
        versions.replace(version)
        return pb.UpdateVersionResponse(version=version_message(version, examination.findings))

    @rpc
    def ValidateVersion(self, request: pb.ValidateVersionRequest, call: Call) -> pb.ValidateVersionResponse:
        published = None
        if target_of(request) == "version_id":
            version = versions.get(call.workspace, required("version_id", request.version_id))
            dialect, definition, published = version.dialect, version.definition, version.plan_digest
            examination = examine_stored(version)
        else:
            dialect, definition = request.dialect or DEFAULT_DIALECT, request.definition_json
            examination = examine(call.workspace, dialect, definition)
        return pb.ValidateVersionResponse(
            valid=examination.plan is not None,
            findings=map(finding_message, examination.findings),
            plan_digest=published or (examination.plan.digest if examination.plan else None),
            native_definition_json=native_text(dialect, definition) if request.include_native else None,
        )

    @changing
    def PublishVersion(self, request: pb.PublishVersionRequest, call: Call) -> pb.PublishVersionResponse:
        templates.lock_of_version(call.workspace, required("version_id", request.version_id))
        version = _locked(request, call)
        version.require_draft()
        examination = examine_stored(version, locking=True)
        plan = publishable_plan(version, examination)
        plans.add(call.workspace, plan.digest, plan.to_json())
        version = version.publish(plan.digest, call.now)
        versions.replace(version)
        children.add(version, plan.children)
        return pb.PublishVersionResponse(version=version_message(version, examination.findings))

    @changing
    def ActivateVersion(self, request: pb.ActivateVersionRequest, call: Call) -> pb.ActivateVersionResponse:
        version_id = required("version_id", request.version_id)
        template = templates.lock_of_version(call.workspace, version_id).require_etag(request.etag)
        # The template's lock keeps the version from being deprecated or deleted.
        version = versions.get_without_definition(call.workspace, version_id).require_published()
        template = template.activate(version.id, call.now)
        templates.replace(template)
        adopting.adopt(versions.get(call.workspace, version_id), call.now, call.new_id)
        return pb.ActivateVersionResponse(template=template_message(template), version=version_message(version))

    @changing
    def DeprecateVersion(self, request: pb.DeprecateVersionRequest, call: Call) -> pb.DeprecateVersionResponse:
        template = templates.lock_of_version(call.workspace, required("version_id", request.version_id))
        version = _locked(request, call)
        version = version.deprecate(call.now, active=template.active_version_id == version.id)
        versions.replace(version)
        answer = version_message(version)
        answer.definition_json = ""
        return pb.DeprecateVersionResponse(version=answer)

    @changing
    def DeleteVersion(self, request: pb.DeleteVersionRequest, call: Call) -> pb.DeleteVersionResponse:
        template = templates.lock_of_version(call.workspace, required("version_id", request.version_id))
        version = _locked(request, call)
        version.require_inactive("delete", active=template.active_version_id == version.id)
        versions.delete(version)
        return pb.DeleteVersionResponse()


_Request = pb.UpdateVersionRequest | pb.PublishVersionRequest | pb.DeprecateVersionRequest | pb.DeleteVersionRequest


def _locked(request: _Request, call: Call) -> Version:
    version_id = required("version_id", request.version_id)
    return versions.lock(call.workspace, version_id).require_etag(request.etag)


def _source(request: pb.CreateVersionRequest, call: Call) -> tuple[str, str]:
    """The dialect and the definition of a new draft: its own or its starter's."""
    if target_of(request, "source") == "definition_json":
        return request.dialect or DEFAULT_DIALECT, request.definition_json
    starter = versions.get_of_template(call.workspace, request.template_id, request.starter_version_id)
    return starter.dialect, starter.definition
