"""A step that Heddle's own worker performs: it sends an HTTP request."""

from __future__ import annotations

from collections.abc import Iterator

from service.definition import http_requests
from service.definition.durations import seconds
from service.definition.rules import Finding, finding
from service.definition.steps import retrying
from service.definition.steps.kind import Kind, Settings
from service.definition.steps.retrying import RETRY
from service.definition.steps.written import DURATION, unreadable_durations
from service.domain.json_text import Json

MAX_TIMEOUT = 300.0
"""Seconds that one attempt may take: it holds a thread of a worker."""

REQUEST = ("method", "url", "headers", "body")
"""The properties that make the request; expressions may stand in all of them."""

_PROPERTIES: dict[str, Json] = {
    "method": {
        "type": "string",
        "default": "GET",
        "examples": list(http_requests.METHODS),
        "description": "The method of the request, or {% jsonata %}.",
    },
    "url": {
        "type": "string",
        "minLength": 1,
        "examples": ["https://api.example.com/orders", "{% 'https://api.example.com/orders/' & __context__.id %}"],
        "description": "An https or http address, or {% jsonata %}. HEDDLE_HTTP_ALLOW says which hosts are asked.",
    },
    "headers": {
        "type": ["object", "string"],
        "description": "Headers by name. They stand in the ledger as they are sent, so no secret belongs there.",
    },
    "body": {"description": "What is sent: a text as it stands, anything else as JSON. {% jsonata %} may stand in it."},
    "output": {
        "enum": ["BODY", "RESPONSE"],
        "default": "BODY",
        "description": "What becomes the step's output: the body of the answer, or {status, headers, body}.",
    },
    "timeout": DURATION | {"default": "PT30S", "description": "How long one attempt may take; 5 minutes at most."},
    "retry": RETRY,
}


def _compile(step: Settings) -> Settings:
    request = {name: step[name] for name in REQUEST if step.get(name) is not None}
    return {
        "request": {"method": "GET", **request},
        "output": step.get("output", "BODY"),
        # That of a step which uses a task definition may be longer: it did not know who performs it.
        "timeout": min(seconds(step.get("timeout", "PT30S")), MAX_TIMEOUT),
        "retry": retrying.compiled(step.get("retry", {})),
    }


def _check(step: Settings, pointer: str) -> Iterator[Finding]:
    if isinstance(step.get("url"), str):
        for place, problem in http_requests.problems({"method": "GET", **step}):
            yield finding("HTTP_REQUEST_VALID", problem, pointer + place)
    yield from unreadable_durations(step, pointer, positive=("timeout",), others=retrying.DURATIONS)
    yield from too_long(step.get("timeout"), f"{pointer}/timeout")


def too_long(written: Json, pointer: str) -> Iterator[Finding]:
    """Find a time limit of an attempt that is beyond all that an attempt gets."""
    try:
        if written is not None and seconds(written) > MAX_TIMEOUT:
            message = f"an attempt may take {MAX_TIMEOUT:g} seconds at most; let a task worker do what takes longer"
            yield finding("DURATIONS_VALID", message, pointer)
    except ValueError:
        return


HTTP = Kind(
    name="http",
    properties=_PROPERTIES,
    required=("url",),
    templates=REQUEST,
    compile=_compile,
    check=_check,
)
