"""Definitions as they come in: read as JSON, checked, and compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from service.definition import compiling
from service.definition.compiling import Examination
from service.definition.plan import Plan
from service.domain.errors import DefinitionInvalid, Invalid
from service.domain.fields import shown
from service.domain.json_text import InvalidJson, parse
from service.domain.version import MAX_DEFINITION, Version


def examine(dialect: str, definition: str) -> Examination:
    """Check a definition that a caller sends; one that is no JSON object at all is refused."""
    if dialect not in compiling.DIALECTS:
        known = ", ".join(sorted(compiling.DIALECTS))
        raise Invalid("UNKNOWN_DIALECT", f"dialect is {shown(dialect)}: it must be one of {known}", field="dialect")
    document = parse(definition, limit=MAX_DEFINITION, field="definition_json")
    if not isinstance(document, dict):
        raise InvalidJson("definition_json", "a definition is a JSON object")
    return compiling.examine(dialect, document)


def examine_stored(version: Version) -> Examination:
    """Check the definition of a stored version; what was checked lately is not checked again."""
    return _examine_stored(_Source(version.dialect, version.digest, version.definition))


def publishable_plan(version: Version, examination: Examination) -> Plan:
    """Get the plan of a definition without errors."""
    if examination.plan is not None:
        return examination.plan
    errors = [finding for finding in examination.findings if finding.severity == "ERROR"]
    more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
    raise DefinitionInvalid(
        f"cannot publish version {version.label}: {errors[0].rule}: {errors[0].message}{more}",
        examination.findings,
        version_id=version.id,
        errors=len(errors),
    )


@dataclass(frozen=True, slots=True)
class _Source:
    dialect: str
    digest: str
    definition: str = field(compare=False)  # the digest stands for it


@lru_cache(maxsize=128)
def _examine_stored(source: _Source) -> Examination:
    return examine(source.dialect, source.definition)
