"""The expression language: JSONata, bounded and deterministic.

The one module that knows the engine (`jsonata-rs`). The same expression over the same scope at the same `now` has the
same outcome on every machine: no clock, no randomness, and the bounds that an expression meets in practice count what
it does (`metering.py`). Two bounds of the engine remain behind them: the depth of its own calls, and a time that only
an expression can reach which the meters do not see, such as nested paths over large lists. Such an expression may fail
on one machine and pass on another, so the time is far above what anything useful takes.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jsonata

from service.definition import metering, reading, syntax
from service.domain.json_text import MAX_NESTING, Json, nesting

MAX_LENGTH = 4096
"""The longest expression, in characters."""

MAX_RESULT = 1024 * 1024
"""The largest result, in bytes of JSON."""

MAX_READ = 1024
"""What is kept of a value that an expression has read, in bytes of JSON; of a larger one only the size is."""


class Undefined:
    """The type of `UNDEFINED`."""

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = Undefined()
"""The result of an expression that finds nothing; null is something else."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an expression cannot run; `position` is a character offset, None where no place is to blame."""

    code: str  # of JSONata (S0207), or a word of ours (FUNCTION_REFUSED)
    message: str
    position: int | None = None


class ExpressionError(Exception):
    """An expression has failed; `code` is JSONata's (T2001), or a word of ours (TOO_MUCH_WORK)."""

    def __init__(self, code: str, message: str, source: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.source = source


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an expression gave, and what it read: `{"__steps__.approve.outputData.issueFound": True}`.

    `reads` holds what stands at the paths that the expression names and that exist; a value of more than `MAX_READ`
    bytes is told by `{"$size": bytes}`.
    """

    value: Json | Undefined
    reads: dict[str, Json]


def check(source: str) -> Problem | None:
    """Tell whether an expression can run at all."""
    return _problem(source)


def evaluate(source: str, scope: Mapping[str, Any], now: datetime) -> Evaluation:
    """Evaluate an expression; raise `ExpressionError` if it cannot run, fails, or asks for too much.

    The scope binds names such as `__context__` to JSON values; any mapping in it may compute its values when asked.
    `now` is what `$now()` and `$millis()` say.
    """
    program = _program(source)
    return Evaluation(_value(program, scope, now), _reads(program, scope))


def select(source: str, value: Json, now: datetime) -> Json | Undefined:
    """Ask an expression of one JSON value of any kind, such as `$.data`; raise `ExpressionError` as `evaluate` does.

    `$` is the value, and names are looked up in it: in a list, in each of its items. Nothing else can be named.
    """
    program = _program(source)
    return _value(_of_null(program) if value is None else program, value, now)


def truth(value: Json | Undefined) -> bool:
    """Tell whether a result counts as true, as `$boolean` does; nothing at all is false."""
    if isinstance(value, list):
        return any(truth(item) for item in value)
    return bool(value)


def render(template: Json, scope: Mapping[str, Any], now: datetime) -> Json:
    """Fill a template: a string that is wholly `{% expression %}` becomes its value, everything else stays as it is.

    A field whose expression finds nothing is left out; in a list, and at the top, it is null.
    """
    value = _rendered(template, scope, now)
    return None if value is UNDEFINED else value


def template_expressions(template: Json, pointer: str = "") -> Iterator[tuple[str, str]]:
    """List the expressions of a template, each with the JSON pointer to where it stands."""
    if isinstance(template, str) and (source := embedded(template)) is not None:
        yield pointer, source
    elif isinstance(template, dict):
        for key, part in template.items():
            yield from template_expressions(part, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(template, list):
        for number, part in enumerate(template):
            yield from template_expressions(part, f"{pointer}/{number}")


def embedded(text: str) -> str | None:
    """Take the expression out of `{% expression %}`; None if the text is something else."""
    found = _EMBEDDED.fullmatch(text)
    return found[1].strip() if found else None


def paths(source: str) -> tuple[reading.Path, ...]:
    """List the paths that an expression names, as far as its syntax tells; none if it does not parse."""
    return () if _problem(source) is not None else _program(source).paths


def step_references(source: str) -> tuple[str, ...]:
    """List the ids that an expression asks of `__steps__`, as far as its syntax tells; empty if it does not parse."""
    if _problem(source) is not None:
        return ()
    return tuple(dict.fromkeys(path[1] for path in _program(source).paths if path[:1] == ("__steps__",) and path[1:]))


_EMBEDDED = re.compile(r"\s*\{%(.*)%\}\s*", re.DOTALL)
_TIMEOUT = 1000  # milliseconds; a workflow that thinks for two seconds is taken for dead
_DEPTH = 500  # calls of the engine inside each other; needs about 1 MiB of the thread's stack
_ENGINES_PER_THREAD = 128


@dataclass(frozen=True, slots=True)
class _Program:
    """An expression that can run, and what is known of it."""

    source: str
    metered: str
    paths: tuple[reading.Path, ...]
    plain_path: reading.Path | None


@functools.lru_cache(maxsize=2048)
def _problem(source: str) -> Problem | None:
    if len(source) > MAX_LENGTH:
        return Problem("TOO_LONG", f"an expression has at most {MAX_LENGTH:,} characters; this one has {len(source):,}")
    try:
        _compiled(source)
        tree = syntax.parse(source)
        if (refusal := metering.refusal(tree)) is not None:
            return Problem(refusal.code, refusal.message, refusal.position)
        _compiled(metering.metered(source, tree))
    except jsonata.JsonataError as error:
        return Problem(error.code, _message(error), error.position if error.position >= 0 else None)
    except syntax.Unreadable as error:
        return Problem("TOO_COMPLEX", str(error), error.position)
    except UnicodeEncodeError as error:
        return Problem("INVALID_TEXT", "the expression holds half of a surrogate pair", error.start)
    return None


@functools.lru_cache(maxsize=2048)
def _program(source: str) -> _Program:
    problem = _problem(source)
    if problem is not None:
        raise ExpressionError(problem.code, problem.message, source)
    tree = syntax.parse(source)
    return _Program(source, metering.metered(source, tree), reading.paths(tree), reading.plain_path(tree))


def _of_null(program: _Program) -> _Program:
    """Rewrite an expression to be asked of null, which the engine would take for no value at all."""
    return replace(program, metered=f"$__null__.({program.metered})")


def _compiled(source: str) -> jsonata.Jsonata:
    engine = jsonata.Jsonata(source)
    engine.set_runtime_bounds(_TIMEOUT, _DEPTH)
    engine.set_output_convert_nulls(False)
    return engine


def _message(error: jsonata.JsonataError) -> str:
    return str(error).replace(" Object", " function")[:500]  # the engine has put the word into JSONata's own messages


class _Engine:
    """An expression made ready to run, with the meter that its functions tell of each value."""

    def __init__(self, program: _Program) -> None:
        self.meter = metering.Meter()
        self.run = _compiled(program.metered)
        self.run.register_function("__meter__", self.meter.look)
        self.run.register_function("__enter__", self.meter.enter)
        self.run.register_function("__leave__", self.meter.leave)
        self.run.register_function("__check__", self.meter.check)
        self.run.register_function("__spend__", self.meter.spend)


class _Engines(threading.local):
    """The engines of one thread: they may not be shared, nor be thrown away by another."""

    def __init__(self) -> None:
        self._engines: OrderedDict[str, _Engine] = OrderedDict()

    def get(self, program: _Program) -> _Engine:
        engine = self._engines.get(program.metered)
        if engine is None:
            engine = self._engines[program.metered] = _Engine(program)
            if len(self._engines) > _ENGINES_PER_THREAD:
                self._engines.popitem(last=False)
        self._engines.move_to_end(program.metered)
        return engine


_engines = _Engines()


def _value(program: _Program, scope: Any, now: datetime) -> Json | Undefined:
    """Run an expression over a scope, or over whatever value stands in its place."""
    if program.plain_path is not None and (found := _at(scope, program.plain_path)) is not reading.MISSING:
        return _bounded(_plain(found), program.source)
    data = reading.narrow(scope, program.paths)
    bindings = {"__millis__": _millis(now), "__now__": _iso(now), "__null__": None}
    try:
        value = _run(_engines.get(program), data, bindings)
    except metering.Exhausted as error:
        raise ExpressionError(error.code, str(error), program.source) from None
    except jsonata.JsonataError as error:
        raise ExpressionError(error.code, _message(error), program.source) from None
    except (ValueError, OverflowError) as error:
        raise ExpressionError("VALUE_UNUSABLE", f"a value cannot be computed with: {error}", program.source) from None
    return UNDEFINED if value is jsonata.UNDEFINED else _bounded(value, program.source)


def _at(scope: Any, path: reading.Path) -> Any:
    """Look a path up without the engine, so that nothing is converted and whole numbers stay exact.

    Lists on the way are left to the engine.
    """
    value: Any = scope
    for name in path:
        if not isinstance(value, Mapping):
            return reading.MISSING
        value = reading.follow(value, (name,))
    return value


def _run(engine: _Engine, data: Any, bindings: dict[str, Any]) -> Any:
    engine.meter.reset()
    try:
        try:
            return engine.run.evaluate(data, bindings)
        except ValueError:  # most likely a mapping of another kind, deep in the scope
            return engine.run.evaluate(_plain(data), bindings)
    except jsonata.JsonataError:
        if engine.meter.stopped is not None:
            raise engine.meter.stopped from None
        raise


def _plain(value: Any) -> Any:
    """Copy a value as plain JSON; a double that is whole comes back as an int, as it does from the engine."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    return value


def _bounded(value: Json, source: str) -> Json:
    if value is None or isinstance(value, bool | int):
        return value
    if nesting(value) > MAX_NESTING:
        message = f"the result is nested more than {MAX_NESTING} levels deep"
        raise ExpressionError("VALUE_TOO_DEEP", message, source)
    try:
        size = _size(value)
    except ValueError as error:
        raise ExpressionError("VALUE_UNUSABLE", f"the result cannot be written as JSON: {error}", source) from None
    if size > MAX_RESULT:
        message = f"the result has {size:,} bytes, more than {MAX_RESULT:,}"
        raise ExpressionError("VALUE_TOO_LARGE", message, source)
    return value


def _size(value: Any) -> int:
    """Measure a value, in bytes of its JSON."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
    return len(text.encode())


def _reads(program: _Program, scope: Mapping[str, Any]) -> dict[str, Json]:
    found = {path: reading.follow(scope, path) for path in program.paths if path}
    return {reading.written(path): _read(value) for path, value in found.items() if value is not reading.MISSING}


def _read(value: Any) -> Json:
    if value is None or isinstance(value, bool | int | float):
        return value
    size = _size(value)
    return _plain(value) if size <= MAX_READ else {"$size": size}


def _rendered(template: Json, scope: Mapping[str, Any], now: datetime) -> Json | Undefined:
    if isinstance(template, str):
        source = embedded(template)
        return template if source is None else _value(_program(source), scope, now)
    if isinstance(template, dict):
        fields = {name: _rendered(part, scope, now) for name, part in template.items()}
        return {name: value for name, value in fields.items() if value is not UNDEFINED}
    if isinstance(template, list):
        return [render(part, scope, now) for part in template]
    return template


def _iso(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _millis(now: datetime) -> int:
    return (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
