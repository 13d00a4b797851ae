"""Documents handed in: what is told of them, checked against what the step asks for.

A document is told by its metadata and a reference to where it is kept. Its bytes never pass through an execution.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from service.definition.plan import Json
from service.definition.schemas import Violation, violations
from service.domain.fields import shown

MAX_REFERENCE = 2_048
"""Characters of a reference: a URL or a key, never the document itself."""

_SHAPE: Json = {
    "type": "object",
    "properties": {
        "documents": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "key": {"type": "string"},
                    "name": {"type": "string", "minLength": 1, "maxLength": 255},
                    "mimeType": {"type": "string", "maxLength": 255, "pattern": r"^[^\s/;]+/[^\s/;]+(\s*;.*)?$"},
                    "sizeBytes": {"type": "integer", "minimum": 0},
                    "reference": {"type": "string", "minLength": 1},
                    "sha256": {"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"},
                },
                "required": ["key", "name", "mimeType", "sizeBytes", "reference"],
            },
        }
    },
    "required": ["documents"],
}
_KNOWN = tuple(_SHAPE["properties"]["documents"]["items"]["properties"])


def check(accepted: list[Json], output: Json) -> list[Violation]:
    """Tell what of an output is not `{documents: […]}` as the step asks for; pointers lead into the output."""
    found = violations(_SHAPE, output, is_trusted=True)
    if not found:
        asked = {document["key"]: document for document in accepted}
        for number, document in enumerate(output["documents"]):
            found += (Violation(f"/documents/{number}/{name}", what) for name, what in _check(asked, document))
        found += _counted(asked, Counter(document["key"] for document in output["documents"]))
    return [*found, *_without_room(output)]


def _check(asked: Mapping[str, Json], document: Json) -> Iterator[tuple[str, str]]:
    """Look at one document: which of its parts is wrong, and how."""
    yield from (("reference", problem) for problem in _reference(document["reference"]))
    wanted = asked.get(document["key"])
    if wanted is None:
        yield "key", f"{shown(document['key'])} is not asked for; the step asks for {', '.join(asked)}"
        return
    mime_types = wanted.get("mimeTypes")
    if mime_types is not None and not any(_matches(document["mimeType"], accepted) for accepted in mime_types):
        yield "mimeType", f"{shown(document['mimeType'])} is not taken for {wanted['key']}; {', '.join(mime_types)} is"
    most = wanted.get("maxSizeBytes")
    if most is not None and document["sizeBytes"] > most:
        yield "sizeBytes", f"{document['sizeBytes']:,} bytes are more than the {most:,} taken for {wanted['key']}"


def _reference(reference: str) -> Iterator[str]:
    if reference.lstrip().lower().startswith("data:"):
        yield "a data: URL is the document itself; keep it elsewhere and send a reference to it"
    elif len(reference) > MAX_REFERENCE:
        yield (
            f"a reference has at most {MAX_REFERENCE:,} characters, this one has {len(reference):,}; "
            "the document itself has no place there"
        )
    elif re.search(r"[\x00-\x1f\x7f]", reference):
        yield "a reference has no control characters in it"


def _counted(asked: Mapping[str, Json], handed_in: Mapping[str, int]) -> Iterator[Violation]:
    for key, wanted in asked.items():
        count = handed_in.get(key, 0)
        if wanted["required"] and count == 0:
            yield Violation("/documents", f"{shown(key)} is required")
        if not wanted["multiple"] and count > 1:
            yield Violation("/documents", f"{shown(key)} is taken once, not {count} times")


def _without_room(output: Json) -> Iterator[Violation]:
    """Find what nothing was said of: most likely the document itself."""
    if not isinstance(output, dict):
        return
    places = [("", output, ("documents",))]
    listed = output.get("documents")
    for number, document in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(document, dict):
            places.append((f"/documents/{number}", document, _KNOWN))
    for pointer, part, known in places:
        for name in part:
            if name not in known:
                message = (
                    f"{shown(name)} has no place here, which takes {', '.join(known)} and never a document's bytes"
                )
                yield Violation(f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", message)


def _matches(mime_type: str, accepted: str) -> bool:
    """Compare media types without their parameters and case; `image/*` is every image."""
    plain = mime_type.partition(";")[0].strip().lower()
    return plain == accepted or (accepted.endswith("/*") and plain.startswith(accepted[:-1]))
