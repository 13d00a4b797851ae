"""Groups and stages as messages."""

from __future__ import annotations

from heddle.v1.stage_pb2 import CaseStatus, Stage, StageProgress
from heddle.v1.step_group_pb2 import StepGroup as StepGroupMessage
from heddle.v1.step_run_pb2 import StepRun as StepRunMessage
from service.definition.plan import StepGroup
from service.engine.stages import GroupView


def step_group_message(view: GroupView) -> StepGroupMessage:
    """Tell a group of an execution with its steps."""
    return StepGroupMessage(
        id=view.group.id,
        name=view.group.name,
        status=StepGroupMessage.Status.Value(f"STATUS_{view.status}"),
        bypassed=view.bypassed,
        steps=[
            StepGroupMessage.Step(
                step_id=step.step.id,
                step_name=step.step.name,
                step_type=step.step.type,
                status=StepRunMessage.Status.Value(f"STATUS_{step.status}"),
                visit=step.visit,
            )
            for step in view.steps
        ],
    )


def stage_message(group: StepGroup) -> Stage:
    """Tell a stage."""
    return Stage(id=group.id, name=group.name)


def stage_progress_message(view: GroupView) -> StageProgress:
    """Tell how far an execution has come with a stage."""
    return StageProgress(
        stage=stage_message(view.group),
        status=StageProgress.Status.Value(f"STATUS_{view.status}"),
        bypassed=view.bypassed,
    )


def case_status(overall: str) -> CaseStatus.ValueType:
    """Tell how an execution stands."""
    return CaseStatus.Value(f"CASE_STATUS_{overall}")
