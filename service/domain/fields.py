"""The rules for single values. A refusal names the field, the value and the rule."""

from __future__ import annotations

import re
import unicodedata

from service.domain.errors import Invalid

_SHOWN = 80
"""Characters of a refused value that its message repeats."""


def shown(value: str) -> str:
    """Quote a value for a message: one line, without control characters, and not too long."""
    quoted = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value[:_SHOWN])
    return f'"{quoted}"' if len(value) <= _SHOWN else f'"{quoted}…" ({len(value)} characters)'


def refuse(field: str, value: str, rule: str) -> Invalid:
    """Say that a field's value breaks a rule."""
    return Invalid("INVALID_FIELD", f"{field} is {shown(value)}: {rule}", field=field)


def required(field: str, value: str) -> str:
    """Refuse an empty value."""
    if not value:
        raise Invalid("INVALID_FIELD", f"{field} is empty: it must be given", field=field)
    return value


MAX_NAME = 256
"""Characters of a name that people read."""


def text(field: str, value: str, *, at_least: int = 0, at_most: int) -> str:
    """Refuse a text that is too short, too long, or has a NUL, which no database column can hold."""
    if not at_least <= len(value) <= at_most:
        length = f"{at_least} to {at_most:,}" if at_least else f"at most {at_most:,}"
        raise refuse(field, value, f"it must have {length} characters")
    if "\0" in value:
        raise refuse(field, value, "it must not contain the character NUL")
    return value


def name(field: str, value: str) -> str:
    """Refuse what cannot stand in a list for people to read."""
    return _line(field, value, at_most=MAX_NAME)


def tidied(value: str) -> str:
    """Make one line of a text that was computed: no control characters, no space around it or twice within."""
    return " ".join(_CONTROL.sub(" ", value).split())


def subject_id(field: str, value: str) -> str:
    """Refuse what callers could not name an execution by."""
    return text(field, value, at_least=1, at_most=256)


def label(field: str, value: str) -> str:
    """Refuse what cannot be a version string."""
    return _line(field, value, at_most=128)


def slug(field: str, value: str) -> str:
    """Refuse what cannot be a key."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value) is None:
        rule = "it must be 1 to 63 lower-case letters, digits and hyphens, and not begin with a hyphen"
        suggestion = slug_of(value)
        raise refuse(field, value, f'{rule}, such as "{suggestion}"' if suggestion else rule)
    return value


def slug_of(value: str) -> str:
    """Make a key from a name; empty when the name has nothing that a key may have."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].rstrip("-")


def entity_type(field: str, value: str) -> str:
    """Refuse what cannot be the type of an entity."""
    if re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", value) is None:
        rule = "it must be 1 to 64 upper-case letters, digits and underscores, beginning with a letter"
        suggestion = re.sub(r"\W+", "_", slug_of(value).upper()).lstrip("_0123456789")
        raise refuse(field, value, f'{rule}, such as "{suggestion}"' if suggestion else rule)
    return value


def request_id(value: str) -> str:
    """Refuse what cannot name a request."""
    if re.fullmatch(r"[!-~]{1,128}", value) is None:
        raise refuse("request_id", value, "it must be 1 to 128 printable ASCII characters, no space")
    return value


def workspace(value: str) -> str:
    """Refuse what cannot be the key of a workspace."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value) is None:
        raise Invalid(
            "WORKSPACE_INVALID",
            f"the metadata heddle-workspace is {shown(value)}: it must be 1 to 63 lower-case letters, digits and "
            "hyphens, and not begin with a hyphen",
            field="heddle-workspace",
        )
    return value


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _line(field: str, value: str, *, at_most: int) -> str:
    if value != value.strip():
        raise refuse(field, value, "it must not begin or end with space")
    if _CONTROL.search(value):
        raise refuse(field, value, "it must not contain control characters")
    return text(field, value, at_least=1, at_most=at_most)
