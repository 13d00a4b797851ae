"""Value providers, as system A writes them: a constant, a field of something, or an expression.

A parameter is a value provider, or an object or a list of parameters. Where both could be meant, an object that has a
`type`, or nothing but `value`, `ref` or `expr`, is a value provider.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from service.definition import schemas
from service.definition.rules import Finding, finding
from service.definition.steps.written import EXPRESSION, NAMES, Expression
from service.domain.json_text import Json

Form = Literal["const", "field", "expr"]
SOURCES = ("CONTEXT", "STEP", "DATASOURCE", "EACH")
"""What fields can be read of."""

MAX_NAMES = 32
"""How many names a dot path may have."""

_KEYS: dict[str, str] = {"const": "value", "field": "ref", "expr": "expr"}
_REFERENCE: dict[str, Json] = {
    "type": "object",
    "description": "A field of something; no expression.",
    "properties": {
        "source": {"enum": list(SOURCES), "description": "The input, a step's output, fetched data, or the item."},
        "path": {"type": "string", "description": "Names with dots between; the whole when absent or empty."},
        "stepId": {"type": "string", "description": "The step, with STEP."},
        "key": {"type": "string", "description": "The alias of the data source, with DATASOURCE."},
    },
    "required": ["source"],
    "allOf": [
        {
            "if": {"properties": {"source": {"const": source}}, "required": ["source"]},
            "then": {"required": [name]},
        }
        for source, name in (("STEP", "stepId"), ("DATASOURCE", "key"))
    ],
}
PROVIDER: dict[str, Json] = {
    "type": "object",
    "description": "A constant, a field of something, or an expression. The type may be left out.",
    "properties": {"type": {"enum": list(_KEYS)}, "value": {}, "ref": _REFERENCE, "expr": EXPRESSION},
}
"""The JSON Schema of a value provider; `problems` says what it cannot."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A value provider as written, with the JSON pointer to where it stands."""

    pointer: str
    form: Form
    data: dict[str, Json]

    @property
    def constant(self) -> Json:
        """The value of one of the form const."""
        return self.data["value"]

    @property
    def source(self) -> str | None:
        """What one of the form field reads of; None if that cannot be read."""
        return _text(self._reference.get("source"))

    @property
    def step(self) -> str | None:
        """The step whose output one of the form field reads."""
        return _text(self._reference.get("stepId")) if self.source == "STEP" else None

    @property
    def alias(self) -> str | None:
        """The data source that one of the form field reads."""
        return _text(self._reference.get("key")) if self.source == "DATASOURCE" else None

    @property
    def path(self) -> list[str] | None:
        """The names that lead to what one of the form field reads; None if they cannot be read."""
        written = self._reference.get("path", "")
        return names(written) if isinstance(written, str) and complaint(written) is None else None

    @property
    def expression(self) -> Expression | None:
        """What one of the form expr asks; None if it cannot be read."""
        written = self.data.get("expr") if self.form == "expr" else None
        if not isinstance(written, dict) or not isinstance(written.get("src"), str):
            return None
        return Expression(f"{self.pointer}/expr/src", written["src"], NAMES)

    @property
    def _reference(self) -> dict[str, Json]:
        written = self.data.get("ref") if self.form == "field" else None
        return written if isinstance(written, dict) else {}


def provider(data: Json, pointer: str) -> Provider | None:
    """Read a value provider; None if it is none."""
    if not isinstance(data, dict):
        return None
    if "type" in data:
        forms = [form for form in _FORMS if form == data["type"] and _KEYS[form] in data]
    else:
        forms = [form for form in _FORMS if _KEYS[form] in data]
    return Provider(pointer, forms[0], data) if len(forms) == 1 else None


def providers(data: Json, pointer: str) -> Iterator[Provider]:
    """List the value providers in a parameter, as far as it can be read."""
    if _is_provider(data):
        if (found := provider(data, pointer)) is not None:
            yield found
        return
    for place, part in _parts(data, pointer):
        yield from providers(part, place)


def problems(data: Json, pointer: str) -> Iterator[Finding]:
    """Tell what is wrong with a value provider that its schema does not say."""
    found = provider(data, pointer)
    if found is not None:
        yield from _wrong_path(found)
    elif isinstance(data, dict) and data.get("type") in _FORMS:
        yield finding("DOCUMENT_SHAPE", f'a value of type {data["type"]} needs "{_KEYS[data["type"]]}"', pointer)
    elif isinstance(data, dict) and "type" not in data:
        yield finding("DOCUMENT_SHAPE", "a value has exactly one of value, ref and expr", pointer)


def problems_of_parameter(data: Json, pointer: str) -> Iterator[Finding]:
    """Tell what is wrong with a parameter, of which its schema says nothing."""
    if _is_provider(data):
        for violation in schemas.violations(PROVIDER, data, is_trusted=True):
            yield finding("DOCUMENT_SHAPE", violation.message, pointer + violation.pointer)
        yield from problems(data, pointer)
    elif isinstance(data, dict | list):
        for place, part in _parts(data, pointer):
            yield from problems_of_parameter(part, place)
    else:
        message = f'{_shown(data)} stands alone; a constant is written {{"value": {_shown(data)}}}'
        yield finding("DOCUMENT_SHAPE", message, pointer)


def compiled(data: Json) -> dict[str, Json]:
    """Make of a value provider what stands in the plan."""
    found = provider(data, "")
    assert found is not None
    if found.form == "const":
        return {"const": found.constant}
    if found.form == "expr":
        return {"expression": found.data["expr"]["src"]}
    reference: dict[str, Json] = {"source": found.source, "path": found.path}
    if found.step is not None:
        reference["step"] = found.step
    if found.alias is not None:
        reference["alias"] = found.alias
    return reference


def compiled_parameter(data: Json) -> dict[str, Json]:
    """Make of a parameter what stands in the plan."""
    if _is_provider(data):
        return compiled(data)
    if isinstance(data, list):
        return {"list": [compiled_parameter(part) for part in data]}
    return {"object": {name: compiled_parameter(part) for name, part in data.items()}}


def names(path: str) -> list[str]:
    """Take a dot path apart; the empty one has no names."""
    return path.split(".") if path else []


def complaint(path: str) -> str | None:
    """Say what is wrong with a dot path, if anything."""
    parts = names(path)
    if len(parts) > MAX_NAMES:
        return f"the path has {len(parts)} names; at most {MAX_NAMES} are allowed"
    for part in parts:
        if not part:
            return f"the path {_shown(path)} has a dot without a name beside it"
        if part != part.strip() or part in ("$", "*", "**", "%") or "[" in part or "]" in part:
            return f"the path {_shown(path)} has {_shown(part)}, which is no name; a path is names with dots between"
    return None


_FORMS: tuple[Form, ...] = ("const", "field", "expr")


def _is_provider(data: Json) -> bool:
    if not isinstance(data, dict):
        return False
    if isinstance(data.get("type"), str):
        return True
    if len(data) != 1:
        return False
    ((key, part),) = data.items()
    inner = {"ref": "source", "expr": "src"}.get(key)
    return key == "value" or (inner is not None and isinstance(part, dict) and isinstance(part.get(inner), str))


def _parts(data: Json, pointer: str) -> Iterator[tuple[str, Json]]:
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, part in parts:
        yield f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}", part


def _wrong_path(found: Provider) -> Iterator[Finding]:
    written = found.data["ref"].get("path") if found.form == "field" and isinstance(found.data["ref"], dict) else None
    if isinstance(written, str) and (wrong := complaint(written)) is not None:
        yield finding("PATHS_VALID", wrong, f"{found.pointer}/ref/path")


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
