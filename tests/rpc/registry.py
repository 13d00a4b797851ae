"""What the tests of the registry begin with."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from grpc_status import rpc_status

from tests.end_to_end.api import Api, Refusal
from tests.end_to_end.definitions import definition

M = TypeVar("M", bound=Message)

VALID = json.dumps(definition("start > verify; verify > end", name="Verification"))
OTHER = json.dumps(definition("start > check; check > end", name="Check"))
INVALID = '{"id": "x", "name": "No steps", "steps": [], "stepTransitions": []}'


def a_template(api: Api, name: str = "Customer Verification", **fields: Any) -> Any:
    return api.call("CreateTemplate", name=name, **fields).template


def a_draft(api: Api, template: Any, label: str = "1.0.0", definition_json: str = VALID, **fields: Any) -> Any:
    return api.call(
        "CreateVersion", template_id=template.id, label=label, definition_json=definition_json, **fields
    ).version


def a_published(api: Api, template: Any, label: str = "1.0.0") -> Any:
    return api.call("PublishVersion", version_id=a_draft(api, template, label).id).version


def an_active(api: Api, template: Any, label: str = "1.0.0") -> Any:
    return api.call("ActivateVersion", version_id=a_published(api, template, label).id).version


def an_execution(api: Api, version: Any) -> Any:
    return api.call("StartExecution", version_id=version.id, input_json="{}").execution


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls at the same moment; gives the answer of each, or its Refusal."""
    together = threading.Barrier(len(calls))
    outcomes: list[Any] = [None] * len(calls)

    def make(number: int) -> None:
        together.wait()
        try:
            outcomes[number] = calls[number]()
        except grpc.RpcError as error:
            outcomes[number] = Refusal(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def detail(kind: type[M], call: Callable[[], Any]) -> M:
    """Make a call that is refused; gives the detail of a kind that its error carries."""
    with pytest.raises(grpc.RpcError) as error:
        call()
    message = kind()
    status = rpc_status.from_call(error.value)
    assert any(detail.Unpack(message) for detail in status.details), status
    return message


def reasons(outcomes: list[Any]) -> list[str]:
    """The reasons of the refusals among outcomes."""
    return sorted(outcome.reason for outcome in outcomes if isinstance(outcome, Refusal))
