"""What an HTTP request looks like that a step may send: {method, url, headers?, body?}.

The same rules hold for a request as its author writes it, as far as it is fixed, and for the one that is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from service.definition import expressions, web_addresses
from service.domain.fields import shown
from service.domain.json_text import Json

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

WITHOUT_BODY = ("GET", "HEAD")
"""Methods whose requests have no body."""

MAX_HEADERS = 50
"""Headers of a request."""

MAX_HEADER = 4_096
"""Characters of the value of a header."""


def problems(request: dict[str, Json], *, is_filled: bool = False) -> Iterator[tuple[str, str]]:
    """Tell what is wrong with a request, each with the JSON pointer to it.

    Until it is filled in, an expression in it may become anything.
    """
    if is_filled:
        yield from _problems(request, lambda value: False)
    else:
        yield from _problems(request, _is_expression)


def _problems(request: dict[str, Json], is_open: Callable[[Json], bool]) -> Iterator[tuple[str, str]]:
    method, url = request.get("method"), request.get("url")
    if not is_open(method) and method not in METHODS:
        yield "/method", f"{_told(method)} is no method: it must be one of {', '.join(METHODS)}"
    if not is_open(url) and (problem := _url_problem(url)):
        yield "/url", problem
    yield from _header_problems(request.get("headers"), is_open)
    if request.get("body") is not None and method in WITHOUT_BODY:
        yield "/body", f"a {method} has no body; put what it asks for into the url"


def _url_problem(url: Json) -> str:
    if problem := web_addresses.problem(url):
        return problem
    if re.fullmatch(r"[!-~]+", url) is None:
        return f"{shown(url)} has a character that is not ASCII in it: percent-encode it, or write the host in Punycode"
    return ""


_RESERVED = frozenset(
    [
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_VALUE = re.compile(r"[\t -~]*")


def _header_problems(headers: Json, is_open: Callable[[Json], bool]) -> Iterator[tuple[str, str]]:
    if headers is None or is_open(headers):
        return
    if not isinstance(headers, dict):
        yield "/headers", "headers are an object of texts by their names"
        return
    if len(headers) > MAX_HEADERS:
        yield "/headers", f"there are {len(headers)} headers; at most {MAX_HEADERS} are allowed"
    first: dict[str, str] = {}
    for name, value in headers.items():
        place = f"/headers/{name.replace('~', '~0').replace('/', '~1')}"
        if (problem := _name_problem(name)) or (problem := _value_problem(value, is_open)):
            yield place, problem
        elif name.lower() in first:
            yield place, f"{shown(name)} stands there already, as {shown(first[name.lower()])}"
        first.setdefault(name.lower(), name)


def _name_problem(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        return f"{shown(name)} is no name of a header"
    if name.lower() in _RESERVED or name.lower().startswith("proxy-"):
        return f"{shown(name)} is a header that Heddle sets itself"
    return ""


def _value_problem(value: Json, is_open: Callable[[Json], bool]) -> str:
    if is_open(value) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return ""
    if not isinstance(value, str):
        return "the value of a header is a text or a number"
    if len(value) > MAX_HEADER:
        return f"the value of a header has at most {MAX_HEADER:,} characters; this one has {len(value):,}"
    if _VALUE.fullmatch(value) is None:
        return f"{shown(value)} has a character in it that no header may have: printable ASCII is taken"
    return ""


def _is_expression(value: Json) -> bool:
    """Tell whether something is an expression, which is not asked yet."""
    return isinstance(value, str) and expressions.embedded(value) is not None


def _told(value: Json) -> str:
    return shown(value) if isinstance(value, str) else "what stands there"
