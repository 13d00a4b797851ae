"""StageService: how far cases have come, for those who follow them from outside."""

from __future__ import annotations

from heddle.v1 import stage_service_pb2 as pb
from heddle.v1.stage_service_pb2_grpc import StageServiceServicer
from service.domain.errors import NotFound
from service.domain.fields import required, shown
from service.domain.template import Template
from service.plans import Plans
from service.progressing import progress_of
from service.rpc.call import Call
from service.rpc.messages import target_of
from service.rpc.stage_messages import case_status, stage_message, stage_progress_message
from service.rpc.status import rpc
from storage import templates, versions


class StageService(StageServiceServicer):
    """See stage_service.proto."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    @rpc
    def GetTemplateStages(self, request: pb.GetTemplateStagesRequest, call: Call) -> pb.GetTemplateStagesResponse:
        find = templates.get if target_of(request) == "template_id" else templates.by_key
        name = required(target_of(request), request.template_id or request.template_key)
        template = find(call.workspace, name)
        version = versions.get_without_definition(call.workspace, _active_version(template))
        plan = self._plans.get(call.workspace, version.plan_digest or "")
        return pb.GetTemplateStagesResponse(
            template_id=template.id,
            key=template.key,
            version_id=version.id,
            definition_version=version.label,
            stages=map(stage_message, plan.groups),
        )

    @rpc
    def GetExecutionStages(self, request: pb.GetExecutionStagesRequest, call: Call) -> pb.GetExecutionStagesResponse:
        id = required("execution_id", request.execution_id)
        execution, progress = progress_of(call.workspace, id, self._plans)
        template = templates.get(call.workspace, execution.template_id)
        version = versions.get_without_definition(call.workspace, execution.version_id)
        return pb.GetExecutionStagesResponse(
            execution_id=execution.id,
            template_id=template.id,
            key=template.key,
            version_id=version.id,
            definition_version=version.label,
            status=case_status(progress.overall),
            stages=map(stage_progress_message, progress.groups),
        )


def _active_version(template: Template) -> str:
    if template.state == "ACTIVE" and template.active_version_id is not None:
        return template.active_version_id
    why = "is archived" if template.archived else "has no active version"
    raise NotFound(
        "ACTIVE_VERSION_NOT_FOUND",
        f"template {shown(template.key)} {why}, so it has no stages",
        template_id=template.id,
    )
