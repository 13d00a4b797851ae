"""What a person is asked for is seen by callers and checked on completion, on real Temporal."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.end_to_end.api import Api, refused, status
from tests.end_to_end.definitions import definition

SCHEMA = {"type": "object", "properties": {"zip": {"type": "string"}, "age": {"type": "integer"}}, "required": ["age"]}
ONBOARDING = definition(
    "start > form; form > sign; sign > docs; docs > end",
    name="Onboarding",
    form={
        "type": "human.form",
        "name": "Your details",
        "instructions": "{% 'Dear ' & __context__.name & ', fill this in.' %}",
        "formSchema": SCHEMA,
        "formUi": {"zip": {"widget": "short"}},
    },
    sign={
        "type": "HUMAN_URL_REDIRECT",
        "title": "Sign",
        "url": "{% 'https://sign.example/' & __steps__.form.age %}",
        "expectReturn": False,
    },
    docs={
        "type": "human.doc_upload",
        "acceptedDocuments": [
            {"key": "passport", "name": "Passport", "mimeTypes": ["application/pdf"], "maxSizeBytes": 1_000},
            {"key": "more", "required": False, "multiple": True},
        ],
    },
)
DOCUMENT = {
    "key": "passport",
    "name": "p.pdf",
    "mimeType": "application/pdf",
    "sizeBytes": 999,
    "reference": "s3://kept/1",
}


def asked(api: Api, id: str, step: str) -> Any:
    run = api.call("GetStepRun", step_run_id=f"{id}/{step}/1").step_run
    listed = next(r for r in api.call("ListStepRuns", execution_id=id).step_runs if r.step_id == step)
    assert listed == run
    return run.request if run.HasField("request") else None


def test_each_human_step_shows_what_it_asks_for_and_takes_no_less(api: Api):
    answer = api.start(ONBOARDING, {"name": "Ann"})
    id = answer.execution.id

    form = asked(api, id, "form")
    assert answer.step_runs[1].request == form
    assert (form.title, form.instructions) == ("Your details", "Dear Ann, fill this in.")
    assert json.loads(form.form.schema_json) == SCHEMA
    assert list(json.loads(form.form.schema_json)["properties"]) == ["zip", "age"]
    assert json.loads(form.form.ui_json) == {"zip": {"widget": "short"}}
    with refused("INVALID_ARGUMENT", "OUTPUT_INVALID") as refusals:
        api.complete(id, "form", {"age": "x"})
    assert "(at /age)" in refusals[0].message
    api.complete(id, "form", {"age": 7})
    assert asked(api, id, "form") is None

    sign = asked(api, id, "sign")
    assert (sign.title, sign.redirect.url, sign.redirect.return_expected) == ("Sign", "https://sign.example/7", False)
    api.complete(id, "sign")
    run = api.call("GetStepRun", step_run_id=f"{id}/sign/1").step_run
    assert json.loads(run.input_json) == {"title": "Sign", "url": "https://sign.example/7"}

    passport, more = asked(api, id, "docs").upload.accepted_documents
    assert (passport.key, passport.name, list(passport.mime_types)) == ("passport", "Passport", ["application/pdf"])
    assert (passport.max_size_bytes, passport.required, passport.multiple) == (1000, True, False)
    assert (more.name, more.HasField("max_size_bytes"), more.required, more.multiple) == ("more", False, False, True)
    with refused("INVALID_ARGUMENT", "OUTPUT_INVALID") as refusals:
        api.complete(id, "docs", {"documents": [DOCUMENT | {"reference": "data:application/pdf;base64,AAAA"}]})
    assert refusals[0].facts["pointer"] == "/documents/0/reference"
    answer = api.complete(id, "docs", {"documents": [DOCUMENT]})

    assert status(answer.execution) == "COMPLETED"
    assert json.loads(answer.step_runs[3].output_json) == {"documents": [DOCUMENT]}


def test_all_that_is_wrong_with_documents_is_told_at_once(api: Api):
    id = api.start(definition("start > docs; docs > end", docs=ONBOARDING["steps"][3])).execution.id

    with pytest.raises(grpc.RpcError) as error:
        api.complete(id, "docs", {"documents": [DOCUMENT | {"sizeBytes": 1001, "key": "passport"}, {"key": "x"}]})

    told = error_details_pb2.BadRequest()
    assert any(detail.Unpack(told) for detail in rpc_status.from_call(error.value).details)
    places = [(violation.field, violation.description.partition(":")[0]) for violation in told.field_violations]
    assert len(places) >= 4
    assert set(places) == {("output_json", "/documents/1")}
    with pytest.raises(grpc.RpcError) as error:
        api.complete(id, "docs", {"documents": [DOCUMENT | {"sizeBytes": 1001}, DOCUMENT | {"key": "x", "b64": "AA"}]})
    assert any(detail.Unpack(told) for detail in rpc_status.from_call(error.value).details)
    assert [violation.description.partition(":")[0] for violation in told.field_violations] == [
        "/documents/0/sizeBytes",
        "/documents/1/key",
        "/documents/1/b64",
    ]


def test_what_a_step_asks_for_does_not_change_while_it_is_open(api: Api):
    picture = "start > ps; ps > data, sign; data > pj; sign > pj; pj > end"
    sign = {"type": "human.url_redirect", "url": "{% 'https://a.example/' & ($exists(__steps__.data) ? 'b' : 'a') %}"}
    id = api.start(definition(picture, sign=sign)).execution.id
    before = asked(api, id, "sign")

    api.complete(id, "data", {"x": 1})

    assert before.redirect.url == "https://a.example/a"
    assert asked(api, id, "sign") == before


def test_a_step_that_is_set_free_again_settles_anew(api: Api):
    sign = {"type": "human.url_redirect", "url": "https://a.example/"}
    id = api.start(definition("start > sign; sign > end", sign=sign)).execution.id

    api.call("UpdateStep", execution_id=id, step_id="sign", status="STATUS_DISABLED")
    assert asked(api, id, "sign") is None
    api.call("UpdateStep", execution_id=id, step_id="sign", status="STATUS_RUNNING")

    assert asked(api, id, "sign").redirect.url == "https://a.example/"


def test_an_address_that_is_none_fails_the_execution_in_words(api: Api):
    sign = {"type": "human.url_redirect", "url": "{% __context__.url %}"}
    version = api.publish(definition("start > sign; sign > end", sign=sign))

    for url, said in [("javascript:alert(1)", "no address of a page"), (None, "an address is a string")]:
        execution = api.start(version, {"url": url}).execution
        assert status(execution) == "FAILED"
        assert (execution.error.code, execution.error.step_id) == ("HUMAN_STEP_INVALID", "sign")
        assert said in execution.error.message
