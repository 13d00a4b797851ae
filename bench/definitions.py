"""What the measured executions run, in the words of the `graph` dialect."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

TASK = "bench.step"
"""The activity behind every task."""

TASK_QUEUE = "bench-tasks"

AT_ONCE = 50
"""Children of a batch that run at a time."""

INPUT: dict[str, Any] = {"company": "Example Weaving", "large": True}


def _human(id: str) -> dict[str, Any]:
    return {"id": id, "type": "human.confirm", "name": id}


def _task(id: str) -> dict[str, Any]:
    input = {"company": INPUT["company"]}
    return {"id": id, "type": "task", "name": id, "task": TASK, "taskQueue": TASK_QUEUE, "input": input}


def _gateway(id: str) -> dict[str, Any]:
    return {"id": id, "type": "gateway.exclusive_split", "name": id}


def _line(name: str, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One step after the other."""
    end = {"id": "end", "type": "end", "name": "end"}
    chain = [{"id": "start", "type": "start", "name": "start"}, *steps, end]
    transitions = [_transition(source, target) for source, target in itertools.pairwise(chain)]
    return {"id": "bench", "name": name, "steps": chain, "stepTransitions": transitions}


def _choices(name: str, number: int) -> dict[str, Any]:
    """One choice after the other; each goes on for a large input, and else to the choice before or behind it."""
    choices = [_gateway(f"choice{position}") for position in range(number)]
    definition = _line(name, choices)
    for position, (choice, on) in enumerate(zip(choices, definition["stepTransitions"][1:], strict=True)):
        on["condition"] = {"type": "jsonata", "src": "__context__.large = true"}
        other = choices[position - 1] if position else choices[-1]
        definition["stepTransitions"].append(_transition(choice, other) | {"isDefault": True})
    return definition


def _transition(source: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"{source['id']}-{target['id']}", "fromStepId": source["id"], "toStepId": target["id"]}


def batch(version_id: str) -> dict[str, Any]:
    """Run a version for each of the input's `items`, so many at a time as the bare batch does."""
    step = {
        "id": "children",
        "type": "sys.sub_workflow",
        "name": "children",
        "mode": "BATCH",
        "childWorkflowTemplateVersionId": version_id,
        "iterable": {"type": "EXPRESSION", "expr": {"src": "__context__.items"}},
        "inputMapping": [
            {"id": "number", "targetPath": "number", "value": {"expr": {"src": "__each__"}}},
            {"id": "company", "targetPath": "company", "value": {"ref": {"source": "CONTEXT", "path": "company"}}},
        ],
        "maxConcurrency": AT_ONCE,
    }
    return _line("A batch", [step])


ONE_WAIT = _line(
    "One event",
    [
        {
            "id": "wait",
            "type": "event.wait",
            "pattern": "payment.received",
            "condition": "__event__.payload.orderId = __context__.orderId",
        }
    ],
)
HUMAN = _line("One human step", [_human("confirm")])
ONE_TASK = _line("One task", [_task("task1")])
TWO_TASKS = _line("Two tasks", [_task("task1"), _task("task2")]) | {
    "outputExpression": "{% __steps__.task2.outputData %}"
}
ORDER: dict[str, Any] = {
    "id": "order-processing",
    "name": "Order processing",
    "inputSchema": {"type": "object", "required": ["orderId"]},
    "steps": [
        {
            "stepId": step,
            "type": "TASK",
            "taskId": TASK,
            "input": {"orderId": "${workflow.input.orderId}", "amount": "${workflow.input.totalAmount}"},
            "retryPolicy": {"maxAttempts": 3, "initialInterval": 1000, "backoffMultiplier": 2},
            "transitions": {"default": following} if following else {},
        }
        for step, following in itertools.pairwise(
            ["validate_order", "process_payment", "ship_order", "notify_success", None]
        )
    ],
}
"""Four tasks in a row, in the dialect `orchestrator`."""
FIVE_TASKS = _line("Five tasks", [_task(f"task{number}") for number in range(1, 6)])
INLINE = _choices("Five inline steps", 3)
