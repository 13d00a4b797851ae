"""Meters in an expression, so that what it may cost does not depend on the machine.

The engine knows two bounds, a depth and a time, and neither keeps memory: a string that doubles in a `$reduce` ends the
process, and so do some functions when their arguments are extreme. A bound in time is also no bound for a workflow,
which must come to the same end when it is replayed on a slower machine. So every expression is rewritten before it
runs. Where values could grow (items of arrays and objects, `&`, results of functions, variables) it shows the value to
a `Meter` and goes on with the very same value:

    $a & $b  →  ($__value__ := $a & $b; $__meter__($__value__); $__value__)

and arguments that a function cannot stand pass a check first. The meter adds up what it sees and stops the expression
at `MAX_WORK`, which is the same everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.definition.syntax import Node
from service.domain.json_text import MAX_NESTING, nesting

MAX_WORK = 4 * 1024 * 1024
"""How much an evaluation may pass through its loops and functions, in bytes; a fifth of a second or so."""

MAX_VALUE = 2 * 1024 * 1024
"""The largest value on the way, in bytes; a value weighs what its JSON does, and each part of it 16 bytes more."""

MAX_CALLS = 32
"""How deeply functions of the expression may call each other, or themselves."""

MAX_RANGE = 100_000
"""How many numbers `[a..b]` may give."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something in an expression that Heddle does not run; `position` is a character offset."""

    code: str
    message: str
    position: int


