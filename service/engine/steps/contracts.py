"""What tasks are given and what they give back, held against what the plan says of both.

A step that was compiled from a task definition has its `inputSchema` and `outputSchema` among its settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.definition.expressions import ExpressionError
from service.definition.plan import Json, Step
from service.definition.schemas import Violation, violations
from service.engine.run import Run, Visit, describe, unstorable


@dataclass(frozen=True, slots=True)
class Given:
    """What a task is given."""

    input: Json


def given(run: Run, visit: Visit) -> Given | None:
    """Make the input of a task; None when there is none that it takes: then the step run has failed."""
    step = visit.step
    try:
        input = _input(run, visit)
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"input of task {step.id}"))
        return None
    if problem := unstorable(input):
        run.fail(visit, "INPUT_INVALID", f"the input of task {step.id} is not JSON: {problem}", category="VALIDATION")
        return None
    if found := violations(step.settings.get("inputSchema"), input):
        _refuse(run, visit, "INPUT_INVALID", "input", found)
        return None
    if not _is_default(run, step) and (problem := run.too_large(step.id, input)):
        run.fail(visit, "INPUT_TOO_LARGE", problem)
        return None
    return Given(input)


def _input(run: Run, visit: Visit) -> Json:
    """Work out what the task gets; what comes with the transitions goes over what the step says itself."""
    template = visit.step.settings.get("input")
    if template is None:
        input = run.state.input if run.state.undoing is None else run.default_of_compensation()
    else:
        input = run.render(template)
    return {**(input if isinstance(input, dict) else {}), **visit.handed} if visit.handed else input


def _is_default(run: Run, step: Step) -> bool:
    """Tell whether it is what a compensation gets that says nothing itself: its parts are within their limits."""
    return run.state.undoing is not None and step.settings.get("input") is None


def output_violations(step: Step, output: Json) -> list[Violation]:
    """Tell what of an output matches neither the step's schema nor that of its task definition."""
    return violations(step.output_schema, output) + violations(step.settings.get("outputSchema"), output)


def is_refused(run: Run, visit: Visit, output: Json) -> bool:
    """Fail the step run when a task has given what its schemas do not allow."""
    found = output_violations(visit.step, output)
    if found:
        _refuse(run, visit, "OUTPUT_INVALID", "output", found)
    return bool(found)


def _refuse(run: Run, visit: Visit, code: str, what: str, found: list[Violation]) -> None:
    """Fail the step run; the same input, and the same result, would be wrong the next time too."""
    message = f"the {what} of task {visit.step.id} does not match its schema: {found[0].message}"
    told = [{"pointer": violation.pointer, "message": violation.message} for violation in found]
    run.fail(
        visit,
        code,
        message,
        category="VALIDATION",
        retriable=False,
        pointer=found[0].pointer,
        details={"violations": told},
    )
