"""Definitions of the dialect `orchestrator` over the real server, Temporal and PostgreSQL."""

from __future__ import annotations

import copy
import json
import secrets
from collections import deque
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from heddle.v1.history_event_pb2 import HistoryEvent
from tests.end_to_end.api import Api, refused, status
from tests.end_to_end.task_worker import working

DEFINITIONS = Path(__file__).parent.parent / "definition/orchestrator_definitions"
ORDER = json.loads((DEFINITIONS / "order.json").read_text())
LOAN = json.loads((DEFINITIONS / "loan.json").read_text())
INPUT = {"orderId": "ORD-1", "totalAmount": 99.99, "items": [{"sku": "a", "n": 2}, {"sku": "b", "n": 1}]}
QUICK = {"maxAttempts": 3, "initialInterval": 20, "backoffMultiplier": 2}
TASKS = """
    inventory_reserve invoice_send payment_reminder shipment_create notify inventory_release payment_refund
    shipment_cancel credit_check identity_check make_offer pay_out withdraw_offer recall note reject report remind
    ask_for_documents
"""


Type = HistoryEvent.Type


class Shop:
    """The workers of an order: they note what they got, and do what they are told to."""

    def __init__(self) -> None:
        self.got: deque[tuple[str, dict]] = deque()
        self.told: dict[str, list] = {}  # what a task is to answer, or to raise; then an empty object

    def activities(self):
        return [self._activity(name) for name in TASKS.split()]

    def names(self):
        return [name for name, _ in self.got]

    def _activity(self, name):
        @activity.defn(name=name)
        async def act(task: dict) -> dict:
            self.got.append((name, task["input"]))
            answer = self.told[name].pop(0) if self.told.get(name) else {}
            if isinstance(answer, Exception):
                raise answer
            return answer

        return act


@pytest.fixture
def shop(api: Api, temporal_address, workspace):
    shop = Shop()
    for name in TASKS.split():
        implementation = {"type": "task", "task": name, "taskQueue": workspace}
        api.call(
            "CreateTaskDefinition", key=name, type="TYPE_AUTOMATED", implementation_json=json.dumps(implementation)
        )
    with working(temporal_address, workspace, *shop.activities()):
        yield shop


def start(api: Api, definition, input=INPUT, **fields):
    template = api.call("CreateTemplate", name="Order", key=f"order-{secrets.token_hex(4)}").template
    document = json.dumps(definition)
    version = api.call(
        "CreateVersion", template_id=template.id, label="1.0.0", definition_json=document, dialect="orchestrator"
    ).version
    assert not version.findings
    version = api.call("PublishVersion", version_id=version.id).version
    assert version.definition_json == document
    return api.call(
        "StartExecution", version_id=version.id, input_json=json.dumps(input), correlation_id="ORD-1", **fields
    ).execution.id


def publish(api: Api, event_id, name="payment.received", **payload):
    return api.call("PublishEvent", event_id=event_id, name=name, payload_json=json.dumps(payload))


def order(**steps):
    """Change steps of the order, by their ids."""
    document = copy.deepcopy(ORDER)
    for step in document["steps"]:
        step.update(steps.get(step["stepId"], {}))
    return document


def opened(api, id, step):
    api.await_that(id, lambda _: api.open(id) == [step])


def own_runs(api, id):
    """The runs of the author's steps, each with its visit and status."""
    known = {step["stepId"] for step in [*ORDER["steps"], *ORDER["compensationSteps"]]}
    return [run for run in api.runs(id) if run[0] in known]


def test_b1_and_b3_an_order_runs_to_its_end_with_types_kept(api: Api, shop):
    id = start(api, ORDER)
    opened(api, id, "wait_payment")
    publish(api, "e0", orderId="ORD-2", id="PAY-0", amount=99.99)
    assert api.open(id) == ["wait_payment"]
    publish(api, "e1", orderId="ORD-1", id="PAY-9", amount=99.99)
    opened(api, id, "wait_delivery")
    publish(api, "e2", "shipment.delivered", orderId="ORD-1")

    execution = api.await_end(id)

    assert status(execution) == "COMPLETED"
    assert json.loads(execution.variables_json) == {"paymentId": "PAY-9", "paidAmount": 99.99}
    assert [name for name, *_ in own_runs(api, id)] == [
        "reserve", "invoice", "wait_payment", "check_amount", "ship", "wait_delivery",
    ]  # fmt: skip
    assert list(shop.got) == [
        ("inventory_reserve", {"orderId": "ORD-1", "items": INPUT["items"]}),
        ("invoice_send", {"orderId": "ORD-1", "amount": 99.99}),
        ("shipment_create", {"orderId": "ORD-1"}),
    ]
    (found,) = api.call("ListExecutions", correlation_id="ORD-1").executions
    assert found.id == id
    history = api.call("ListHistoryEvents", execution_id=id).events
    assert [Type.Name(event.type) for event in history if not event.step_id] == [
        "TYPE_WORKFLOW_STARTED", "TYPE_WORKFLOW_COMPLETED",
    ]  # fmt: skip
    assert list(dict.fromkeys(event.step_id for event in history if event.step_id)) == [
        "reserve", "invoice", "wait_payment", "check_amount", "ship", "wait_delivery",
    ]  # fmt: skip


