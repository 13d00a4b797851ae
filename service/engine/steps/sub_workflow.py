"""A step that runs another version: one child execution, or one for each item of a list.

What its sources give is fetched first, then the items are fixed, then children are started as far as the step's
concurrency lets them; when all have ended their outputs are collected. Inputs are made when a child starts, so that a
batch of thousands holds no more in memory than what is under way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile

from service.definition.expressions import ExpressionError
from service.definition.plan import Json, Plan, Step
from service.engine.commands import CollectOutputs, FetchCall, FetchData, StartChildren
from service.engine.observations import ChildEnded, ChildrenStarted, DataFetched, OutputsCollected
from service.engine.providing import MappingError, Provider
from service.engine.run import Run, Visit, describe
from service.engine.state import MAX_STATE, Family, OpenRun, State, json_size
from service.engine.steps.kind import Kind

MAX_ITEMS = 10_000
"""Children that one batch may have."""

CHUNK = 50
"""Children that are started at a time."""

MAX_INPUT = 256 * 1024
"""Bytes of JSON in the input of a child, as of any execution."""

FETCH_CHUNK = 10
"""Items whose own data is fetched at a time: it stands in the state until they start."""


@dataclass(frozen=True, slots=True)
class ChildOrder:
    """A child to be started; with `error` {code, message} it cannot be."""

    item: int
    version: str
    name: str  # empty: the name of the child's template
    input: Json
    subject_type: str
    subject_id: str
    error: Json = None


class Unaskable(Exception):
    """A data source cannot be asked, since an expression of its params fails; the text says which and why."""


def orders(plan: Plan, state: State, command: StartChildren, now: datetime) -> list[ChildOrder]:
    """Say what children to start for a command; empty when the step run has been closed."""
    opened = state.open.get(command.key)
    if opened is None or opened.children is None:
        return []
    run = Run(plan, state, now)
    return [_order(run, plan.step[opened.step_id], opened, opened.children, item) for item in command.items]


def _order(run: Run, step: Step, opened: OpenRun, family: Family, item: int) -> ChildOrder:
    provider = _provider(run, step, opened, {**family.data, **family.item_data.get(str(item), {})}, item)
    settings = step.settings
    subject = settings.get("subject", {"type": ""})
    try:
        order = ChildOrder(
            item=item,
            version=settings["version"],
            name=provider.text(settings["name"], "childWorkflowName") if "name" in settings else "",
            input=provider.mapped(settings["mapping"]),
            subject_type=subject["type"],
            subject_id=provider.text(subject["id"], "childSubject.id") if "id" in subject else "",
        )
    except (ExpressionError, MappingError) as error:
        return ChildOrder(item, settings["version"], "", None, "", "", error=_error_of(error))
    if (size := json_size(order.input)) > MAX_INPUT:
        message = f"inputMapping gave {size:,} bytes of JSON for item {item}, the limit is {MAX_INPUT:,}"
        return replace(order, input=None, error={"code": "INPUT_TOO_LARGE", "message": message})
    return order


def calls(plan: Plan, state: State, command: FetchData, now: datetime) -> list[FetchCall]:
    """Say what to fetch for a command; raises Unaskable when the params of a source cannot be made."""
    opened = state.open.get(command.key)
    if opened is None or opened.children is None:
        return []
    run = Run(plan, state, now)
    step, family = plan.step[opened.step_id], opened.children
    found: list[FetchCall] = []
    for item in command.items or (None,):
        # Not with what was fetched beside it: that depends on how much came at a time.
        provider = _provider(run, step, opened, {} if item is None else family.data, item)
        known = family.data if item is None else family.item_data.get(str(item), {})
        wanted = [one for one in _sources(step, each=item is not None) if one["alias"] not in known]
        found += [_call(provider, opened.key, source, item) for source in wanted]
    return found


def _sources(step: Step, *, each: bool) -> list[dict[str, Json]]:
    """The sources of a step that are asked for each item, or those that are asked once."""
    return [source for source in step.settings["sources"] if source.get("each", False) == each]


def _call(provider: Provider, key: str, source: dict[str, Json], item: int | None) -> FetchCall:
    try:
        params = provider.params(source["params"]) if "params" in source else {}
    except ExpressionError as error:
        raise Unaskable(describe(error, f'params of data source "{source["alias"]}"')) from error
    return FetchCall(
        key=key,
        alias=source["alias"],
        type=source["type"],
        id=source["id"],
        params=params,
        timeout=source["timeout"],
        retry=source["retry"],
        item=item,
    )


def _provider(run: Run, step: Step, opened: OpenRun, data: Mapping[str, Json], item: int | None) -> Provider:
    if item is None or step.settings["mode"] == "SINGLE":
        return Provider(run.scope, run.now, data)
    return Provider(run.scope, run.now, data, opened.input[item])


def _error_of(error: ExpressionError | MappingError) -> dict[str, Json]:
    if isinstance(error, MappingError):
        return {"code": "MAPPING_FAILED", "message": str(error)}
    return {"code": "EXPRESSION_FAILED", "message": describe(error, "sub-workflow")}


# From the first token to the items.


def _open(run: Run, visit: Visit) -> None:
    lost = run.state.lost.get(visit.retries)
    family = Family(round=run.state.number + 1)
    if lost is not None and lost.children is not None and lost.children.items is not None:
        run.wait(visit, "RUNNING", input=lost.input, children=_again(lost.children, family.round))
        _judge(run, run.visit_of(run.state.open[visit.key]))
        return
    if not all(source.get("each") for source in visit.step.settings["sources"]):
        run.wait(visit, "RUNNING", children=family)
        return
    # Before it opens: a step that fails at once must not look as if it had waited, or a loop of it would never end.
    items = _items(run, visit, family)
    if items is not None:
        run.wait(visit, "RUNNING", children=family)
        _plan(run, run.visit_of(run.state.open[visit.key]), items)


def _again(earlier: Family, round: int) -> Family:
    """Keep what has succeeded, and start the rest anew; some may have ended before the word came that they started."""
    next = max([earlier.next, *(item + 1 for item in earlier.early)])
    succeeded_early = {*earlier.early} - {*earlier.failed}
    again = {*earlier.again, *earlier.open, *earlier.failed, *range(earlier.next, next)} - succeeded_early
    return Family(
        round=round,
        items=earlier.items,
        data=earlier.data,
        again=tuple(sorted(again)),
        next=next,
        succeeded=earlier.succeeded,
        size=earlier.size,
    )


def _items(run: Run, visit: Visit, family: Family) -> list[Json] | None:
    """Work out the items, of which a step without a list has none; None when that fails: then the step has failed."""
    if visit.step.settings["mode"] == "SINGLE":
        return []
    try:
        items = Provider(run.scope, run.now, family.data).items(visit.step.settings["items"])
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"iterable of step {visit.step.id}"))
        return None
    if len(items) > MAX_ITEMS:
        message = f"the iterable of step {visit.step.id} gave {len(items):,} items, the limit is {MAX_ITEMS:,}"
        run.fail(visit, "TOO_MANY_ITEMS", message)
    elif problem := run.too_large(visit.step.id, items):
        run.fail(visit, "INPUT_TOO_LARGE", f"the items of its iterable: {problem}")
    else:
        return items
    return None


def _plan(run: Run, visit: Visit, items: list[Json]) -> None:
    """Fix the items."""
    if visit.step.settings["mode"] == "SINGLE":
        run.note("CHILDREN_PLANNED", visit, items=1)
    else:
        run.note("CHILDREN_PLANNED", visit, items=len(items), input=items)
        _judge(run, visit)


def _fetched(run: Run, visit: Visit, fetched: DataFetched) -> None:
    if fetched.error:
        run.fail(visit, **fetched.error)
        return
    family = _family(run, visit)
    selects: dict[str, str | None] = {
        source["alias"]: source.get("select") for source in visit.step.settings["sources"]
    }
    provider = Provider(run.scope, run.now, family.data)
    held = run.state.size + sum(_held(opened) for opened in run.state.open.values())
    for one in fetched.fetched:
        alias = one["alias"]
        select = selects[alias]
        try:
            chosen = one["value"] if select is None else provider.selected(select, one["value"])
        except ExpressionError as error:
            run.fail(visit, "EXPRESSION_FAILED", describe(error, f'select of data source "{alias}"'))
            return
        held += json_size(chosen)
        if held > MAX_STATE:
            message = (
                f'data source "{alias}" brings the execution to {held:,} bytes of JSON, the limit is {MAX_STATE:,}'
            )
            run.fail(visit, "DATA_SOURCE_TOO_LARGE", message)
            return
        run.note("DATA_FETCHED", visit, **{**one, "value": chosen})
    family = _family(run, visit)
    is_whole = all(source["alias"] in family.data for source in _sources(visit.step, each=False))
    if family.items is None and is_whole and (items := _items(run, visit, family)) is not None:
        _plan(run, visit, items)


def _held(opened: OpenRun) -> int:
    """Count the bytes of JSON that a state holds for the children of a step run."""
    family = opened.children
    return 0 if family is None else json_size([family.data, family.item_data, opened.input])


# Children.


def _command(step: Step, opened: OpenRun) -> FetchData | StartChildren | CollectOutputs | None:
    family = opened.children
    if family is None:
        return None
    if family.items is None:
        return FetchData(opened.key)
    if family.has_ended:
        return CollectOutputs(opened.key, family.round, family.items)
    room = step.settings["concurrency"] - len(family.open)
    own = {source["alias"] for source in _sources(step, each=True)}
    items = family.pending(min(room, FETCH_CHUNK if own else CHUNK)) if room > 0 else ()
    ready = tuple(takewhile(lambda item: own <= family.item_data.get(str(item), {}).keys(), items))
    if ready:  # also when others still wait for their data: what is held for these makes room
        return StartChildren(opened.key, family.round, ready)
    return FetchData(opened.key, items) if items else None


def _started(run: Run, visit: Visit, started: ChildrenStarted) -> None:
    if started.items:
        run.note("CHILDREN_STARTED", visit, items=started.items)
    for ended in started.ended:
        if visit.key in run.state.open:
            _child_ended(run, visit, ChildEnded(key=visit.key, round=_family(run, visit).round, **ended))


def _child_ended(run: Run, visit: Visit, ended: ChildEnded) -> None:
    family = _family(run, visit)
    if ended.round != family.round or not _is_news(family, ended):
        return
    error = {"error": ended.error} if ended.error else {}
    run.note("CHILD_ENDED", visit, item=ended.item, id=ended.id, status=ended.status, size=ended.size, **error)
    _judge(run, visit, ended)


def _is_news(family: Family, ended: ChildEnded) -> bool:
    """Tell whether the word of a child is not known yet; words may come twice, and before that of the child's start."""
    if ended.item in family.open:
        return True
    if ended.item in family.failed:
        return ended.status == "COMPLETED"  # the child itself was retried
    is_pending = ended.item in family.again or family.next <= ended.item < (family.items or 0)
    return is_pending and ended.item not in family.early


