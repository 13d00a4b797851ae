"""How a refusal goes over the wire: the one place that turns errors into statuses."""

from __future__ import annotations

import inspect
import logging
import secrets
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NoReturn, TypeVar, cast
from urllib.parse import quote

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, Help, RetryInfo
from google.rpc.status_pb2 import Status

from heddle.v1.finding_pb2 import DefinitionFindings
from service.domain.errors import DefinitionInvalid, Exhausted, HeddleError, Invalid, Unavailable
from service.domain.json_text import InvalidJson
from service.rpc.call import Call
from service.rpc.messages import finding_message

log = logging.getLogger(__name__)

DOMAIN = "heddle"

PAGES = "docs/errors"
"""Where the page of each reason is."""

RETRY_SECONDS = 1
"""When a caller may try again, once something was away or full."""

_TEXT_ROOM = 1_500
_FINDINGS_ROOM = 3_000
"""Bytes: a client takes 8 KiB of trailing metadata, and the message travels in it twice."""

S = TypeVar("S")
Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res")


def rpc(method: Callable[[S, Req, Call], Res]) -> Callable[[S, Req, grpc.ServicerContext], Res]:
    """Make a servicer's method of a function of (self, request, call): errors that it raises become statuses."""
    name = method.__name__
    if inspect.isgeneratorfunction(method):

        @wraps(method)
        def stream(self: S, request: Req, context: grpc.ServicerContext) -> Iterator[Any]:
            # The body runs while the stream is read, so this has to be a generator too.
            try:
                yield from cast("Iterator[Any]", method(self, request, Call.of(name, context)))
                return
            except Exception as raised:
                error = raised
            _refuse(context, request, name, error)

        return cast("Callable[[S, Req, grpc.ServicerContext], Res]", stream)

    @wraps(method)
    def unary(self: S, request: Req, context: grpc.ServicerContext) -> Res:
        try:
            return method(self, request, Call.of(name, context))
        except Exception as raised:
            error = raised
        # Outside of the `except`: abort() raises, and that must reach grpc.
        _refuse(context, request, name, error)

    return unary


def _refuse(context: grpc.ServicerContext, request: Message, method: str, error: Exception) -> NoReturn:
    if isinstance(error, InvalidJson):
        error = Invalid("INVALID_JSON", str(error), field=error.field)
    elif not isinstance(error, HeddleError):
        error = _unexpected(method, error)
    elif isinstance(error, Invalid) and not error.field:
        error = _named(error, request)
    code = grpc.StatusCode[error.code]
    message = _fitting(error.message)
    status = Status(code=code.value[0], message=message, details=_details(error))
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)


class _Unexpected(HeddleError):
    """A fault of the service; what it says is for the log alone."""

    code = "INTERNAL"


def _unexpected(method: str, error: Exception) -> HeddleError:
    incident = secrets.token_hex(4)
    log.error("incident %s in %s", incident, method, exc_info=error)
    return _Unexpected("INTERNAL", f"internal error; incident {incident}", incident=incident)


def _named(error: Invalid, request: Message) -> Invalid:
    """Name the field that has a NUL: the database says only that there is one."""
    for path, text in _texts(request):
        if "\0" in text:
            return Invalid(error.reason, f"{path} must not contain the character NUL", field=path)
    return error


def _texts(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        if isinstance(value, str):
            yield f"{path}{field.name}", value
        elif isinstance(value, Message):
            yield from _texts(value, f"{path}{field.name}.")


def _details(error: HeddleError) -> list[AnyMessage]:
    facts = {name: _fitting(value) for name, value in error.facts.items()}
    details: list[Message] = [ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=facts)]
    if isinstance(error, Invalid) and error.field:
        details.append(_violations(error))
    if isinstance(error, DefinitionInvalid):
        details.append(_findings(error))
    if isinstance(error, Unavailable | Exhausted):
        details.append(RetryInfo(retry_delay=Duration(seconds=RETRY_SECONDS)))
    link = Help.Link(description=f"What {error.reason} means and what to do", url=f"{PAGES}/{error.reason}.md")
    details.append(Help(links=[link]))
    return [_packed(detail) for detail in details]


def _violations(error: Invalid) -> BadRequest:
    """All that is wrong with the field at fault, or as much of it as there is room for."""
    told = BadRequest()
    for text in error.violations or [error.message]:
        told.field_violations.add(field=error.field, description=_fitting(text), reason=error.reason)
    while len(told.field_violations) > 1 and told.ByteSize() > _FINDINGS_ROOM:
        del told.field_violations[-1]
    return told


def _findings(error: DefinitionInvalid) -> DefinitionFindings:
    """As many findings as there is room for."""
    told = DefinitionFindings(findings=[finding_message(finding) for finding in error.findings])
    while told.ByteSize() > _FINDINGS_ROOM:
        del told.findings[-1]
    told.omitted = len(error.findings) - len(told.findings)
    return told


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _fitting(text: str) -> str:
    """Cut a text that would not fit; on the wire a character takes up to 12 bytes."""
    return text if len(quote(text)) <= _TEXT_ROOM else text[: _TEXT_ROOM // 12] + "…"
