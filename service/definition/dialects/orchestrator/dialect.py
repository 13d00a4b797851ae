"""The dialect of a workflow orchestrator: steps that name what follows them, with expressions of its own.

A definition is translated to a native one, which is checked and compiled as any other; what the checks find is told at
the places of the author's own document.
"""

from __future__ import annotations

import functools
import json
from dataclasses import replace

from service.definition.dialects import graph
from service.definition.dialects.orchestrator.draft import Translation
from service.definition.dialects.orchestrator.translating import translate
from service.definition.plan import Plan
from service.definition.rules import Finding, finding
from service.definition.surroundings import Needs, Surroundings
from service.domain.json_text import MAX_NESTING, Json, nesting

_NESTED = MAX_NESTING - 20
"""How deeply a definition may be nested, so that its translation is not nested too deeply."""

MAX_NATIVE = 3 * 1024 * 1024
"""The largest translation of a definition, in bytes of JSON."""

_TOLD_DESPITE_ERRORS = {
    "DURATIONS_VALID", "EXPRESSION_STEPS_EXIST", "EXPRESSION_NAMES_KNOWN", "SCHEMAS_VALID", "IDS_WELL_FORMED",
    "WEB_ADDRESS_VALID", "HUMAN_TASK_VALID", "TASK_DEFINITION_EXISTS",
}  # fmt: skip
"""Rules whose findings are no consequences of what could not be translated."""


def native(definition: Json) -> Json:
    """Translate a definition; of one with errors, what can be translated."""
    return {} if _too_deep(definition) else _translated(json.dumps(definition))[0].native


def needs(definition: Json) -> Needs:
    """Say what must be looked up to check a definition."""
    return Needs() if _too_deep(definition) else graph.needs(native(definition))


def check(definition: Json, surroundings: Surroundings | None = None) -> list[Finding]:
    """Find everything that the rules have to say about a definition."""
    if _too_deep(definition):
        return [finding("SIZE_LIMITS", f"the definition is nested more than {_NESTED} levels deep", "")]
    translation, notes = _translated(json.dumps(definition))
    found = list(notes)
    if (size := len(json.dumps(translation.native, ensure_ascii=False).encode())) > MAX_NATIVE:
        message = f"translated into the native dialect the definition has {size:,} bytes; at most {MAX_NATIVE:,} may be"
        return [finding("SIZE_LIMITS", message, "")]
    is_whole = not any(one.severity == "ERROR" for one in found)
    native_findings = [one for one in graph.check(translation.native, surroundings) if is_whole or _is_told(one)]
    found += [replace(one, pointer=translation.pointer(one.pointer)) for one in native_findings]
    return list(dict.fromkeys(found))


def compile(definition: Json, surroundings: Surroundings | None = None) -> Plan:
    """Make the plan of a definition in which no check found an error."""
    return graph.compile(native(definition), surroundings)


def _is_told(found: Finding) -> bool:
    return found.rule in _TOLD_DESPITE_ERRORS


@functools.lru_cache(maxsize=4)
def _translated(definition: str) -> tuple[Translation, tuple[Finding, ...]]:
    """Translate a definition once for all that is asked of it; nothing of what comes out is ever changed."""
    translation, found = translate(json.loads(definition))
    return translation, tuple(found)


def _too_deep(definition: Json) -> bool:
    return nesting(definition) > _NESTED
