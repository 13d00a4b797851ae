"""Ways in which authors write the same thing."""

from __future__ import annotations

from service.definition import expressions
from service.domain.json_text import Json

DURATION = {
    "type": ["number", "string"],
    "examples": ["PT5M", 300_000],
    "description": "Milliseconds, or ISO 8601 without years and months.",
}
"""The JSON Schema of a duration."""


def expression(value: Json) -> tuple[str, str] | None:
    """Take the source out of `{% source %}` or `{"src": source}`, with the pointer to it from the value; else None."""
    if isinstance(value, dict) and isinstance(value.get("src"), str):
        return "/src", value["src"]
    source = expressions.embedded(value) if isinstance(value, str) else None
    return None if source is None else ("", source)
