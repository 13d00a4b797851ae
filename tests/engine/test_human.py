"""Steps that a person does: what they ask for is settled when they open, and checked when they are completed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from service.engine.folding import fold
from service.engine.observations import StepUpdated
from service.engine.run import Refused
from service.engine.steps.human import MAX_INSTRUCTIONS, MAX_TITLE
from tests.engine.graphs import Player, a_plan

FORM = {"formSchemaJson": json.dumps({"type": "object", "properties": {"age": {"type": "integer"}}})}
DOCUMENTS = {
    "acceptedDocuments": [
        {
            "key": "passport",
            "name": "Passport",
            "required": True,
            "multiple": False,
            "mimeTypes": ["application/pdf", "image/*"],
            "maxSizeBytes": 1000,
        },
        {"key": "other", "name": "Other", "required": False, "multiple": True},
    ]
}


def player_of(type: str, settings, input=None, **fields):
    return Player(a_plan("start > a; a > end", a={"type": type, "settings": settings, **fields}), input)


def a_document(**changes):
    return {
        "key": "passport",
        "name": "passport.pdf",
        "mimeType": "application/pdf",
        "sizeBytes": 1000,
        "reference": "s3://documents/1",
    } | changes


def without(document, name):
    return {key: value for key, value in document.items() if key != name}


def test_a_plain_confirmation_is_opened_as_it_always_was():
    player = player_of("human.confirm", {})

    assert player.state.open["a/1"].input is None
    assert [entry.data for entry in player.entries if entry.type == "STEP_STARTED"] == [
        {"via": ["start>a"], "status": "WAITING", "task": {"title": "a", "priority": "MEDIUM"}}
    ]


@pytest.mark.parametrize(
    ("type", "settings", "settled"),
    [
        ("human.confirm", {"title": "Sure?"}, {"title": "Sure?"}),
        ("human.confirm", {"instructionsExpression": "'Dear ' & __context__.name"}, {"instructions": "Dear Ann"}),
        ("human.confirm", {"titleExpression": "__context__.nothing"}, None),
        ("human.form", FORM, {"title": "a"}),
        ("human.form", FORM | {"titleExpression": "__context__.name"}, {"title": "Ann"}),
        ("human.url_redirect", {"url": "https://a.example/"}, {"title": "a", "url": "https://a.example/"}),
        (
            "human.url_redirect",
            {"urlExpression": "'https://a.example/' & __context__.id", "instructions": "Sign."},
            {"title": "a", "url": "https://a.example/7", "instructions": "Sign."},
        ),
        ("human.doc_upload", DOCUMENTS, {"title": "a"}),
    ],
)
def test_words_and_addresses_are_settled_when_the_step_opens(type, settings, settled):
    player = player_of(type, settings, {"name": "Ann", "id": 7})

    assert player.state.open["a/1"].status == "WAITING"
    assert player.state.open["a/1"].input == settled
    assert fold(player.entries) == player.state


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"urlExpression": "__context__.nothing"}, "HUMAN_STEP_INVALID", "step a: its url: an address is a string"),
        ({"urlExpression": "'javascript:alert(1)'"}, "HUMAN_STEP_INVALID", "is no address of a page"),
        ({"urlExpression": "$error('boom')"}, "EXPRESSION_FAILED", "boom"),
        ({"url": "https://a.example", "titleExpression": "5"}, "HUMAN_STEP_INVALID", "its title must be a text"),
        (
            {"url": "https://a.example", "titleExpression": f"$pad('', {MAX_TITLE + 1}, 'x')"},
            "HUMAN_STEP_INVALID",
            "its title has 1,001 characters, at most 1,000 are allowed",
        ),
        ({"url": "https://a.example", "instructionsExpression": '"\\u0000"'}, "HUMAN_STEP_INVALID", "U+0000"),
    ],
)
def test_a_step_that_has_nothing_fit_to_show_fails(settings, code, message):
    player = player_of("human.url_redirect", settings, {})

    error = player.entries[-1].data["error"]
    assert (player.state.status, error["code"], error["step_id"]) == ("FAILED", code, "a")
    assert message in error["message"]


def test_instructions_have_a_limit():
    player = player_of("human.confirm", {"instructions": "x" * (MAX_INSTRUCTIONS + 1)})

    assert player.entries[-1].data["error"]["code"] == "HUMAN_STEP_INVALID"


def test_a_parked_step_settles_what_it_asks_for_when_it_is_set_free():
    plan = a_plan(
        "start > ps; ps > a, b; a > pj; b > pj; pj > end",
        b={
            "type": "human.url_redirect",
            "default_status": "PENDING",
            "settings": {"urlExpression": "'https://a.example/' & __steps__.a.id"},
        },
    )
    player = Player(plan)
    assert player.state.open["b/1"].input is None

    player.complete("a", output={"id": 7})
    player.see(StepUpdated("b", "RUNNING"))

    assert player.state.open["b/1"].input == {"title": "b", "url": "https://a.example/7"}


def test_a_form_takes_what_its_schema_takes():
    player = player_of("human.form", FORM)

    player.complete("a", output={"age": 7})

    assert player.state.status == "COMPLETED"


def test_a_form_refuses_what_its_schema_or_its_output_schema_refuses():
    player = player_of("human.form", FORM, output_schema={"required": ["name"]})

    with pytest.raises(Refused) as refused:
        player.complete("a", output={"age": "7"})

    assert refused.value.reason == "OUTPUT_INVALID"
    assert [violation["pointer"] for violation in refused.value.facts["violations"]] == ["/age", ""]
    assert refused.value.facts["pointer"] == "/age"
    assert refused.value.message == (
        'the output of step a does not match what it asks for: "7" is not of type "integer" (at /age), and 1 more'
    )


@pytest.mark.parametrize(
    "documents",
    [
        [a_document()],
        [a_document(sha256="0" * 64, mimeType="IMAGE/png; q=1", sizeBytes=0)],
        [a_document(), a_document(key="other", mimeType="x/y", sizeBytes=10**12), a_document(key="other")],
    ],
)
def test_documents_are_taken_by_metadata_and_reference(documents):
    player = player_of("human.doc_upload", DOCUMENTS)

    player.complete("a", output={"documents": documents})

    assert player.state.results["a"].output == {"documents": documents}
    assert player.state.status == "COMPLETED"


@pytest.mark.parametrize(
    ("output", "pointer", "message"),
    [
        (None, "", "null is not of type"),
        ({}, "", '"documents" is a required property'),
        ({"documents": {}}, "/documents", "is not of type"),
        ({"documents": []}, "/documents", '"passport" is required'),
        ({"documents": [7]}, "/documents/0", "is not of type"),
        ({"documents": [without(a_document(), "reference")]}, "/documents/0", '"reference" is a required property'),
        ({"documents": [a_document(), a_document(key="visa")]}, "/documents/1/key", '"visa" is not asked for'),
        ({"documents": [a_document(), a_document()]}, "/documents", '"passport" is taken once, not 2 times'),
        ({"documents": [a_document(mimeType="text/plain")]}, "/documents/0/mimeType", "application/pdf, image/* is"),
        ({"documents": [a_document(mimeType="pdf")]}, "/documents/0/mimeType", "does not match"),
        ({"documents": [a_document(sizeBytes=1001)]}, "/documents/0/sizeBytes", "1,001 bytes are more than the 1,000"),
        ({"documents": [a_document(sizeBytes=-1)]}, "/documents/0/sizeBytes", "less than the minimum"),
        ({"documents": [a_document(name="")]}, "/documents/0/name", "shorter than 1 character"),
        ({"documents": [a_document(sha256="abc")]}, "/documents/0/sha256", "does not match"),
        ({"documents": [a_document(reference="data:application/pdf;base64,AAAA")]}, "/documents/0/reference", "data:"),
        ({"documents": [a_document(reference=" DATA:,x")]}, "/documents/0/reference", "data:"),
        ({"documents": [a_document(reference="A" * 2049)]}, "/documents/0/reference", "at most 2,048 characters"),
        ({"documents": [a_document(reference="a\nb")]}, "/documents/0/reference", "control characters"),
        ({"documents": [a_document(base64="AAAA")]}, "/documents/0/base64", "never a document's bytes"),
        ({"documents": [a_document()], "content": "AAAA"}, "/content", "never a document's bytes"),
    ],
)
def test_documents_that_are_not_asked_for_or_hold_bytes_are_refused_with_their_place(output, pointer, message):
    player = player_of("human.doc_upload", DOCUMENTS)
    before = player.state.to_json()

    with pytest.raises(Refused) as refused:
        player.complete("a", output=output)

    assert (refused.value.reason, refused.value.facts["pointer"]) == ("OUTPUT_INVALID", pointer)
    assert message in refused.value.message
    assert player.state.to_json() == before


def test_every_wrong_document_is_told():
    output = {"documents": [a_document(key="visa"), a_document(reference="data:x", bytes="AA"), 7]}
    player = player_of("human.doc_upload", DOCUMENTS)

    with pytest.raises(Refused) as refused:
        player.complete("a", output=output | {"documents": output["documents"][:2]})

    assert [violation["pointer"] for violation in refused.value.facts["violations"]] == [
        "/documents/0/key",
        "/documents/1/reference",
        "/documents/1/bytes",
    ]


def test_what_a_step_asks_for_stays_when_the_plan_is_read_again():
    player = player_of("human.form", FORM)

    assert type(player.plan).from_json(player.plan.to_json()) == replace(player.plan)
