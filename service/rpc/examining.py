"""Definitions as they come in: read as JSON, checked within their workspace, and compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from service.definition import compiling
from service.definition.compiling import Examination
from service.definition.dialects.orchestrator.dialect import MAX_NATIVE
from service.definition.plan import Plan
from service.definition.surroundings import Child, Needs, Surroundings
from service.domain.errors import DefinitionInvalid, Invalid
from service.domain.fields import shown
from service.domain.json_text import InvalidJson, Json, compact, parse
from service.domain.version import MAX_DEFINITION, Version
from storage import catalogues, children, task_definitions


def examine(workspace: str, dialect: str, definition: str) -> Examination:
    """Check a definition that a caller sends; one that is no JSON object at all is refused."""
    document = _read(dialect, definition)
    return compiling.examine(dialect, document, _surroundings(workspace, compiling.needs(dialect, document)))


def examine_stored(version: Version, *, locking: bool = False) -> Examination:
    """Check the definition of a stored version; what was checked lately is not checked again.

    A draft is checked against what its workspace has now; with `locking` that stays so until the transaction ends. What
    is published is checked by itself: what becomes of its children and the catalogue is no matter of it any more.
    """
    source = _Source(version.dialect, version.digest, version.definition)
    needs = _needs(source) if version.status == "DRAFT" else Needs()
    if locking and needs.children:
        children.lock(version.workspace, needs.children)
    return _examine_stored(source, _surroundings(version.workspace, needs) if needs else None)


def native_text(dialect: str, definition: str) -> str | None:
    """Give a definition in the native dialect, which for one that is written in it is the text itself.

    None: the translation is too large to be told.
    """
    document = _read(dialect, definition)
    native = compiling.native(dialect, document)
    text = definition if native is document else compact(native)
    return text if len(text.encode()) <= MAX_NATIVE else None


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


def _read(dialect: str, definition: str) -> Json:
    if dialect not in compiling.DIALECTS:
        known = ", ".join(sorted(compiling.DIALECTS))
        raise Invalid("UNKNOWN_DIALECT", f"dialect is {shown(dialect)}: it must be one of {known}", field="dialect")
    document = parse(definition, limit=MAX_DEFINITION, field="definition_json")
    if not isinstance(document, dict):
        raise InvalidJson("definition_json", "a definition is a JSON object")
    return document


def _surroundings(workspace: str, needs: Needs) -> Surroundings:
    """Look up what a definition goes by."""
    found = children.named(workspace, needs.children) if needs.children else []
    catalogue = catalogues.find(workspace) if needs.catalogue else None
    defined = task_definitions.named(workspace, needs.task_definitions) if needs.task_definitions else []
    return Surroundings(tuple(Child(*row) for row in found), catalogue, tuple(defined))


@dataclass(frozen=True, slots=True)
class _Source:
    dialect: str
    digest: str
    definition: str = field(compare=False)  # the digest stands for it


@lru_cache(maxsize=128)
def _needs(source: _Source) -> Needs:
    return compiling.needs(source.dialect, _read(source.dialect, source.definition))


@lru_cache(maxsize=128)
def _examine_stored(source: _Source, surroundings: Surroundings | None) -> Examination:
    return compiling.examine(source.dialect, _read(source.dialect, source.definition), surroundings)
