"""The shell around the engine: one workflow type that runs every plan.

It turns the engine's commands into activities and timers, their results into observations, and sees to it that the
ledger is written before anybody is told of what it says. Decisions are the engine's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from service.definition.plan import Json
from service.domain.execution import PROMPT
from service.engine.advancing import advance, may_proceed, open_commands, phase
from service.engine.commands import CollectOutputs, Command, FetchData, RunTask, SetTimer, StartChildren, Withdraw
from service.engine.entries import Entry
from service.engine.observations import (
    Cancelled,
    DataFetched,
    EventDelivered,
    Observation,
    Proceeded,
    TimerFired,
    decode,
)
from service.engine.pending import Pending
from service.engine.run import Refused
from service.engine.state import OPEN, State, json_size
from service.engine.steps import sub_workflow
from service.plans import Plans
from service.temporal.continuing import Words, carried, is_draining, is_long
from service.temporal.families import collect_outputs, start_children
from service.temporal.fetching import FetchFailed, Fetching
from service.temporal.orders import (
    BEHIND,
    CONFIRM,
    MOMENT,
    NOT_THE_WRITER,
    OBSERVE,
    REFUSED,
    TELL,
    UNREAD,
    UNWRITTEN,
    WORKFLOW,
    Batch,
    Order,
    Place,
)
from service.temporal.pacing import Pace
from service.temporal.tasks import run_task
from service.temporal.writing import PATIENT, SOON, portions, stored_behind, write

FULL_ENTRIES = 200
"""Ledger entries that are written without waiting for a pause."""

FULL_BYTES = 256 * 1024
"""Bytes of inputs and outputs that are written without waiting for a pause; far below Temporal's 2 MiB a message."""

LATEST = timedelta(seconds=1)
"""How long a reader may see an older state of an execution whose tasks are under way, at most."""

ANEW = "tasks-begun-anew"
"""The mark in a history that a task which is begun anew has an activity id of its own; earlier code gave the same."""

Answer = TypeVar("Answer")


def _nowhere(workspace: str, digest: str) -> str:
    raise RuntimeError(f"this worker was not told where plan {digest} of workspace {workspace} is")


plans = Plans(_nowhere)
"""Where this worker finds plans; set once before the worker starts."""


def _no_parts(workspace: str, execution_id: str, digests: Sequence[str]) -> str:
    raise RuntimeError(f"this worker was not told where the state of execution {execution_id} is")


join_parts: Callable[[str, str, Sequence[str]], str] = _no_parts
"""How this worker gets states that were too large to travel; likewise. They never change, as plans do not."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What is being done for a step run."""

    command: Command
    task: asyncio.Task[None]


