"""What a step run with child executions has done by activities of Heddle's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from temporalio import workflow

from service.engine.commands import CollectOutputs, StartChildren
from service.engine.observations import ChildrenStarted, OutputsCollected
from service.engine.state import json_size
from service.engine.steps.sub_workflow import ChildOrder
from service.temporal.orders import COLLECT, SPAWN, Family, Order, Started
from service.temporal.pacing import Room, fitting
from service.temporal.writing import PATIENT


async def start_children(
    order: Order, command: StartChildren, children: Sequence[ChildOrder], room: Room
) -> ChildrenStarted:
    """Start the first of these children, as many as go into one message; the engine asks for the others again."""
    first = children[: fitting(json_size(child.input) for child in children)]
    family = _family(order, command, orders=[asdict(child) for child in first])
    started: Started = await _ask(SPAWN, family, Started, room)
    return ChildrenStarted(command.key, started.items, started.ended)


async def collect_outputs(order: Order, command: CollectOutputs, room: Room) -> OutputsCollected:
    """Read the outputs of the children, in the order of their items."""
    return OutputsCollected(command.key, await _ask(COLLECT, _family(order, command, items=command.items), list, room))


def _family(order: Order, command: StartChildren | CollectOutputs, **what: Any) -> Family:
    step_id, _, visit = command.key.rpartition("/")
    return Family(order.workspace, order.execution_id, step_id, int(visit), command.round, **what)


async def _ask(activity: str, family: Family, result_type: type[Any], room: Room) -> Any:
    """Run an activity until it succeeds."""
    await room(family.orders)
    return await workflow.execute_activity(
        activity,
        family,
        result_type=result_type,
        start_to_close_timeout=timedelta(seconds=60),
        retry_policy=PATIENT,
    )
