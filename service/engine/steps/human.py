"""Steps that somebody outside completes: what they ask for is settled when they open and checked on completion."""

from __future__ import annotations

import json
from collections.abc import Callable

from service.definition import web_addresses
from service.definition.expressions import ExpressionError
from service.definition.plan import Json, Step
from service.definition.schemas import Violation, violations
from service.engine.observations import StepCompleted
from service.engine.run import Refused, Run, Visit, describe, unstorable
from service.engine.steps import documents
from service.engine.steps.kind import Kind

MAX_TITLE = 1_000
"""Characters of what a person reads first."""

MAX_INSTRUCTIONS = 16_000
"""Characters of what a person is told to do."""

Check = Callable[[Step, Json], list[Violation]]


class _Unfit(Exception):
    """What a person would be shown is not what it should be."""


def _open(run: Run, visit: Visit) -> None:
    """Settle the words and the address that the person gets, so that they stay the same while the step is open.

    What is fixed in the definition is not repeated: the plan has it, and never changes.
    """
    step = visit.step
    try:
        asked = _asked(run, step)
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"step {step.id}"))
    except _Unfit as unfit:
        run.fail(visit, "HUMAN_STEP_INVALID", f"step {step.id}: {unfit}")
    else:
        run.wait(visit, "WAITING", input=asked)


def _asked(run: Run, step: Step) -> Json:
    """What stands in the step run as its input; None for a step that only has to be confirmed."""
    asked: dict[str, Json] = {}
    for name, most in (("title", MAX_TITLE), ("instructions", MAX_INSTRUCTIONS)):
        if (text := _text(run, step, name)) is None:
            continue
        if not isinstance(text, str):
            raise _Unfit(f"its {name} must be a text")
        if len(text) > most:
            raise _Unfit(f"its {name} has {len(text):,} characters, at most {most:,} are allowed")
        asked[name] = text
    if step.type == "human.url_redirect":
        asked["url"] = _text(run, step, "url")
        if problem := web_addresses.problem(asked["url"]):
            raise _Unfit(f"its url: {problem}")
    if step.type != "human.confirm":
        asked.setdefault("title", step.name)
    if problem := unstorable(asked):
        raise _Unfit(f"what it asks for is not JSON: {problem}")
    return asked or None


def _text(run: Run, step: Step, name: str) -> Json:
    source = step.settings.get(f"{name}Expression")
    return step.settings.get(name) if source is None else run.value(source)


def _completing(check: Check) -> Callable[[Run, Visit, StepCompleted], None]:
    def complete(run: Run, visit: Visit, completion: StepCompleted) -> None:
        step = visit.step
        if found := check(step, completion.output):
            raise _refusal(step, list(dict.fromkeys(found)))
        if problem := run.too_large(step.id, completion.output):
            raise Refused("OUTPUT_INVALID", problem, step_id=step.id)
        run.complete(visit, completion.output, outcome=completion.outcome)

    return complete


def _refusal(step: Step, found: list[Violation]) -> Refused:
    place = f" (at {found[0].pointer})" if found[0].pointer else ""
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return Refused(
        "OUTPUT_INVALID",
        f"the output of step {step.id} does not match what it asks for: {found[0].message}{place}{more}",
        step_id=step.id,
        pointer=found[0].pointer,
        violations=[{"pointer": violation.pointer, "message": violation.message} for violation in found],
    )


def _output_schema(step: Step, output: Json) -> list[Violation]:
    return violations(step.output_schema, output)


def _form(step: Step, output: Json) -> list[Violation]:
    return violations(json.loads(step.settings["formSchemaJson"]), output) + _output_schema(step, output)


def _documents(step: Step, output: Json) -> list[Violation]:
    return documents.check(step.settings["acceptedDocuments"], output) + _output_schema(step, output)


def _kind(check: Check) -> Kind:
    return Kind(enter=_open, hears={StepCompleted: _completing(check)}, waits_for="WAITING_FOR_INPUT")


CONFIRM = _kind(_output_schema)
FORM = _kind(_form)
URL_REDIRECT = _kind(_output_schema)
DOC_UPLOAD = _kind(_documents)