class Exhausted(Exception):
    """The meter has stopped the expression."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Meter:
    """What one evaluation has cost so far."""

    work: int = 0  # bytes
    calls: int = 0  # functions of the expression that are running
    stopped: Exhausted | None = None

    def reset(self) -> None:
        """Begin a new evaluation."""
        self.work = 0
        self.calls = 0
        self.stopped = None

    def look(self, value: Any) -> None:
        """Count a value, and the step that has made it."""
        if value is None or isinstance(value, bool | int | float):
            self.spend(_STEP)
        elif isinstance(value, str):
            self._require_small(len(value))
            self.spend(_STEP + len(value) // 16)
        else:
            self._require_shallow(value)
            text = json.dumps(value, separators=(",", ":"))
            weight = len(text) + 16 * (text.count(",") + text.count("[") + text.count("{"))
            self._require_small(weight)
            self.spend(_STEP + weight)

    def enter(self) -> None:
        """Count a function of the expression that begins."""
        self.calls += 1
        if self.calls > MAX_CALLS:
            self._stop("TOO_DEEP", f"functions call each other more than {MAX_CALLS} deep")

    def leave(self, value: Any) -> None:
        """Count a function of the expression that ends, and its result."""
        self.calls -= 1
        self.look(value)

    def check(self, rule: str, value: Any) -> None:
        """Stop the expression if an argument is more than a function can stand."""
        work, complaint = _CHECKS[rule](value)
        if complaint is not None:
            self._stop("ARGUMENT_TOO_LARGE", complaint)
        self.spend(work)

    def spend(self, work: int) -> None:
        """Count work in bytes, and stop the expression when it is too much."""
        self.work += work
        if self.work > MAX_WORK:
            self._stop("TOO_MUCH_WORK", f"the expression handles more than {MAX_WORK // 1024**2} MiB of values")

    def _require_shallow(self, value: Any) -> None:
        if nesting(value) > MAX_NESTING:
            self._stop("VALUE_TOO_DEEP", f"a value is nested more than {MAX_NESTING} levels deep")

    def _require_small(self, weight: int) -> None:
        if weight > MAX_VALUE:
            self._stop("VALUE_TOO_LARGE", f"a value grows beyond {MAX_VALUE // 1024**2} MiB")

    def _stop(self, code: str, message: str) -> None:
        self.stopped = self.stopped or Exhausted(code, message)
        raise self.stopped


def refusal(tree: Node) -> Refusal | None:
    """Find the first thing in an expression that Heddle does not run."""
    return next(_refusals(tree), None)


def metered(source: str, tree: Node) -> str:
    """Rewrite an expression with its meters; the result means the same."""
    climbs = any(place.node.kind == "parent" for place in _walk(tree))
    return _Writer(source, climbs).text(tree)


_STEP = 64  # bytes: an empty loop costs time as well
_REFUSED = {
    "eval": "it would run an expression that nobody has checked",
    "random": "an execution must come to the same end when it is replayed",
    "shuffle": "an execution must come to the same end when it is replayed",
}
_CHECKED_ARGUMENTS: dict[str, dict[int, str]] = {
    "pad": {1: "width", 2: "short"},
    "join": {1: "short"},
    "replace": {0: "text", 2: "short"},
    "match": {0: "text"},
    "contains": {0: "text"},
    "split": {0: "text"},
    "distinct": {0: "few"},
    "spread": {0: "few"},
    "keys": {0: "names"},
    "formatInteger": {0: "numeral", 1: "short"},
    "formatNumber": {1: "short"},
    "fromMillis": {1: "picture"},
    "toMillis": {0: "instant", 1: "dated"},
}
_GROWING = {"string", "base64encode", "base64decode", "encodeUrl", "encodeUrlComponent"}
_GUARDED = _CHECKED_ARGUMENTS.keys() | _GROWING
_LOOPING = {"map", "filter", "single", "sift", "each", "sort"}
_SEARCHING = {"match", "contains", "replace", "split"}
_CLOCK = {"now", "millis"}

_COUNTED = [("regex", 8, "a regular expression"), ("descendant", 2, "`**`"), ("parent", 4, "`%`")]
_MAX_REGEX_LENGTH = 256
_MAX_REPETITION = 200
_TIME_OF_DAY = re.compile(r"T.*[0-9]$")
_OFFSET = re.compile(r"[+-][0-9]{2}(:?[0-9]{2})?$")
_NOT_LINEAR = re.compile(r"\(\?<?[=!>]|\\[1-9k]")
_WIDE_CLASS = re.compile(r"\\[pP]")
_CLASS = re.compile(r"\\[wWdDsS]|\.|\[\^")
_COUNTED_REPETITION = re.compile(r"\{(\d*),?(\d*)\}")


def _refusals(tree: Node) -> Iterator[Refusal]:
    places = list(_walk(tree))
    for place in places:
        if (complaint := _complaint(place)) is not None:
            yield Refusal(*complaint, place.node.start)
    for kind, limit, what in _COUNTED:
        found = [place.node for place in places if place.node.kind == kind]
        if len(found) > limit:
            message = f"{what} stands more than {limit} times in the expression"
            yield Refusal("EXPRESSION_TOO_COMPLEX", message, found[limit].start)
    climbing = next((place.node for place in places if place.node.kind == "parent"), None)
    if climbing and any(_may_grow(place) for place in places):
        # A `%` loses its way in the blocks that meters need, so what stands around it must be unable to grow.
        message = "`%` cannot stand together with variables, `$$` or functions of your own"
        yield Refusal("EXPRESSION_TOO_COMPLEX", message, climbing.start)


@dataclass(frozen=True, slots=True)
class _Place:
    """A part of an expression, what it stands in, and the parameters of the functions around it."""

    node: Node
    above: Node | None
    parameters: frozenset[str]

    def is_called(self) -> bool:
        return self.above is not None and self.above.kind in ("call", "partial") and self.above.parts[0] is self.node


def _walk(node: Node, above: Node | None = None, parameters: frozenset[str] = frozenset()) -> Iterator[_Place]:
    """Go through a tree in the order of the source."""
    yield _Place(node, above, parameters)
    if node.kind == "lambda":
        parameters |= {parameter.text for parameter in _bound(node)}
    for part in node.parts:
        yield from _walk(part, node, parameters)


def _may_grow(place: _Place) -> bool:
    node = place.node
    return node.kind == "lambda" or (node.kind == "variable" and node.text != "" and not place.is_called())


def _complaint(place: _Place) -> tuple[str, str] | None:
    node = place.node
    if node.kind == "variable":
        return _variable_complaint(place)
    if node.kind == "regex":
        return _regex_complaint(place)
    if node.kind == "partial" and node.parts[0].kind == "variable" and node.parts[0].text in _GUARDED:
        name = node.parts[0].text
        return "FUNCTION_REFUSED", f"${name} cannot be applied in part; write function($x) {{ ${name}($x, …) }}"
    return None


def _variable_complaint(place: _Place) -> tuple[str, str] | None:
    name = place.node.text
    if name in _REFUSED:
        return "FUNCTION_REFUSED", f"${name} is not available: {_REFUSED[name]}"
    if name.startswith("__"):
        return "NAME_RESERVED", f"variables that begin with $__ are reserved, such as ${name}"
    if name in _GUARDED | _CLOCK and name not in place.parameters and not _may_be_named(place):
        return "FUNCTION_REFUSED", f"${name} can only be called here; write function($x) {{ ${name}($x) }}"
    return None


def _may_be_named(place: _Place) -> bool:
    """Tell whether a function that needs its meters stands where they can be put."""
    node, above = place.node, place.above
    if above is None:
        return False
    if above.kind in ("call", "partial"):
        loops = above.parts[0].kind == "variable" and above.parts[0].text in _LOOPING
        return place.is_called() or (loops and node.text in _GROWING)
    if above.kind == "apply":
        return above.parts[1] is node and node.text in _GUARDED
    return node in _bound(above)


def _bound(node: Node) -> tuple[Node, ...]:
    """The variables to which a part gives a value."""
    if node.kind == "bind":
        return node.parts[:1]
    if node.kind == "lambda":
        return node.parts[:-1]
    return node.parts[1:] if node.kind in ("focus", "index") else ()


def _regex_complaint(place: _Place) -> tuple[str, str] | None:
    text, above = place.node.text, place.above
    if above is None or not (_is_call_of(above, _SEARCHING) or above.kind == "apply"):
        message = "a regular expression can only be an argument of $match, $contains, $replace or $split"
        return "FUNCTION_REFUSED", message
    if _NOT_LINEAR.search(text):
        return "FUNCTION_REFUSED", "regular expressions cannot look around or back: they would take too long"
    if len(text) > _MAX_REGEX_LENGTH:
        return "EXPRESSION_TOO_COMPLEX", f"a regular expression is longer than {_MAX_REGEX_LENGTH} characters"
    if _repetition(text) > _MAX_REPETITION:
        return "EXPRESSION_TOO_COMPLEX", f"a regular expression repeats something more than {_MAX_REPETITION} times"
    return None


def _is_call_of(node: Node, names: set[str]) -> bool:
    return node.kind in ("call", "partial") and node.parts[0].kind == "variable" and node.parts[0].text in names


def _repetition(regex: str) -> int:
    count = 1
    for low, high in _COUNTED_REPETITION.findall(regex):
        count *= max(int(low[:9] or 1), int(high[:9] or 1), 1)
    return count


def _regex_work(regex: str) -> int:
    """Guess what it costs to make a regular expression ready, which the engine does at each use."""
    classes = 1 + len(_CLASS.findall(regex)) + 8 * len(_WIDE_CLASS.findall(regex))
    return 256 * classes * _repetition(regex)


_Verdict = tuple[int, str | None]
"""What a function will cost with an argument, in bytes, and why it cannot have it."""


def _check_range(bounds: Any) -> _Verdict:
    if not (isinstance(bounds, list) and len(bounds) == 2 and all(isinstance(bound, int | float) for bound in bounds)):
        return 0, None  # one bound is missing, or no number: the engine knows what to answer
    count = max(0, bounds[1] - bounds[0] + 1)
    if count > MAX_RANGE:
        return 0, f"[a..b] gives at most {MAX_RANGE:,} numbers"
    return int(count) * 8, None


def _check_width(value: Any) -> _Verdict:
    too_wide = isinstance(value, int | float) and abs(value) > 10_000
    return 0, "$pad fills up to at most 10,000 characters" if too_wide else None


def _check_short(value: Any) -> _Verdict:
    too_long = isinstance(value, str) and len(value) > 256
    return 0, "a separator, replacement, picture or filling has at most 256 characters" if too_long else None


def _check_text(value: Any) -> _Verdict:
    length = len(value) if isinstance(value, str) else 0
    return length, "a text to be searched has at most 262,144 characters" if length > 262_144 else None


def _check_picture(value: Any) -> _Verdict:
    if isinstance(value, str) and re.search(r",[^\]]*\d{4}", value):
        return 0, "a field of a date is at most 999 characters wide"
    return _check_short(value)


def _check_instant(value: Any) -> _Verdict:
    if isinstance(value, str) and _TIME_OF_DAY.search(value) and not _OFFSET.search(value):
        return 0, f"$toMillis needs a zone, because machines differ in theirs: {value[:40]}Z"
    return 0, None


def _check_dated(value: Any) -> _Verdict:
    if isinstance(value, str) and "[Y" not in value:
        return 0, "the picture of $toMillis must name the year, because nothing here knows today's date"
    return _check_picture(value)


def _check_numeral(value: Any) -> _Verdict:
    too_large = isinstance(value, int | float) and abs(value) > 100_000
    return 0, "$formatInteger writes numbers up to 100,000 as Roman numerals" if too_large else None


def _check_few(value: Any) -> _Verdict:
    count = sum(max(1, len(item)) if isinstance(item, dict) else 1 for item in value) if isinstance(value, list) else 0
    return count**2 // 16, "$distinct and $spread take at most 5,000 items or fields" if count > 5_000 else None


def _check_names(value: Any) -> _Verdict:
    members = value if isinstance(value, list) else [value]
    count = len({name for member in members if isinstance(member, dict) for name in member})
    return count**2 // 16, "$keys takes objects with at most 5,000 different names" if count > 5_000 else None


_CHECKS = {
    "range": _check_range,
    "width": _check_width,
    "short": _check_short,
    "text": _check_text,
    "picture": _check_picture,
    "instant": _check_instant,
    "dated": _check_dated,
    "numeral": _check_numeral,
    "few": _check_few,
    "names": _check_names,
}

_LITERALS = {"number", "string", "constant", "regex", "placeholder"}
_FUNCTIONS = {"lambda", "partial", "transform"}


@dataclass(slots=True)
class _Writer:
    """Writes an expression anew, part by part; what needs no meter is copied as it stands."""

    source: str
    climbs: bool  # `%` stands somewhere in it
    loops: int = 0  # how many loops the part at hand stands in

    def text(self, node: Node) -> str:
        write = _WRITERS.get(node.kind)
        return write(self, node) if write else self.copy(node, [self.text(part) for part in node.parts])

    def copy(self, node: Node, parts: list[str]) -> str:
        """Write a node with its parts replaced and everything between them kept."""
        written = []
        position = node.start
        for part, text in zip(node.parts, parts, strict=True):
            written += [self.source[position : part.start], text]
            position = part.end
        written.append(self.source[position : node.end])
        return "".join(written)

    def looped(self, node: Node) -> str:
        self.loops += 1
        text = self.text(node)
        self.loops -= 1
        return text

    def operation(self, node: Node) -> str:
        compares = self.loops > 0 and node.text in ("=", "!=", "in")
        parts = [_look(self.text(part)) if compares and _is_foreign(part) else self.text(part) for part in node.parts]
        text = self.copy(node, parts)
        return _look(text) if node.text == "&" else text

    def regex(self, node: Node) -> str:
        return f"($__spend__({_regex_work(node.text)}); {self.copy(node, [])})"

    def array(self, node: Node) -> str:
        return self.copy(node, [self.item(part) for part in node.parts])

    def item(self, node: Node) -> str:
        """Write a part that a new value is made of."""
        text = self.text(node)
        is_counted = node.kind in _LITERALS | _FUNCTIONS | {"array", "range", "bind"}
        return text if is_counted or self.climbs else _look(text)

    def range(self, node: Node) -> str:
        low, high = (self.text(part) for part in node.parts)
        return (
            f"($__low__ := {low}; $__high__ := {high}; "
            f'$__check__("range", [$__low__, $__high__]); [$__low__..$__high__])'
        )

    def pairs(self, node: Node) -> str:
        first = node.kind == "group"
        self.loops += first
        parts = [self.item(part) if number % 2 else self.text(part) for number, part in enumerate(node.parts[first:])]
        self.loops -= first
        return self.copy(node, [self.text(part) for part in node.parts[:first]] + parts)

    def bind(self, node: Node) -> str:
        variable, value = node.parts
        return self.copy(node, [self.text(variable), self.item(value)])

    def function(self, node: Node) -> str:
        body = node.parts[-1]
        text = (
            f"($__enter__(); $__value__ := {self.looped(body)}; $__leave__($__value__); $__value__)"
            if body.kind not in _LITERALS
            else self.text(body)
        )
        return self.copy(node, [self.text(part) for part in node.parts[:-1]] + [text])

    def path(self, node: Node) -> str:
        before, step = node.parts
        return self.copy(node, [self.text(before), self.step(step)])

    def step(self, node: Node) -> str:
        """Write a part that runs once for each item of what stands before it."""
        if node.kind in ("filter", "focus", "index"):
            inner, *others = node.parts
            return self.copy(node, [self.step(inner), *(self.condition(other) for other in others)])
        text = self.looped(node)
        grows = node.kind in ("call", "block") or (node.kind == "variable" and node.text != "")
        return _look(text) if grows and not self.climbs else text

    def filter(self, node: Node) -> str:
        inner, *conditions = node.parts
        return self.copy(node, [self.text(inner), *(self.condition(condition) for condition in conditions)])

    def condition(self, node: Node) -> str:
        """Write a predicate; a loop within a loop is counted, and a loop over the data itself is not."""
        text = self.looped(node)
        is_index = node.kind == "number" or (node.kind == "negation" and node.parts[0].kind == "number")
        return f"($__meter__(0); {text})" if self.loops and not is_index and node.kind != "variable" else text

    def sort(self, node: Node) -> str:
        inner, *terms = node.parts
        return self.copy(node, [self.text(inner), *(self.looped(term) for term in terms)])

    def call(self, node: Node) -> str:
        called, *arguments = node.parts
        if called.kind == "variable" and called.text in _CLOCK:
            return self.clock(called.text, arguments)
        name = called.text if called.kind == "variable" else ""
        checks = _checks(name, arguments)
        texts = [self.argument(checks.get(number), part) for number, part in enumerate(arguments)]
        text = self.copy(node, [self.text(called), *texts])
        return _look(text) if name in _GUARDED else text

    def clock(self, name: str, arguments: list[Node]) -> str:
        """Write `$now` and `$millis` as what the caller says the time is."""
        if name == "millis":
            return "$__millis__"
        if not arguments:
            return "$__now__"
        texts = [self.argument("picture", part) for part in arguments]
        return _look(f"$fromMillis($__millis__, {', '.join(texts)})")

    def argument(self, check: str | None, node: Node) -> str:
        text = self.text(node)
        if check is not None and not (node.kind == "string" and _CHECKS[check](node.text)[1] is None):
            text = _check(check, text)
        if node.kind in _LITERALS | _FUNCTIONS:
            return text
        is_function = node.kind == "variable" and node.text in _GROWING
        return _look(text) if self.loops and not is_function and not self.climbs else text

    def apply(self, node: Node) -> str:
        """Write `a ~> $f(b)`, where the first argument stands at the left."""
        left, right = node.parts
        called, *arguments = right.parts if right.kind == "call" else (right,)
        name = called.text if called.kind == "variable" else ""
        if name not in _GUARDED:
            return self.copy(node, [self.text(left), self.text(right)])
        checks = _checks(name, [left, *arguments])
        texts = [self.argument(checks.get(number), part) for number, part in enumerate(arguments, start=1)]
        call = self.copy(right, [self.text(called), *texts]) if right.kind == "call" else self.text(right)
        return _look(self.copy(node, [self.argument(checks.get(0), left), call]))


def _checks(name: str, arguments: list[Node]) -> dict[int, str]:
    """Choose the check for each argument of a function, by position."""
    checks = _CHECKED_ARGUMENTS.get(name, {})
    picture = arguments[1] if len(arguments) > 1 else None
    if name == "formatInteger" and picture and picture.kind == "string" and "i" not in picture.text.lower():
        return {}  # only Roman numerals grow with their number
    if name == "toMillis" and picture:
        return {1: checks[1]}
    return checks


def _is_foreign(node: Node) -> bool:
    """Tell whether a part leads away from the item that a loop is at, to something that may be large."""
    while node.kind in ("path", "filter"):
        node = node.parts[0]
    return node.kind == "variable" and node.text != ""


def _check(check: str, text: str) -> str:
    return f'($__value__ := {text}; $__check__("{check}", $__value__); $__value__)'


def _look(text: str) -> str:
    return f"($__value__ := {text}; $__meter__($__value__); $__value__)"


_WRITERS = {
    "binary": _Writer.operation,
    "regex": _Writer.regex,
    "array": _Writer.array,
    "range": _Writer.range,
    "object": _Writer.pairs,
    "group": _Writer.pairs,
    "bind": _Writer.bind,
    "lambda": _Writer.function,
    "path": _Writer.path,
    "filter": _Writer.filter,
    "sort": _Writer.sort,
    "call": _Writer.call,
    "apply": _Writer.apply,
}
