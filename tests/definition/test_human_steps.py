"""What the steps that a person does compile to."""

from __future__ import annotations

import pytest

from service.definition import web_addresses
from service.definition.compiling import examine
from tests.definition.definitions import chain, step


def settings_of(type: str, **written):
    examination = examine("graph", chain(step("a", type, **written)))
    assert examination.findings == ()
    return examination.plan.step["a"].settings


def test_a_confirmation_without_words_has_no_settings():
    assert settings_of("human.confirm") == {}


def test_words_are_texts_or_expressions():
    settings = settings_of("human.confirm", title="Sure?", instructions={"src": "__context__.text"})

    assert settings == {"title": "Sure?", "instructionsExpression": "__context__.text"}


def test_a_form_keeps_the_order_of_its_fields():
    schema = {"type": "object", "properties": {"zeal": {"type": "string"}, "age": {"type": "integer"}}}

    settings = settings_of("HUMAN_FORM", formSchema=schema, formUi={"z": 1, "a": 2.50})

    assert settings == {
        "formSchemaJson": '{"type":"object","properties":{"zeal":{"type":"string"},"age":{"type":"integer"}}}',
        "formUiJson": '{"z":1,"a":2.5}',
    }


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("https://example.com/a", {"url": "https://example.com/a"}),
        ("{% __context__.url %}", {"urlExpression": "__context__.url"}),
        ({"type": "jsonata", "src": "__context__.url"}, {"urlExpression": "__context__.url"}),
    ],
)
def test_a_redirect_has_an_address_or_computes_it(url, settings):
    assert settings_of("human.url_redirect", url=url) == settings | {"expectReturn": True}


def test_documents_have_defaults():
    written = [{"key": "passport"}, {"key": "photo", "name": "A photo", "mimeTypes": ["IMAGE/*", "image/*"]}]

    assert settings_of("human.doc_upload", acceptedDocuments=written)["acceptedDocuments"] == [
        {"key": "passport", "name": "passport", "required": True, "multiple": False},
        {"key": "photo", "name": "A photo", "required": True, "multiple": False, "mimeTypes": ["image/*"]},
    ]


@pytest.mark.parametrize(
    "address",
    ["https://example.com", "HTTP://localhost:8080/a?b=c#d", "https://[::1]:80/", "https://münchen.example/ö?a@b"],
)
def test_addresses_of_pages_are_taken(address):
    assert web_addresses.problem(address) == ""


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (None, "an address is a string"),
        (5, "an address is a string"),
        ("", "is no address of a page"),
        ("//example.com", "is no address of a page"),
        ("ftp://example.com", "is no address of a page"),
        ("data:text/html,hi", "is no address of a page"),
        ("javascript:alert('https://example.com')", "is no address of a page"),
        ("https://", "names no host"),
        ("https://:80/", "names no host"),
        ("https://?x", "names no host"),
        ("https://user@example.com", "has a user or a password"),
        ("https://example.com/a\nb", "a control character"),
        ("https:\\\\example.com", "a backslash"),
        ("https://example.com/" + "x" * 2048, "at most 2,048 characters; this one has 2,068"),
    ],
)
def test_what_is_no_address_of_a_page_is_refused_with_the_reason(address, problem):
    assert problem in web_addresses.problem(address)
