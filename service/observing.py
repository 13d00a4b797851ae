"""Bringing an observation to an execution, wherever it lives, and storing what came of it before anybody is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from service.awaiting import planned
from service.domain.execution import Execution
from service.engine.entries import Entry
from service.engine.observations import FromOutside, encode
from service.engine.projecting import ENDS
from service.gateway import Doubtful, Effect, Gateway, TemporalAway, Unread, WorkflowEnded
from service.recording import Diverged, NotTheWriter, of_one_try, record, stored_after
from storage import executions, ledger
from storage.database import connection
from storage.executions import Recorded

log = logging.getLogger(__name__)

PAUSE = 0.05
"""Seconds between two questions to a workflow that is about to find that its ledger tells otherwise."""

SOON = 0.01
"""Seconds between two looks at what a workflow is about to write."""


def observe(gateway: Gateway, execution: Execution, observation: FromOutside, id: str, seconds: float) -> Recorded:
    """Bring an observation to an execution and store its effect; gives what that leaves to do about its family.

    The workflow may write the same effect first, and then does the same about the family; who waits for it, too, knows
    when it is done.

    Raises Refused as the engine judges, WorkflowEnded when the execution takes no more, TemporalAway when nobody
    answered: the observation may have been taken in, and may be sent again under the same id.
    """
    limit = time.monotonic() + seconds
    try:
        return _stored(execution, _brought(gateway, execution, observation, id, seconds), limit)
    except Diverged as other:
        log.info("%s; bringing the %s again", other, type(observation).__name__)
    except Doubtful as refused:
        if _is_stored(execution, execution.last_number, refused.moment):
            raise
        log.info(
            "execution %s refused %s by what is not stored; asking again", execution.id, type(observation).__name__
        )
    return _observe_again(gateway, execution, observation, id, limit)


def _brought(gateway: Gateway, execution: Execution, observation: FromOutside, id: str, seconds: float) -> Effect:
    after = execution.last_number
    with connection():
        launch = executions.launch_of(execution.workspace, execution.id) if execution.status == "CREATED" else None
    if launch is not None:
        return gateway.start_and_observe(launch, encode(observation), id, seconds, after=after)
    if execution.is_over:
        raise WorkflowEnded(f"execution {execution.id} is {execution.status}")
    return gateway.observe(execution.workflow_id, encode(observation), id, seconds, after=after)


def _observe_again(gateway: Gateway, execution: Execution, observation: FromOutside, id: str, limit: float) -> Recorded:
    """Find what became of an observation whose effect was told as part of a story that then never was.

    The workflow finds the other story when it comes to write its own, and judges anew. Either what came of the
    observation's request is stored by now, or the workflow holds it unwritten, or it is judged once more; observations
    without a request have no effect a second time.
    """
    while (left := limit - time.monotonic()) > 0:
        with connection():
            stored = stored_after(execution.workspace, execution.id, execution.last_number)
        if observation.request and any(entry.data.get("request") == observation.request for entry in stored):
            return _left(execution, stored)
        after = stored[-1].number if stored else execution.last_number
        try:
            word, name = encode(observation), f"{id}/{uuid4()}"
            effect = gateway.observe(execution.workflow_id, word, name, left, after=after, again=True)
            return _stored(execution, effect, limit)
        except (Diverged, Unread):
            time.sleep(PAUSE)
        except Doubtful as refused:
            if _is_stored(execution, after, refused.moment):
                raise
            time.sleep(PAUSE)
    raise TemporalAway(f"the workflow of execution {execution.id} did not come to what is stored in time")


def _is_stored(execution: Execution, number: int, moment: str) -> bool:
    """Tell whether the ledger has an entry of this number and time."""
    with connection():
        found = ledger.entries(execution.workspace, execution.id, after=number - 1, limit=1)
    return bool(found) and found[0]["time"] == moment


def _stored(execution: Execution, effect: Effect, limit: float) -> Recorded:
    """Store an effect, or wait until the workflow has: it does so at once with what is too large for an answer.

    Raises as `store` does, and TemporalAway when the workflow does not come to it.
    """
    if not effect.upto:
        return store(execution, effect)
    while True:
        with connection():
            stored = ledger.standing(execution.workspace, execution.id, after=execution.last_number)
        if stored is None or (stored.is_over and stored.last_number < effect.upto):
            raise WorkflowEnded(f"execution {execution.id} has ended")
        if stored.last_number >= effect.upto:
            entries = of_one_try(stored.entries)
            told = [entry for entry in entries if entry.number <= effect.upto]
            if not entries:
                raise WorkflowEnded(f"execution {execution.id} has ended")
            if not told or told[-1].time != effect.moment:
                raise Diverged(execution.id, told or entries)
            return _left(execution, told)
        if time.monotonic() + SOON > limit:
            raise TemporalAway(f"execution {execution.id} took it in, but what came of it is not written yet")
        time.sleep(SOON)


def store(execution: Execution, effect: Effect) -> Recorded:
    """Write an effect, so that every read after that shows it.

    Raises WorkflowEnded when another writer came before, Diverged when the effect is none, since other entries stand in
    its place.
    """
    with connection():
        try:
            record(execution.workspace, execution.id, effect.entries, effect.phase, datetime.now(UTC))
        except NotTheWriter as other:
            raise WorkflowEnded(str(other)) from other
    return _left(execution, effect.entries)


def _left(execution: Execution, entries: Sequence[Entry]) -> Recorded:
    ends = any(entry.type in ENDS for entry in entries)
    cancels = any(entry.data.get("cancels") for entry in entries)
    waits = any("wait" in entry.data or "waits" in entry.data for entry in entries)
    reports = ends and execution.parent_id is not None
    return Recorded(reports=reports, cancels=cancels, planned=planned(entries), waits=waits)
