"""Steps that somebody outside completes: what they ask for is settled when they open and checked on completion."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from service.definition import web_addresses
from service.definition.expressions import UNDEFINED, ExpressionError, evaluate
from service.definition.plan import Json, Step
from service.definition.schemas import Violation, violations
from service.definition.task_definitions import INPUT
from service.engine import ways
from service.engine.commands import Withdraw
from service.engine.observations import StepCompleted, TimerFired
from service.engine.run import Refused, Run, Visit, describe, unstorable
from service.engine.steps import assigning, contracts, documents
from service.engine.steps.assigning import Unfit
from service.engine.steps.kind import Kind, when_due

MAX_TITLE = 1_000
"""Characters of what a person reads first."""

MAX_INSTRUCTIONS = 16_000
"""Characters of what a person is told to do."""

Check = Callable[[Step, Json], list[Violation]]


def _open(run: Run, visit: Visit) -> None:
    """Settle the words and the address that the person gets, so that they stay the same while the step is open.

    What is fixed in the definition is not repeated: the plan has it, and never changes.
    """
    step = visit.step
    given = contracts.given(run, visit) if "definition" in step.settings else None
    if "definition" in step.settings and given is None:
        return
    scope = run.scope if given is None else {INPUT: given.input}
    try:
        asked = _asked(run, step, scope)
        if given is not None:
            asked["input"] = given.input
        task = assigning.settle(run, step, scope) | ({} if "title" in asked else {"title": step.name})
        if problem := unstorable([asked, task]):
            raise Unfit(f"what it asks for is not JSON: {problem}")
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"step {step.id}"))
    except Unfit as unfit:
        run.fail(visit, "HUMAN_STEP_INVALID", f"step {step.id}: {unfit}")
    else:
        run.wait(visit, "WAITING", input=asked or None, due=assigning.alarm(task), task=task)


def _asked(run: Run, step: Step, scope: Mapping[str, Json]) -> dict[str, Json]:
    """What stands in the step run as its input; nothing for a step that only has to be confirmed."""
    asked: dict[str, Json] = {}
    for name, most in (("title", MAX_TITLE), ("instructions", MAX_INSTRUCTIONS)):
        if (text := _text(run, step, name, scope)) is None:
            continue
        if not isinstance(text, str):
            raise Unfit(f"its {name} must be a text")
        if len(text) > most:
            raise Unfit(f"its {name} has {len(text):,} characters, at most {most:,} are allowed")
        asked[name] = text
    if step.type == "human.url_redirect":
        asked["url"] = _text(run, step, "url", scope)
        if problem := web_addresses.problem(asked["url"]):
            raise Unfit(f"its url: {problem}")
    if step.type != "human.confirm":
        asked.setdefault("title", step.name)
    return asked


def _text(run: Run, step: Step, name: str, scope: Mapping[str, Json]) -> Json:
    source = step.settings.get(f"{name}Expression")
    if source is None:
        return step.settings.get(name)
    value = evaluate(source, scope, run.now).value
    return None if value is UNDEFINED else value


def _completing(check: Check) -> Callable[[Run, Visit, StepCompleted], None]:
    def complete(run: Run, visit: Visit, completion: StepCompleted) -> None:
        step = visit.step
        _check_outcome(run, step, completion.outcome)
        if found := check(step, completion.output):
            raise _refusal(step, list(dict.fromkeys(found)))
        if problem := run.too_large_output(step.id, completion.output, completion.outcome, None):
            raise Refused("OUTPUT_INVALID", problem, step_id=step.id)
        _silence(run, visit)
        run.complete(visit, completion.output, outcome=completion.outcome, completed_by=completion.by)

    return complete


def _check_outcome(run: Run, step: Step, outcome: str) -> None:
    """Let nobody end a step with an outcome that leads nowhere."""
    if not ways.may_give(run.plan, step.id, outcome):
        allowed = ", ".join(ways.outcomes(run.plan, step.id)) or "any other"
        given = f"the outcome {outcome!r}" if outcome else "no outcome"
        raise Refused(
            "OUTCOME_NOT_ALLOWED",
            f"step {step.id} was completed with {given}; allowed: {allowed}",
            step_id=step.id,
            outcome=outcome,
            allowed=allowed,
        )


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


def _form(step: Step, output: Json) -> list[Violation]:
    return violations(json.loads(step.settings["formSchemaJson"]), output) + contracts.output_violations(step, output)


def _documents(step: Step, output: Json) -> list[Violation]:
    return documents.check(step.settings["acceptedDocuments"], output) + contracts.output_violations(step, output)


def _alarm(run: Run, visit: Visit, fired: TimerFired) -> None:
    """Escalate the task, note that it is overdue, or take it away, as the definition has it for the instant."""
    opened = run.state.open[visit.key]
    task, instant = opened.task or {}, opened.due
    following = assigning.alarm(task, after=instant)
    due = following.isoformat() if following else None
    if instant == task.get("escalate", task.get("due")):
        taken = [transition.id for transition in run.plan.outgoing[visit.step.id] if transition.on == "ESCALATED"]
        if taken:
            run.note("STEP_ESCALATED", visit, due=due, taken=taken)
    if instant == task.get("due"):
        expiring = [transition.id for transition in run.plan.outgoing[visit.step.id] if transition.on == "TIMEOUT"]
        if expiring:
            run.complete(visit, outcome="TIMEOUT", taken=expiring, ends_task="EXPIRED")
        else:
            run.note("STEP_OVERDUE", visit, due=due)


def _silence(run: Run, visit: Visit) -> None:
    """Give up the timer of a task that ends before its time."""
    opened = run.state.open.get(visit.key)
    if opened is not None and opened.due:
        run.commands.append(Withdraw(visit.key))


def _kind(check: Check) -> Kind:
    return Kind(
        enter=_open,
        command=when_due,
        hears={StepCompleted: _completing(check), TimerFired: _alarm},
        waits_for="WAITING_FOR_INPUT",
    )


CONFIRM = _kind(contracts.output_violations)
FORM = _kind(_form)
URL_REDIRECT = _kind(contracts.output_violations)
DOC_UPLOAD = _kind(_documents)
