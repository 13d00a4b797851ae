"""From a definition, in any dialect, to its findings and its plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from service.definition.dialects import graph
from service.definition.dialects.orchestrator import dialect as orchestrator
from service.definition.plan import Plan
from service.definition.rules import Finding
from service.definition.surroundings import Needs, Surroundings
from service.domain.json_text import Json

__all__ = ["DIALECTS", "Dialect", "Examination", "Finding", "examine"]

MAX_FINDINGS = 100
"""How many findings of one rule are told; the last of them says how many more there are."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write definitions.

    It says what must be looked up, checks, translates into the native dialect, and makes the plan if there is no error.
    """

    needs: Callable[[Json], Needs]
    check: Callable[[Json, Surroundings | None], list[Finding]]
    compile: Callable[[Json, Surroundings | None], Plan]
    native: Callable[[Json], Json]


@dataclass(frozen=True, slots=True)
class Examination:
    """What the checks say of a definition, in the order of the document, and its plan."""

    findings: tuple[Finding, ...]
    plan: Plan | None  # None: there are errors


DIALECTS: dict[str, Dialect] = {
    "graph": Dialect(graph.needs, graph.check, graph.compile, native=lambda definition: definition),
    "orchestrator": Dialect(orchestrator.needs, orchestrator.check, orchestrator.compile, orchestrator.native),
}
"""Each dialect by its id."""


def needs(dialect: str, document: Json) -> Needs:
    """Say what must be looked up to check and compile a definition within its workspace."""
    return DIALECTS[dialect].needs(document)


def native(dialect: str, document: Json) -> Json:
    """Translate a definition into the native dialect; of one with errors, what can be translated."""
    return DIALECTS[dialect].native(document)


def examine(dialect: str, document: Json, surroundings: Surroundings | None = None) -> Examination:
    """Check a definition and, if there are no errors, compile it; the same in the same surroundings is the same plan.

    Without surroundings it is checked by itself: what it names elsewhere is taken to be right.
    """
    rules = DIALECTS[dialect]
    findings = _told(sorted(rules.check(document, surroundings), key=_place))
    has_errors = any(found.severity == "ERROR" for found in findings)
    return Examination(tuple(findings), None if has_errors else rules.compile(document, surroundings))


def _place(found: Finding) -> tuple[list[tuple[int, str]], str]:
    """Sort numbers in pointers as numbers, so that step 10 comes after step 9."""
    parts = found.pointer.split("/")[1:]
    return [(int(part), "") if re.fullmatch("[0-9]{1,9}", part) else (-1, part) for part in parts], found.rule


def _told(findings: list[Finding]) -> list[Finding]:
    count = Counter(found.rule for found in findings)
    seen: Counter[str] = Counter()
    told = []
    for found in findings:
        seen[found.rule] += 1
        more = count[found.rule] - MAX_FINDINGS
        if seen[found.rule] < MAX_FINDINGS or more <= 0:
            told.append(found)
        elif seen[found.rule] == MAX_FINDINGS:
            message = f"{found.message} (and {more:,} more of the kind)"
            told.append(Finding(found.severity, found.rule, found.code, message, found.pointer))
    return told
