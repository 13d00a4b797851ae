"""Steps that work on data alone, and the step that gives the execution up."""

from __future__ import annotations

from service.definition.expressions import ExpressionError
from service.engine.run import Run, Visit, describe
from service.engine.steps.kind import Kind


def _set(run: Run, visit: Visit) -> None:
    try:
        values = {name: run.render(template) for name, template in visit.step.settings.get("values", {}).items()}
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"step {visit.step.id}"))
        return
    run.complete(visit, values, variables=values)


def _fail(run: Run, visit: Visit) -> None:
    settings = visit.step.settings
    run.fail(visit, settings["code"], settings.get("message") or f"the execution came to step {visit.step.id}")


SET = Kind(enter=_set)
FAIL = Kind(enter=_fail, passable=False)
