"""Steps that somebody outside completes."""

from __future__ import annotations

from service.definition.schemas import violations
from service.engine.observations import StepCompleted
from service.engine.run import Refused, Run, Visit
from service.engine.steps.kind import Kind


def _open(run: Run, visit: Visit) -> None:
    run.wait(visit, "WAITING")


def _complete(run: Run, visit: Visit, completion: StepCompleted) -> None:
    step = visit.step
    if step.output_schema is not None and (found := violations(step.output_schema, completion.output)):
        raise Refused(
            "OUTPUT_INVALID",
            f"the output of step {step.id} does not match its schema: {found[0].message}",
            step_id=step.id,
            violations=[{"pointer": violation.pointer, "message": violation.message} for violation in found],
        )
    if problem := run.too_large(step.id, completion.output):
        raise Refused("OUTPUT_INVALID", problem, step_id=step.id)
    run.complete(visit, completion.output, outcome=completion.outcome)


CONFIRM = Kind(enter=_open, hears={StepCompleted: _complete}, waits_for="WAITING_FOR_INPUT")
