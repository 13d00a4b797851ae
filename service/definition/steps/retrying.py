"""Retry policies: when a failed attempt is made again."""

from __future__ import annotations

from service.definition.durations import seconds
from service.definition.steps.written import DURATION
from service.domain.json_text import Json

_ERRORS: Json = {"type": "array", "items": {"type": "string", "minLength": 1}}
RETRY: dict[str, Json] = {
    "type": "object",
    "description": "When a failed attempt is made again.",
    "properties": {
        "maxAttempts": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000,
            "default": 3,
            "description": "How many attempts there are in all.",
        },
        "initialInterval": DURATION | {"default": "PT1S", "description": "The pause after the first attempt."},
        "backoffMultiplier": {
            "type": "number",
            "minimum": 1,
            "maximum": 100,
            "default": 2,
            "description": "How much longer each pause is than the one before.",
        },
        "maxInterval": DURATION | {"default": "PT1M", "description": "The longest pause."},
        "retryableErrors": _ERRORS | {"description": "Error codes or categories to try again; all when absent."},
        "nonRetryableErrors": _ERRORS | {"description": "Error codes or categories never to try again."},
    },
}
"""The JSON Schema of a retry policy as authors write it."""

DURATIONS = ("retry/initialInterval", "retry/maxInterval")
"""Where durations stand in what has a retry policy."""


def compiled(written: dict[str, Json]) -> dict[str, Json]:
    """Make the policy of the plan: defaults filled in, intervals in seconds."""
    policy = {
        "maxAttempts": int(written.get("maxAttempts", 3)),
        "initialInterval": seconds(written.get("initialInterval", "PT1S")),
        "backoffMultiplier": written.get("backoffMultiplier", 2),
        "maxInterval": seconds(written.get("maxInterval", "PT1M")),
        "nonRetryableErrors": written.get("nonRetryableErrors", []),
    }
    if "retryableErrors" in written:
        policy["retryableErrors"] = written["retryableErrors"]
    return policy
