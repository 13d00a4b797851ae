"""Ask an HTTP endpoint for one JSON document, within the bounds of `exchanging`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Literal
from urllib.parse import urlsplit

from service.domain.json_text import InvalidJson, Json, parse
from service.exchanging import Answer, ExchangeFailed, Request, exchange

Kind = Literal["UNAVAILABLE", "REFUSED", "INVALID", "TOO_LARGE"]


class PostFailed(Exception):
    """The endpoint gave nothing that can be used.

    `kind` tells what is to blame: UNAVAILABLE may pass by itself, REFUSED is the request, INVALID and TOO_LARGE the
    answer. The message names host and port of the endpoint, never its path, which may be nobody else's business.
    """

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


async def post(
    url: str, document: Json, *, headers: Mapping[str, str], within: float, limit: int, threads: Executor
) -> Json:
    """Send a document and give the JSON of the answer, which is to be a 200; raise `PostFailed` if there is none.

    It takes at most `within` seconds, waiting for one of the `threads` and for the name to be resolved included; the
    answer's body has at most `limit` bytes.
    """
    sent = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    request = Request("POST", url, sent, json.dumps(document).encode())
    try:
        answer = await exchange(request, within=within, limit=limit, threads=threads)
    except ExchangeFailed as failed:
        raise PostFailed(_KINDS.get(failed.kind, "UNAVAILABLE"), failed.message) from None
    host = urlsplit(url).netloc
    _require_success(host, answer.status)
    return _parsed(host, answer, limit)


_KINDS: dict[str, Kind] = {"INVALID": "INVALID", "TOO_LARGE": "TOO_LARGE"}

_PASSING = (408, 425, 429)
"""Refusals that the endpoint itself calls passing: too slow, too early, too many."""


def _require_success(host: str, status: int) -> None:
    if status >= 500 or status in _PASSING:
        raise PostFailed("UNAVAILABLE", f"{host} answered {status}")
    if status >= 400:
        raise PostFailed("REFUSED", f"{host} answered {status}")
    if status >= 300:
        raise PostFailed("REFUSED", f"{host} answered {status}, but redirects are not followed")
    if status != 200:
        raise PostFailed("INVALID", f"{host} answered {status} instead of 200")


def _parsed(host: str, answer: Answer, limit: int) -> Json:
    try:
        return parse(answer.body.decode(), limit=limit, field="answer")
    except UnicodeDecodeError:
        raise PostFailed("INVALID", f"the answer of {host} is not UTF-8") from None
    except InvalidJson as error:
        raise PostFailed("INVALID", f"the answer of {host} is not taken: {error.message}") from None
