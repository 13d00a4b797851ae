"""Steps that a person does: confirming, filling in a form, doing something on another site, handing in documents."""

from __future__ import annotations

from collections.abc import Iterator

from service.definition import web_addresses
from service.definition.rules import Finding, finding
from service.definition.steps import assigning
from service.definition.steps.kind import Kind, Settings
from service.definition.steps.written import expression
from service.domain.json_text import Json, compact

MAX_DOCUMENTS = 100
"""Kinds of documents that one step may ask for."""

MAX_SIZE = 2**53 - 1
"""The largest size of a document that can be asked for, in bytes: the largest number that every reader takes."""

_TEMPLATE: Json = {
    "type": ["string", "object"],
    "properties": {"type": {"const": "jsonata"}, "src": {"type": "string"}},
    "required": ["src"],
}
_WORDS: dict[str, Json] = {
    **assigning.PROPERTIES,
    "title": _TEMPLATE
    | {"description": "What the person reads first: text or {% jsonata %}. The step's name when absent."},
    "instructions": _TEMPLATE | {"description": "What the person is to do: text or {% jsonata %}."},
}
_TEXTS = ("title", "instructions")
_TEMPLATES = (*_TEXTS, *assigning.TEMPLATES)

_MIME_TYPE = r"^[A-Za-z0-9_.+-]+/([A-Za-z0-9_.+-]+|\*)$"
_DOCUMENT: Json = {
    "type": "object",
    "properties": {
        "key": {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "description": "What the documents handed in name it by; unique in the step.",
        },
        "name": {"type": "string", "maxLength": 256, "description": "What people read; the key when absent."},
        "description": {"type": "string"},
        "mimeTypes": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "maxLength": 128, "pattern": _MIME_TYPE},
            "description": "The media types that are taken, such as application/pdf or image/*; all when absent.",
        },
        "maxSizeBytes": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_SIZE,
            "description": "The largest document; any when absent.",
        },
        "required": {"type": "boolean", "default": True, "description": "Whether the step needs it."},
        "multiple": {"type": "boolean", "default": False, "description": "Whether there may be several."},
    },
    "required": ["key"],
}


def _settled(step: Settings) -> Settings:
    """Bring what may be an expression into one form: `url` is the text itself, `urlExpression` computes it."""
    settings = assigning.compiled(step)
    for name in (*_TEXTS, "url"):
        if name not in step:
            continue
        found = expression(step[name])
        settings |= {name: step[name]} if found is None else {f"{name}Expression": found[1]}
    return settings


def _form(step: Settings) -> Settings:
    """Keep what a form is drawn from as text: the order of its fields is lost where a plan sorts names."""
    settings = _settled(step) | {"formSchemaJson": _text(step["formSchema"])}
    return settings if step.get("formUi") is None else settings | {"formUiJson": _text(step["formUi"])}


def _text(value: Json) -> str:
    return compact(value)


def _redirect(step: Settings) -> Settings:
    return _settled(step) | {"expectReturn": step.get("expectReturn", True)}


def _check_redirect(step: Settings, pointer: str) -> Iterator[Finding]:
    """Check an address that is fixed; one that is computed is checked when the step opens."""
    yield from assigning.findings(step, pointer)
    url = step.get("url")
    if isinstance(url, str) and expression(url) is None and (problem := web_addresses.problem(url)):
        yield finding("WEB_ADDRESS_VALID", problem, f"{pointer}/url")


def _documents(step: Settings) -> Settings:
    accepted = [_document(document) for document in step["acceptedDocuments"]]
    return _settled(step) | {"acceptedDocuments": accepted}


def _document(written: Json) -> Json:
    document = {name: written[name] for name in ("key", "description") if name in written}
    if "maxSizeBytes" in written:
        document["maxSizeBytes"] = int(written["maxSizeBytes"])
    if "mimeTypes" in written:
        document["mimeTypes"] = list(dict.fromkeys(mime_type.lower() for mime_type in written["mimeTypes"]))
    return document | {
        "name": written.get("name") or written["key"],
        "required": written.get("required", True),
        "multiple": written.get("multiple", False),
    }


def _check_documents(step: Settings, pointer: str) -> Iterator[Finding]:
    yield from assigning.findings(step, pointer)
    accepted = step.get("acceptedDocuments")
    first: dict[str, str] = {}
    for number, document in enumerate(accepted if isinstance(accepted, list) else ()):
        key = document.get("key") if isinstance(document, dict) else None
        place = f"{pointer}/acceptedDocuments/{number}/key"
        if not isinstance(key, str):
            continue
        if key in first:
            yield finding("DOCUMENT_KEYS_UNIQUE", f'"{key}" is the key of {first[key]} already', place)
        first.setdefault(key, place)


CONFIRM = Kind(
    name="human.confirm",
    properties=_WORDS,
    templates=_TEMPLATES,
    compile=_settled,
    check=assigning.findings,
    is_human=True,
)
FORM = Kind(
    name="human.form",
    properties=_WORDS
    | {
        "formSchema": {
            "type": "object",
            "description": "A JSON Schema of what the form asks for; the output must match it.",
        },
        "formUi": {"description": "How the form is to look, for whoever draws it; kept and handed on."},
    },
    required=("formSchema",),
    templates=_TEMPLATES,
    schemas=("formSchema",),
    compile=_form,
    check=assigning.findings,
    is_human=True,
)
URL_REDIRECT = Kind(
    name="human.url_redirect",
    properties=_WORDS
    | {
        "url": _TEMPLATE
        | {
            "description": "Where the person is sent: https or http, or {% jsonata %} that is asked when the step "
            "opens.",
            "examples": ["https://example.com/sign", "{% 'https://example.com/sign/' & __context__.caseId %}"],
        },
        "expectReturn": {
            "type": "boolean",
            "default": True,
            "description": "Whether the person comes back from there; handed on to whoever shows the step.",
        },
    },
    required=("url",),
    templates=(*_TEMPLATES, "url"),
    compile=_redirect,
    check=_check_redirect,
    is_human=True,
)
DOC_UPLOAD = Kind(
    name="human.doc_upload",
    properties=_WORDS
    | {
        "acceptedDocuments": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_DOCUMENTS,
            "items": _DOCUMENT,
            "description": "The documents that are asked for.",
        }
    },
    required=("acceptedDocuments",),
    templates=_TEMPLATES,
    compile=_documents,
    check=_check_documents,
    is_human=True,
)