def _judge(run: Run, visit: Visit, ended: ChildEnded | None = None) -> None:
    """Fail the step when more children failed than it tolerates; complete it when there is nothing to collect."""
    family = _family(run, visit)
    settings = visit.step.settings
    too_many = len(family.failed) > _tolerated(settings, family.items or 0)
    if too_many and (family.has_ended or not settings.get("waitForAll")):
        run.fail(visit, "CHILD_FAILED", _failure(visit, family, ended))
    elif settings["collect"] and (problem := run.too_large_size(visit.step.id, family.size)):
        run.fail(visit, "OUTPUT_TOO_LARGE", f"{problem}; collectOutputs: false does without them")
    elif family.has_ended and not (settings["collect"] and family.items):
        run.complete(visit, [] if settings["collect"] else None)


def _tolerated(settings: dict[str, Json], items: int) -> int:
    tolerated = settings.get("tolerated", {"count": 0})
    if "count" in tolerated:
        return int(tolerated["count"])
    return math.floor(items * float(tolerated["percentage"]) / 100)


def _failure(visit: Visit, family: Family, ended: ChildEnded | None) -> str:
    """Say which child failed and how many did."""
    message = f"step {visit.step.id}: {len(family.failed)} of {family.items} child executions failed"
    if ended is None or ended.status == "COMPLETED":
        return message
    of = f"execution {ended.id}" if ended.id else "not started"
    why = f": {ended.error['code']}: {ended.error['message']}" if ended.error else ""
    return f"{message}; the last was item {ended.item} ({of}, {ended.status}){why}"


def _collected(run: Run, visit: Visit, collected: OutputsCollected) -> None:
    outputs = collected.outputs
    run.complete(visit, outputs[0] if visit.step.settings["mode"] == "SINGLE" else outputs)


def _family(run: Run, visit: Visit) -> Family:
    family = run.state.open[visit.key].children
    assert family is not None
    return family


SUB_WORKFLOW = Kind(
    enter=_open,
    command=_command,
    hears={
        DataFetched: _fetched,
        ChildrenStarted: _started,
        ChildEnded: _child_ended,
        OutputsCollected: _collected,
    },
)
