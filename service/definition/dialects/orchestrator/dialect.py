"""The dialect of system B: steps that name what follows them, with expressions in its own language.

A definition is translated to a native one, which is checked and compiled as any other; what the checks find is told at
the places of the author's own document.
"""

from __future__ import annotations

from service.definition.dialects import graph
from service.definition.dialects.orchestrator.translating import translate
from service.definition.plan import Plan
from service.definition.rules import Finding, finding
from service.definition.surroundings import Needs, Surroundings
from service.domain.json_text import MAX_NESTING, Json, nesting

_NESTED = MAX_NESTING - 20
"""How deeply a definition may be nested, so that its translation is not nested too deeply."""

_TOLD_DESPITE_ERRORS = {
    "DURATIONS_VALID", "EXPRESSION_STEPS_EXIST", "EXPRESSION_NAMES_KNOWN", "SCHEMAS_VALID", "IDS_WELL_FORMED",
    "WEB_ADDRESS_VALID", "HUMAN_TASK_VALID", "TASK_DEFINITION_EXISTS",
}  # fmt: skip
"""Rules whose findings are no consequences of what could not be translated."""


def native(definition: Json) -> Json:
    """Translate a definition; of one with errors, what can be translated."""
    return {} if _too_deep(definition) else translate(definition)[0].native


def needs(definition: Json) -> Needs:
    """Say what must be looked up to check a definition."""
    return Needs() if _too_deep(definition) else graph.needs(native(definition))


def check(definition: Json, surroundings: Surroundings | None = None) -> list[Finding]:
    """Find everything that the rules have to say about a definition."""
    if _too_deep(definition):
        return [finding("SIZE_LIMITS", f"the definition is nested more than {_NESTED} levels deep", "")]
    translation, found = translate(definition)
    is_whole = not any(one.severity == "ERROR" for one in found)
    for one in graph.check(translation.native, surroundings):
        if is_whole or one.rule in _TOLD_DESPITE_ERRORS:
            found.append(Finding(one.severity, one.rule, one.code, one.message, translation.pointer(one.pointer)))
    return list(dict.fromkeys(found))


def compile(definition: Json, surroundings: Surroundings | None = None) -> Plan:
    """Make the plan of a definition in which no check found an error."""
    return graph.compile(native(definition), surroundings)


def _too_deep(definition: Json) -> bool:
    return nesting(definition) > _NESTED
