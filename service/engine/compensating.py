"""What compensations get to work with: the step run that they make up for, and why."""

from __future__ import annotations

from collections.abc import Mapping

from service.definition.plan import Json
from service.engine.scope import Overlay, run_record, step_record
from service.engine.state import Done, State, Undoing, json_size

MOST = 256 * 1024
"""Bytes of JSON in a default input; the state is left out where it would be more."""


def cancellation(data: dict[str, Json], time: str) -> dict[str, Json]:
    """What expressions see as `__cancellation__`, of the data of the entry that gives the execution up."""
    if "error" in data:
        data = {"reason": data["error"]["message"], "source": "SYSTEM"}
    return {
        "reason": data["reason"],
        "source": data.get("source", "USER"),
        "requestedBy": data.get("by", ""),
        "requestedAt": time,
        "eventId": data.get("event", ""),
    }


def scope(done: Done, cancelled: dict[str, Json], plain: Mapping[str, Json]) -> Mapping[str, Json]:
    """Add to a scope what compensations of a completed visit may read.

    The step that is made up for shows as it was at the visit in question, and not at a later one.
    """
    run = run_record(done.output, done.outcome, done.visit)
    return Overlay(
        plain,
        {
            "__steps__": Overlay(plain["__steps__"], {done.step_id: step_record(run)}),
            "__runs__": Overlay(plain["__runs__"], {done.step_id: run}),
            "__cancellation__": cancelled,
            "__original__": {"output": done.output, "visit": done.visit},
        },
    )


def next_done(state: State, undoing: Undoing) -> Done | None:
    """The completed visit that the part which begins next makes up for; None behind the last part."""
    if undoing.next >= len(undoing.parts):
        return None
    part = undoing.parts[undoing.next]
    return next(done for done in state.done if (done.step_id, done.visit) == (part["step_id"], part["visit"]))


def default_input(state: State, undoing: Undoing, plain: Mapping[str, Json]) -> dict[str, Json]:
    """What a compensation without an input of its own gets."""
    told: dict[str, Json] = {
        "originalOutput": None if (done := next_done(state, undoing)) is None else done.output,
        "workflowInput": state.input,
        "cancellation": undoing.cancellation,
    }
    whole = {**told, "workflowState": {"variables": state.variables, "steps": dict(plain["__steps__"])}}
    return whole if json_size(whole) <= MOST else told
