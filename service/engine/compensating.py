"""What compensations get to work with: the step run that they make up for, and why."""

from __future__ import annotations

from collections.abc import Mapping

from service.definition.plan import Json
from service.engine.scope import Overlay, run_record, step_record
from service.engine.state import State, Undoing, json_size

MOST = 256 * 1024
"""Bytes of JSON in a default input; the state is left out where it would be more."""


def scope(state: State, undoing: Undoing, plain: Mapping[str, Json]) -> Mapping[str, Json]:
    """Add to a scope what the part of the compensation that begins next may read.

    The step that is made up for shows as it was at the visit in question, and not at a later one.
    """
    if undoing.next >= len(undoing.parts):
        return plain
    part, output = undoing.parts[undoing.next], _original(state, undoing)
    run = run_record(output, "", part["visit"])
    return Overlay(
        plain,
        {
            "__steps__": Overlay(plain["__steps__"], {part["step_id"]: step_record(run)}),
            "__runs__": Overlay(plain["__runs__"], {part["step_id"]: run}),
            "__cancellation__": undoing.cancellation,
            "__original__": {"output": output, "visit": part["visit"]},
        },
    )


def default_input(state: State, undoing: Undoing, plain: Mapping[str, Json]) -> dict[str, Json]:
    """What a compensation without an input of its own gets."""
    told: dict[str, Json] = {
        "originalOutput": _original(state, undoing),
        "workflowInput": state.input,
        "cancellation": undoing.cancellation,
    }
    whole = {**told, "workflowState": {"variables": state.variables, "steps": dict(plain["__steps__"])}}
    return whole if json_size(whole) <= MOST else told


def _original(state: State, undoing: Undoing) -> Json:
    part = undoing.parts[undoing.next]
    return next(output for step, visit, output in state.done if (step, visit) == (part["step_id"], part["visit"]))
