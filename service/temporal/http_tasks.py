"""The activity that sends the HTTP requests of definitions, to hosts that the settings allow."""

from __future__ import annotations

from concurrent.futures import Executor
from functools import partial
from typing import Any, NoReturn
from urllib.parse import quote, urldefrag

from temporalio import activity
from temporalio.exceptions import ApplicationError

from service import egress
from service.definition import http_requests
from service.definition.steps.http import MAX_TIMEOUT
from service.domain.json_text import InvalidJson, Json, compact, parse
from service.egress import Egress
from service.engine.run import MAX_OUTPUT
from service.engine.steps.http import ACTIVITY
from service.exchanging import Answer, ExchangeFailed, Request, exchange

MAX_BODY = MAX_OUTPUT
"""Bytes of an answer's body."""

MAX_REFUSAL = 8 * 1024
"""Bytes of the body of an answer that is no success, which its error tells."""

_PASSING = (408, 429)


class HttpTasks:
    """Sends requests for steps of type `http`."""

    def __init__(self, allowed: Egress, threads: Executor) -> None:
        self._allowed = allowed
        self._threads = threads

    @activity.defn(name=ACTIVITY)
    async def send(self, task: dict[str, Any]) -> Json:
        """Send the request of one attempt; gives the body of the answer, or {status, headers, body}.

        Fails with HTTP_<status>, HTTP_UNREACHABLE or TIMEOUT, which may pass, with HTTP_NOT_ALLOWED,
        HTTP_REQUEST_INVALID, HTTP_RESPONSE_INVALID or HTTP_RESPONSE_TOO_LARGE, which do not.
        """
        order = task["input"]
        written = order["request"]
        # Once more, because a task may be sent here that no step of type http has made.
        for pointer, problem in http_requests.problems(written, is_filled=True):
            _fail("HTTP_REQUEST_INVALID", f"{pointer}: {problem}", "VALIDATION")
        request = _request(written, task["idempotencyKey"])
        try:
            target = egress.target_of(request.url)
        except ValueError as error:
            _fail("HTTP_REQUEST_INVALID", str(error), "VALIDATION")
        if why := self._allowed.forbids_host(target):
            _fail("HTTP_NOT_ALLOWED", why, "SECURITY")
        try:
            answer = await exchange(
                request,
                within=min(order["timeout"], MAX_TIMEOUT),
                limit=MAX_BODY,
                refusal=MAX_REFUSAL,
                threads=self._threads,
                forbids=partial(self._allowed.forbids_address, target),
            )
        except ExchangeFailed as failed:
            code, category = _FAILURES[failed.kind]
            _fail(code, failed.message, category)
        if not answer.is_success:
            _refused(target.host, answer)
        body = _body(target.host, answer)
        return body if order["output"] == "BODY" else _response(answer, body)


_FAILURES = {
    "UNREACHABLE": ("HTTP_UNREACHABLE", "TRANSIENT"),
    "TIMEOUT": ("TIMEOUT", "TIMEOUT"),
    "FORBIDDEN": ("HTTP_NOT_ALLOWED", "SECURITY"),
    "INVALID": ("HTTP_RESPONSE_INVALID", "PERMANENT"),
    "TOO_LARGE": ("HTTP_RESPONSE_TOO_LARGE", "PERMANENT"),
}
"""Code and category of what kept an answer from coming."""


def _fail(code: str, message: str, category: str, **details: Json) -> NoReturn:
    told = {"category": category, **{name: value for name, value in details.items() if value is not None}}
    raise ApplicationError(message, told, type=code) from None


def _request(written: dict[str, Json], key: str) -> Request:
    """Make the request as it goes over the wire; what its author says of a header goes before ours."""
    body, kind = _payload(written.get("body"))
    headers = {"Accept": "application/json, */*;q=0.5", "User-Agent": "heddle", "Idempotency-Key": quote(key)}
    if kind:
        headers["Content-Type"] = kind
    own = {name: str(value) for name, value in (written.get("headers") or {}).items() if value is not None}
    names = {name.lower() for name in own}
    headers = {name: value for name, value in headers.items() if name.lower() not in names} | own
    return Request(written["method"], urldefrag(written["url"]).url, headers, body)


def _payload(body: Json) -> tuple[bytes | None, str]:
    if body is None:
        return None, ""
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    return compact(body).encode(), "application/json"


def _refused(host: str, answer: Answer) -> NoReturn:
    passing = answer.status >= 500 or answer.status in _PASSING
    is_redirect = 300 <= answer.status < 400
    message = f"{host} answered {answer.status}" + (", but redirects are not followed" if is_redirect else "")
    _fail(
        f"HTTP_{answer.status}",
        message,
        "TRANSIENT" if passing else "PERMANENT",
        status=answer.status,
        location=answer.headers.get("location", "")[:2_048] or None,
        body=_told(answer),
    )


def _told(answer: Answer) -> Json:
    """What was said beside a refusal: JSON if it is any, else as much of the text as was read."""
    text = answer.body.decode(errors="replace").replace("\0", "")
    if _is_json(answer):
        try:
            return parse(text, limit=MAX_BODY, field="answer")
        except InvalidJson:
            pass
    return text or None


def _body(host: str, answer: Answer) -> Json:
    """Read the body of a success: JSON where it says so, else text; null where there is none."""
    if not answer.body:
        return None
    try:
        if _is_json(answer):
            return parse(answer.body.decode("utf-8"), limit=MAX_BODY, field="answer")
        text = _text(answer)
    except InvalidJson as error:
        _fail("HTTP_RESPONSE_INVALID", f"the answer of {host} is not taken: {error.message}", "PERMANENT")
    except (UnicodeDecodeError, LookupError):
        _fail("HTTP_RESPONSE_INVALID", f"the answer of {host} is no text in {_charset(answer)[:40]!r}", "PERMANENT")
    if "\0" in text:
        _fail("HTTP_RESPONSE_INVALID", f"the answer of {host} has the character NUL in it", "PERMANENT")
    return text


_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "utf-16")
"""The encodings of text that are taken; Python knows others that are none of text."""


def _is_json(answer: Answer) -> bool:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _text(answer: Answer) -> str:
    charset = _charset(answer)
    if charset not in _CHARSETS:
        raise LookupError(charset)
    return answer.body.decode(charset)


def _charset(answer: Answer) -> str:
    for parameter in answer.headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset":
            return value.strip('"').lower() or "utf-8"
    return "utf-8"


def _response(answer: Answer, body: Json) -> Json:
    headers = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
    return {"status": answer.status, "headers": headers, "body": body}