def test_b2_outcomes_errors_and_handlers_lead_on(api: Api, shop):
    shop.told["inventory_reserve"] = [ApplicationError("none left", type="OUT_OF_STOCK", non_retryable=True)]
    out_of_stock = api.await_end(start(api, ORDER))
    assert (status(out_of_stock), shop.names()) == ("COMPLETED", ["inventory_reserve", "notify"])
    assert shop.got[-1][1] == {"kind": "OUT_OF_STOCK"}

    shop.got.clear()
    failures = [ApplicationError("too slow", {"category": "TRANSIENT"}, type="SLOW") for _ in range(3)]
    shop.told["invoice_send"] = list(failures)
    retried = api.await_end(start(api, order(invoice={"retryPolicy": QUICK | {"retryableErrors": ["TRANSIENT"]}})))
    assert (status(retried), shop.names()) == (
        "COMPLETED",
        ["inventory_reserve", "invoice_send", "invoice_send", "invoice_send", "notify"],
    )
    assert shop.got[-1][1] == {"kind": "INVOICE_FAILED", "failureReason": "too slow"}


def test_b3_the_timeout_reminds_and_waits_again(api: Api, shop):
    timeout = {"duration": "PT0.1S", "timeoutHandlerStepId": "remind"}
    shop.told["payment_reminder"] = [{}, {"outcome": "GIVE_UP"}]

    execution = api.await_end(start(api, order(wait_payment={"eventTimeout": timeout})))

    assert status(execution) == "COMPLETED"
    assert [(name, visit) for name, visit, _ in own_runs(api, execution.id)] == [
        ("reserve", 1), ("invoice", 1), ("wait_payment", 1), ("remind", 1), ("wait_payment", 2), ("remind", 2),
        ("notify_abandoned", 1),
    ]  # fmt: skip


def test_b4_aq5_and_aq8_compensations_are_made_by_the_authors_conditions(api: Api, shop):
    shop.told["invoice_send"] = [{"status": "sent"}]  # which hides nothing: the step's own status is COMPLETED
    id = start(api, ORDER)
    opened(api, id, "wait_payment")
    publish(api, "e1", orderId="ORD-1", id="PAY-9", amount=120)
    opened(api, id, "wait_delivery")

    publish(api, "c1", "order.cancelled", orderId="ORD-1")

    execution = api.await_that(id, lambda one: one.compensation.status == 2)
    assert status(execution) == "CANCELLED"
    assert execution.cancellation.reason == "Order cancelled by customer"
    assert [part.id for part in execution.compensation.plan] == ["cancel_shipment", "refund", "release"]
    assert shop.names()[-3:] == ["shipment_cancel", "payment_refund", "inventory_release"]
    assert dict(shop.got)["payment_refund"] == {"paymentId": "PAY-9", "reason": "Order cancelled by customer"}


def test_b4_fraud_cancels_without_compensation(api: Api, shop):
    id = start(api, ORDER)
    opened(api, id, "wait_payment")

    publish(api, "f1", "fraud.detected", orderId="ORD-1")

    execution = api.await_end(id)
    assert (status(execution), execution.cancellation.reason) == ("CANCELLED", "Fraud")
    assert not execution.HasField("compensation")
    assert shop.names() == ["inventory_reserve", "invoice_send"]


def test_b5_and_aq18_the_triggers_of_a_definition_start_it(api: Api, shop):
    triggers = [
        {
            "eventPattern": "carts.*",
            "eventCondition": "data.total > 0 && event.payload.country == 'NL'",
            "inputMapping": {"orderId": "event.payload.id", "totalAmount": "$.payload.total", "items": "data.items"},
            "correlationKey": "event.payload.id",
        },
        {"triggerType": "CANCEL", "eventPattern": "carts.dropped", "correlationKey": "data.id", "reason": "Dropped"},
    ]
    template = api.call("CreateTemplate", name="Order", key="order").template
    version = api.call(
        "CreateVersion",
        template_id=template.id,
        label="1.0.0",
        definition_json=json.dumps(ORDER | {"triggers": triggers}),
        dialect="orchestrator",
    ).version
    api.call("PublishVersion", version_id=version.id)
    api.call("ActivateVersion", version_id=version.id)

    publish(api, "k0", "carts.closed", id="ORD-7", total=5, country="BE")
    publish(api, "k1", "carts.closed", id="ORD-8", total=5, country="NL", items=[1])

    (execution,) = api.call("ListExecutions").executions
    assert execution.correlation_id == "ORD-8"
    execution = api.execution(execution.id)
    assert json.loads(execution.input_json) == {"orderId": "ORD-8", "totalAmount": 5, "items": [1]}
    opened(api, execution.id, "wait_payment")
    publish(api, "k2", "carts.dropped", id="ORD-8", total=0)
    assert api.await_end(execution.id).cancellation.reason == "Dropped"


def test_aq2_people_decide_by_outcomes_and_branches_run_at_once(api: Api, shop):
    shop.told["credit_check"] = [{"score": 400}]
    shop.told["make_offer"] = [{"needsSignature": False, "amount": 5}]
    id = start(api, LOAN, {"applicationId": "A-1", "amount": 5})
    opened(api, id, "credit_manual")
    api.complete(id, "credit_manual")
    opened(api, id, "review")

    with refused("INVALID_ARGUMENT", "OUTCOME_NOT_ALLOWED"):
        api.complete(id, "review", {"remark": "?"}, outcome="MAYBE")
    with refused("INVALID_ARGUMENT", "OUTPUT_INVALID"):
        api.complete(id, "review", {}, outcome="APPROVED")
    api.complete(id, "review", {"remark": "fine", "rate": 4.5}, outcome="APPROVED")

    assert status(api.await_end(id)) == "COMPLETED"
    assert set(shop.names()[:2]) == {"credit_check", "identity_check"}
    assert shop.names()[2:] == ["make_offer", "pay_out"]
    assert dict(shop.got)["make_offer"] == {"rate": 4.5, "amount": 5}
