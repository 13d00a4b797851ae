"""What an address on the web looks like to which a person may be sent."""

from __future__ import annotations

import re

from service.domain.fields import shown
from service.domain.json_text import Json

MAX_LENGTH = 2_048
"""Characters of an address; browsers and proxies cut longer ones."""


def problem(address: Json) -> str:
    """Say why a value is no address of a page, or nothing: only http and https, with a host, and no password in it."""
    if not isinstance(address, str):
        return f"an address is a string such as {_EXAMPLE}"
    if len(address) > MAX_LENGTH:
        return f"an address has at most {MAX_LENGTH:,} characters; this one has {len(address):,}"
    if _FORBIDDEN.search(address):
        return f"{shown(address)} has a space, a backslash or a control character in it"
    found = _ADDRESS.match(address)
    if found is None:
        return f"{shown(address)} is no address of a page; write one that begins with https:// or http://"
    if "@" in found["authority"]:
        return f"{shown(address)} has a user or a password before the host; everybody who sees the step would see it"
    if _HOST.fullmatch(found["authority"]) is None:
        return f"{shown(address)} names no host"
    return ""


_EXAMPLE = "https://example.com/sign"
_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\\]")
_ADDRESS = re.compile(r"https?://(?P<authority>[^/?#]*)", re.IGNORECASE)
_HOST = re.compile(r"([^\[\]:]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