@workflow.defn(name=WORKFLOW)
class ExecutionWorkflow:
    """One execution, from a state of the engine to its end or to the next run of the same workflow."""

    @workflow.init
    def __init__(self, order: Order) -> None:
        self._order = order
        self._plan = plans.get(order.workspace, order.plan_digest)
        text = join_parts(order.workspace, order.execution_id, order.parts) if order.parts else order.state
        self._state = State.from_json(text)
        self._pending = Pending(self._state)
        self._pace = Pace() if order.paced else None  # None: what began on earlier code goes on as that would
        self._told: list[tuple[int, dict[str, Any]]] = []  # observations to be heard when the ledger is so far
        self._words = Words()
        self._called_at = -1  # the length of the history when a caller last changed something
        self._overdue = False  # the unwritten entries are as old as they may become
        self._clock: asyncio.Task[None] | None = None
        self._work: dict[str, Work] = {}  # by key of the step run
        self._running: set[str] = set()  # keys of step runs whose task is under way
        self._fetching: dict[str, Fetching] = {}  # by key of the step run
        self._begun = False
        self._activity_ids: Counter[str] = Counter()  # of tasks: how often each was given
        self._broken: Exception | None = None  # a defect: fails the workflow task, which is then tried again

    @workflow.run
    async def run(self, order: Order) -> str:
        """Carry the execution on until it ends; gives its final status, raises if that is FAILED.

        Whoever cancels the workflow in Temporal cancels the execution, so the work itself is shielded from that.
        """
        work = asyncio.create_task(self._carry_on())
        while True:
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                if work.done() or work.cancelling():
                    raise  # the worker gives the workflow up, which cancels every task of it
                if self._state.status == OPEN:
                    self._observe(Cancelled(reason="cancelled in Temporal", source="SYSTEM"))

    async def _carry_on(self) -> str:
        if self._is_late() and not await self._is_wanted():
            await self._take_over_the_end()
        for command in open_commands(self._plan, self._state):
            self._obey(command)
        self._begun = True
        self._hear_told()
        while not self._state.is_over or self._pending.unwritten:
            await workflow.wait_condition(self._is_awake)
            if self._broken is not None:
                raise self._broken
            self._hear_told()
            if may_proceed(self._state):
                self._observe(Proceeded())
            if self._must_write():
                await self._write()
            if self._may_continue_as_new():
                await self._continue_as_new()
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._state.status == "FAILED":
            raise ApplicationError("the execution failed; its ledger says why", type="FAILED", non_retryable=True)
        return self._state.status

    @workflow.update(name=OBSERVE)
    async def observe(self, document: dict[str, Any], after: int = 0, again: bool = False) -> Batch:
        """Take in what somebody outside did; gives what is to be written before the caller is told of it.

        The caller's server writes it, since it gets this answer when the effect is durable; the workflow writes the
        same a little later, for the case that the server dies. `after` is the last ledger entry that it has read.
        `again`: it did ask before, and then found another story stored than it was told. What is too large for an
        answer the workflow writes at once, and the server waits for that.
        """
        if not self._begun:  # else go on in the same breath, before a ledger write can hold up the answer
            await workflow.wait_condition(lambda: self._begun)
        self._called_at = workflow.info().get_current_history_length()
        observation = decode(document)
        if not (again and self._pending.holds(observation)):
            moment = self._pending.time_of(after)
            _or_refused(lambda: self._take_in(observation), moment)
        self._overdue = self._overdue or (again and bool(self._pending.unwritten))  # so as to find what is stored soon
        batch = self._batch(self._pending.entries)
        if self._pace is None or not batch.entries or self._pace.takes(self._pending.all_bytes):
            return batch
        self._overdue = bool(self._pending.unwritten)
        last = batch.entries[-1]
        return replace(batch, entries=[], upto=last["number"], moment=last["time"])

    @workflow.signal(name=TELL)
    def tell(self, document: dict[str, Any], after: int = 0) -> None:
        """Take in what happened outside, from somebody who does not wait for the effect.

        `after` is the last ledger entry that he has read: as in `_refuse`, what is written already comes first.
        """
        self._told.append((after, document))
        self._words.note()
        if self._begun:
            self._hear_told()

    @workflow.query(name=UNWRITTEN)
    def unwritten(self, after: int = 0) -> Batch:
        """Give what may not be stored yet, also when the workflow has ended: a replay comes to the same.

        That is the first of it behind the entry `after`; where there is more, `upto` tells.
        """
        whole = self._batch([entry for entry in self._pending.entries if entry.number > after])
        first, *others = portions(whole)
        return replace(first, upto=self._state.number) if others else first

    @observe.validator
    def _refuse(self, document: dict[str, Any], after: int = 0, again: bool = False) -> None:
        """Refuse without a trace in the history what the engine would not allow.

        A worker may die when it has written the ledger and not yet told Temporal. The one that takes over hears updates
        before it comes to what was written; it must not judge them by less than their senders have read. One that asks
        again must have read all that is written, so that between them they know whether it was taken in.
        """
        if after > self._state.number:
            message = f"the workflow is at entry {self._state.number} of its ledger, and entry {after} is written"
            raise ApplicationError(message, type=BEHIND, non_retryable=True)
        if again and after < self._pending.written:
            message = f"entry {self._pending.written} of the ledger is written, and only {after} has been read"
            raise ApplicationError(message, type=UNREAD, non_retryable=True)
        observation = decode(document)
        if not (again and self._pending.holds(observation)):
            moment = self._pending.time_of(after)
            _or_refused(lambda: advance(self._plan, self._state, observation, workflow.now(), moves=0), moment)

    # The engine.

    def _observe(self, observation: Observation) -> None:
        _or_refused(lambda: self._take_in(observation))

    def _take_in(self, observation: Observation) -> None:
        outcome = advance(self._plan, self._state, observation, workflow.now())
        self._state = outcome.state
        self._pending.add(observation, outcome.entries)
        for command in outcome.commands:
            self._obey(command)
        if self._pending.unwritten and self._clock is None and (self._running or not self._is_durable()):
            self._clock = asyncio.create_task(self._grow_old())

    def _is_late(self) -> bool:
        """Tell whether the start was so long on its way that the execution may have been cancelled without Temporal."""
        return (
            self._order.create_time != "" and workflow.now() - datetime.fromisoformat(self._order.create_time) > PROMPT
        )

    async def _take_over_the_end(self) -> None:
        """Go on from the end that is stored: the database's own, or one that an earlier attempt has written."""
        place = Place(self._order.workspace, self._order.execution_id, self._state.number)
        stored = await stored_behind(place)
        if not stored:
            raise ApplicationError("the execution was ended before it began", type=NOT_THE_WRITER, non_retryable=True)
        self._state = self._pending.adopt(self._plan, stored, workflow.now())

    async def _is_wanted(self) -> bool:
        is_wanted: bool = await workflow.execute_activity(
            CONFIRM,
            args=[self._order.workspace, self._order.execution_id],
            result_type=bool,
            start_to_close_timeout=SOON,
            retry_policy=PATIENT,
        )
        return is_wanted

    def _hear_told(self, *, whatever_comes: bool = False) -> None:
        """Hear what was told by those who had read no further than the ledger is, or by everybody."""
        waiting, self._told = self._told, []
        for after, document in waiting:
            if whatever_comes or after <= self._state.number:
                self._hear(document)
            else:
                self._told.append((after, document))

    def _hear(self, document: dict[str, Any]) -> None:
        """Take in what somebody told who does not wait to hear that it does not fit."""
        observation = decode(document)
        if self._state.is_over:
            self._pending.add(observation, ())
            return
        try:
            self._take_in(observation)
        except Refused:
            self._pending.add(observation, ())
        if isinstance(observation, EventDelivered):
            self._overdue = bool(self._pending.unwritten)  # whoever published the event looks for what came of it

    def _is_awake(self) -> bool:
        return (
            self._broken is not None
            or may_proceed(self._state)
            or self._must_write()
            or self._may_continue_as_new()
            or any(after <= self._state.number for after, _ in self._told)
        )

    # Commands.

    def _obey(self, command: Command) -> None:
        match command:
            case RunTask():
                if not is_draining(self._order):
                    self._running.add(command.key)
                    self._begin(command, self._run_task(command))
            case SetTimer():
                self._begin(command, self._set_timer(command))
            case FetchData():
                self._begin_next(command, lambda: self._fetch_data(command))
            case StartChildren():
                self._begin_next(command, lambda: self._start_children(command))
            case CollectOutputs():
                self._begin_next(command, lambda: collect_outputs(self._order, command, self._room))
            case Withdraw():
                self._running.discard(command.key)
                self._fetching.pop(command.key, None)
                if (work := self._work.pop(command.key, None)) is not None:
                    work.task.cancel()

    def _begin_next(self, command: Command, work: Callable[[], Awaitable[Observation]]) -> None:
        """Begin what a step run with children asks for, unless it waits for an answer: then it will ask again.

        With a long history the next run of the workflow does it.
        """
        if command.key not in self._work and not is_long(self._order):
            self._running.add(command.key)
            self._begin(command, work())

    def _begin(self, command: Command, work: Awaitable[Observation]) -> None:
        key = command.key

        async def tell() -> None:
            observation = await work
            if self._work.get(key) is not own:
                return
            del self._work[key]
            self._running.discard(key)
            try:
                self._observe(observation)
            except Exception as error:
                self._broken = error

        own = self._work[key] = Work(command, asyncio.create_task(tell()))

    def _ask_anew(self) -> None:
        """Give up what the state does not ask for any more, and begin what it asks for now."""
        wanted = {command.key: command for command in open_commands(self._plan, self._state)}
        for key in [key for key, work in self._work.items() if work.command != wanted.get(key)]:
            self._obey(Withdraw(key))
        for key, command in wanted.items():
            if key not in self._work:
                self._obey(command)

    async def _run_task(self, command: RunTask) -> Observation:
        await self._room(command.input)
        return await run_task(self._order, command, self._activity_id(command))

    def _activity_id(self, command: RunTask) -> str:
        """Name the activity of an attempt; one that was given up may still run, and Temporal refuses its name twice."""
        id = f"{command.key}/{command.attempt}"
        before, self._activity_ids[id] = self._activity_ids[id], self._activity_ids[id] + 1
        return f"{id}/{before}" if before and workflow.patched(ANEW) else id

    async def _fetch_data(self, command: FetchData) -> Observation:
        try:
            calls = sub_workflow.calls(self._plan, self._state, command, workflow.now())
            given = await self._fetching.setdefault(command.key, Fetching(self._room)).fetch(calls)
        except sub_workflow.Unaskable as error:
            return DataFetched(command.key, error={"code": "EXPRESSION_FAILED", "message": str(error)})
        except FetchFailed as failed:
            return DataFetched(command.key, error=failed.error)
        about: list[dict[str, Any]] = [{} if call.item is None else {"item": call.item} for call, _ in given]
        fetched = [
            {"alias": call.alias, "value": value, **item} for (call, value), item in zip(given, about, strict=True)
        ]
        return DataFetched(command.key, fetched)

    async def _start_children(self, command: StartChildren) -> Observation:
        await self._until_written(command.round)
        children = sub_workflow.orders(self._plan, self._state, command, workflow.now())
        return await start_children(self._order, command, children, self._room)

    async def _until_written(self, number: int) -> None:
        """Have the ledger written up to an entry: children are only started for a step run that can be read."""
        if self._pending.written < number:
            self._overdue = True
            await workflow.wait_condition(lambda: self._pending.written >= number)

    async def _room(self, value: Json) -> None:
        """Wait until the value may be handed to Temporal."""
        if self._pace is not None:
            await self._pace.room(json_size(value))

    async def _set_timer(self, command: SetTimer) -> Observation:
        await workflow.sleep(max(timedelta(0), command.due - workflow.now()))
        return TimerFired(command.key)

    # The ledger.

    def _must_write(self) -> bool:
        """Write when nothing will soon give another reason to, or when there is much to write; meanwhile collect."""
        if not self._pending.unwritten:
            return False
        return (
            self._overdue
            or self._state.is_over
            or len(self._pending.unwritten) >= FULL_ENTRIES
            or self._pending.bytes >= FULL_BYTES
            or (not self._running and not may_proceed(self._state) and self._is_durable())
        )

    def _is_durable(self) -> bool:
        """Tell whether all that caused the unwritten entries is in the history.

        A caller's update is not, until the workflow task ends: should that fail, the update comes again, behind
        whatever happened meanwhile, and the ledger must not know a story that then never was.
        """
        return workflow.info().get_current_history_length() > self._called_at

    async def _write(self) -> None:
        self._overdue = False
        batch = self._batch(self._pending.begin(self._state))
        if stored := await write(batch, at_once=self._is_durable(), pace=self._pace):
            self._adopt(stored)
        else:
            self._pending.end()

    def _adopt(self, stored: list[Entry]) -> None:
        """Go on from what is stored: an attempt of a workflow task has written it, and then failed.

        It did not know of messages that came later, and this one has heard these first.
        """
        self._state = self._pending.adopt(self._plan, stored, workflow.now())
        self._ask_anew()
        self._overdue = bool(self._pending.unwritten)

    def _batch(self, entries: list[Entry]) -> Batch:
        return Batch(
            workspace=self._order.workspace,
            execution_id=self._order.execution_id,
            phase=phase(self._plan, self._state),
            entries=[entry.to_dict() for entry in entries],
        )

    async def _grow_old(self) -> None:
        await workflow.sleep(LATEST)
        self._overdue = bool(self._pending.unwritten)
        self._clock = None

    # Continue as new.

    def _may_continue_as_new(self) -> bool:
        return is_long(self._order) and not self._running and not self._state.is_over

    async def _continue_as_new(self) -> None:
        """Begin the next run with the present state, once the ledger is written and every caller has its answer."""
        while self._pending.unwritten or not workflow.all_handlers_finished():
            if self._pending.unwritten:
                await self._write()
            else:
                await workflow.wait_condition(lambda: bool(self._pending.unwritten) or workflow.all_handlers_finished())
        if self._is_at_rest() and not self._told and not await self._words.have_ceased():
            return
        self._hear_told(whatever_comes=True)  # nobody tells it to the next run
        if not self._is_at_rest():
            return
        number = self._state.number
        state, parts = await carried(self._order, self._state.to_json(), self._room)
        if self._is_at_rest() and not self._told and self._state.number == number:
            workflow.continue_as_new(replace(self._order, state=state, parts=parts, create_time="", paced=True))

    def _is_at_rest(self) -> bool:
        is_busy = self._state.is_over or self._running or self._pending.unwritten or self._broken is not None
        return not is_busy and workflow.all_handlers_finished()


def _or_refused(ask: Callable[[], Answer], moment: str = "") -> Answer:
    """Turn the engine's refusal into the error that a caller of the update meets.

    `moment`: the time of the entry that he has read last, where the workflow does not know it to be stored.
    """
    try:
        return ask()
    except Refused as refused:
        facts = {**refused.facts, **({MOMENT: moment} if moment else {})}
        raise ApplicationError(refused.message, refused.reason, facts, type=REFUSED, non_retryable=True) from refused
