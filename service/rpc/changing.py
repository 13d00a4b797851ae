"""Methods that change something: in one transaction, and once however often the request is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import grpc
from google.protobuf import symbol_database
from google.protobuf.message import Message

from service.domain import fields
from service.domain.errors import AlreadyExists
from service.rpc.call import Call
from service.rpc.status import rpc
from storage import requests
from storage.database import transaction

S = TypeVar("S")
Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res", bound=Message)


def changing(method: Callable[[S, Req, Call], Res]) -> Callable[[S, Req, grpc.ServicerContext], Res]:
    """Make an rpc of a function of (self, request, call) that runs in a transaction, once for each request id.

    The answer is stored with the change, and is what every repetition gets until it is forgotten.
    """

    @wraps(method)
    def once(self: S, request: Any, call: Call) -> Res:
        request_id = fields.request_id(request.request_id)
        digest = digest_of(request)
        with transaction():
            while not requests.claim(call.workspace, request_id, method=call.method, digest=digest, now=call.now):
                earlier = requests.find(call.workspace, request_id)
                if earlier is not None:  # it may just have grown old enough to be forgotten
                    return cast("Res", _answer(request, _remembered(earlier, call, request_id, digest)))
            answer = method(self, request, call)
            requests.finish(call.workspace, request_id, answer.SerializeToString())
            return answer

    return rpc(once)


def digest_of(request: Message) -> str:
    """What tells the content of a request from another's."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()


def reused(request_id: str) -> AlreadyExists:
    """Say that a request id was used before, and nothing of what for."""
    return AlreadyExists(
        "REQUEST_ID_REUSED",
        f"request_id {fields.shown(request_id)} was used before for another request",
        request_id=request_id,
    )


def _remembered(earlier: requests.Request, call: Call, request_id: str, digest: str) -> bytes:
    if (earlier.method, earlier.digest) != (call.method, digest):
        raise reused(request_id)
    return earlier.answer


def _answer(request: Message, stored: bytes) -> Message:
    # Every rpc takes a FooRequest and answers with a FooResponse; buf's lint holds it so.
    name = request.DESCRIPTOR.full_name.removesuffix("Request") + "Response"
    return symbol_database.Default().GetSymbol(name).FromString(stored)
