"""Writes the expressions of the dialect `orchestrator` as JSONata that means what JavaScript means by them.

Where the two languages agree the JSONata is what a person would write; where they do not, a small function of
`_HELPERS` stands in it. What JavaScript would call NaN is nothing at all here, and a name asked of nothing gives
nothing where JavaScript would throw.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from service.definition.conditions import embedding, roots
from service.definition.conditions.grammar import Node, Refusal
from service.definition.conditions.roots import Scope


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of JSONata.

    `kind` is what it gives: boolean; maybe (true, or else false or nothing); number (or nothing); string; null;
    undefined; any. `level` tells how tightly it binds, from 0 to `_ATOM`.
    """

    text: str
    level: int
    kind: str
    helpers: frozenset[str] = frozenset()
    is_path: bool = False  # names with dots between, and nothing else
    reads_event: bool = False
    literal: str | int | float | bool | None = None  # the value of a constant that is not null
    opposite: Code | None = None  # what it negates


def condition(tree: Node, scope: Scope) -> str:
    """Write an expression whose truth is asked.

    At the top of an event's condition, `event.x === y` comes out as `__event__.x = y`, one of the parts of an `and`:
    by these the engine finds who waits for an event. They hold when both sides are there and equal.
    """
    writer = _Writer(scope)
    parts = _conjuncts(tree)
    found = [writer.equation(part) for part in parts]
    equations = [equation for equation in found if equation is not None]
    others = [writer.truth(part) for part, equation in zip(parts, found, strict=True) if equation is None]
    written = [*equations, *([_alone(_all(others))] if others else [])]
    return _all(written).text


def value(tree: Node, scope: Scope) -> str:
    """Write an expression whose value is wanted."""
    return _alone(_definite(_Writer(scope).code(tree))).text


def text(parts: Iterable[str | Node], scope: Scope) -> str:
    """Write a text with values in it; what is missing leaves nothing."""
    writer = _Writer(scope)
    return _alone(writer.joined(parts)).text


_CHOICE, _OR, _AND, _COMPARE, _SUM, _PRODUCT, _ATOM = 20, 25, 30, 40, 50, 60, 90

_HELPERS = {
    "num": (
        'function($v) { $type($v) = "number" ? $v : $type($v) = "boolean" ? ($v ? 1 : 0) : $type($v) = "null" ? 0 : '
        '$type($v) = "string" ? ($trim($v) = "" ? 0 : '
        "$contains($v, /^\\s*[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]{1,2})?\\s*$/) ? $number($trim($v))) }"
    ),
    "text": 'function($v) { $exists($v) ? $string($v) : "undefined" }',
    "truthy": 'function($v) { $type($v) in ["array", "object"] or $boolean($v) }',
    "lt": (
        'function($a, $b) { $type($a) = "string" and $type($b) = "string" ? $a < $b : ($num($a) < $num($b)) = true }'
    ),
    "le": (
        'function($a, $b) { $type($a) = "string" and $type($b) = "string" ? $a <= $b : ($num($a) <= $num($b)) = true }'
    ),
    "add": (
        'function($a, $b) { $type($a) in ["string", "array", "object"] or $type($b) in ["string", "array", "object"] ? '
        "$text($a) & $text($b) : $num($a) + $num($b) }"
    ),
    "same": "function($a, $b) { $exists($a) ? $a = $b : $not($exists($b)) }",
    "like": (
        "function($a, $b) { $not($a != null) or $not($b != null) ? $not($a != null or $b != null) : "
        "$type($a) = $type($b) ? $a = $b : "
        '$not($type($a) in ["array", "object"] or $type($b) in ["array", "object"]) and $num($a) = $num($b) }'
    ),
    "empty": 'function($v) { $not($v != null) or $v = "" or $v = [] or $v = {} }',
    "has": (
        'function($a, $b) { $type($a) = "string" ? $exists($b) and $contains($a, $string($b)) : '
        '$type($a) = "array" and $b in $a }'
    ),
    "len": 'function($v) { $type($v) = "string" ? $length($v) : $type($v) = "array" ? $count($v) : $v.length }',
}
"""What JavaScript's operators mean, as functions of JSONata; one may use those above it."""

_USES = {
    "lt": ("num",), "le": ("num",), "add": ("num", "text"), "like": ("num",),
}  # fmt: skip
_NUMERIC = re.compile(r"\s*([-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?)?\s*", re.ASCII)
_CONSTANTS: dict[str, Code] = {
    "true": Code("true", _ATOM, "boolean", literal=True),
    "false": Code("false", _ATOM, "boolean", literal=False),
    "null": Code("null", _ATOM, "null"),
    "undefined": Code("undefined", _ATOM, "undefined"),
}
_EQUAL = {"===": True, "!==": True, "==": False, "!=": False, "=": False}
"""Whether an operator compares types as well."""

_FUNCTIONS = {"exists": 1, "isEmpty": 1, "contains": 2}


@dataclass(slots=True)
class _Writer:
    scope: Scope
    variables: int = field(default=0)  # how many have been named

    def equation(self, node: Node) -> Code | None:
        """Write one part of a condition's `and` if it says what something of the event equals, else None."""
        if not (node.kind == "binary" and node.value in ("===", "==", "=") and "event" in self.scope.roots):
            return None
        left, right = (self.code(part) for part in node.parts)
        asks = any(side.is_path and side.reads_event for side in (left, right))
        if not asks or left.reads_event == right.reads_event or {left.kind, right.kind} & {"null", "undefined"}:
            return None
        return _operation("=", _alone(_definite(left)), _alone(_definite(right)), _COMPARE, "boolean")

    def truth(self, node: Node) -> Code:
        """Write an expression as JavaScript takes it for true or false."""
        if node.kind == "binary" and node.value in ("&&", "||"):
            left, right = (self.truth(part) for part in node.parts)
            return _logic(str(node.value), left, right)
        if node.kind == "choice":
            question, *answers = (self.truth(part) for part in node.parts)
            return _choice(question, *answers, kind="boolean" if answers[0].kind == answers[1].kind else "maybe")
        return self.as_truth(self.code(node))

    def as_truth(self, code: Code) -> Code:
        if code.literal is not None:
            return _CONSTANTS["true" if code.literal else "false"]
        match code.kind:
            case "boolean" | "maybe":
                return code
            case "null" | "undefined":
                return _CONSTANTS["false"]
            case "number" | "string":
                return _call("$boolean", code, kind="maybe")
        if code.is_path:
            tested = f'($type({code.text}) in ["array", "object"] or $boolean({code.text}))'
            return _joined(tested, code, kind="boolean")
        return _call("$truthy", code, kind="boolean", helper="truthy")

    def code(self, node: Node) -> Code:
        """Write an expression for its value."""
        match node.kind:
            case "number":
                return Code(json.dumps(node.value), _ATOM, "number", literal=node.value)
            case "string":
                return self.string(str(node.value), node.start)
            case "name" | "field" | "index" | "each":
                return self.path(node)
            case "call":
                return self.call(node)
            case "not":
                return _negated(self.truth(node.parts[0]))
            case "minus":
                operand = self.number(node.parts[0])
                return _joined(f"-{_within(operand, _ATOM)}", operand, kind="number", level=_PRODUCT)
            case "plus":
                return self.number(node.parts[0])
            case "choice":
                return self.choice(node)
        return self.binary(node)

    def string(self, written: str, position: int) -> Code:
        if "${" in written:
            return self.joined(embedding.pieces(written, position + 1))
        return _constant(written)

    def choice(self, node: Node) -> Code:
        question = self.truth(node.parts[0])
        first, second = (_stated(_definite(self.code(part))) for part in node.parts[1:])
        return _choice(question, first, second, kind=first.kind if first.kind == second.kind else "any")

    def number(self, node: Node) -> Code:
        return self.as_number(self.code(node))

    def binary(self, node: Node) -> Code:
        operator = str(node.value)
        if operator in ("&&", "||", "??"):
            return self.chosen(node)
        if operator in _EQUAL:
            return self.equality(node)
        if operator in ("<", "<=", ">", ">="):
            return self.order(node)
        if operator == "+":
            left, right = (self.code(part) for part in node.parts)
            return self.sum(left, right)
        left, right = (self.number(part) for part in node.parts)
        return _operation(operator, left, right, _SUM if operator == "-" else _PRODUCT, "number")

    def chosen(self, node: Node) -> Code:
        """Write `&&`, `||` or `??`, which give one of their operands."""
        operator = str(node.value)
        left, right = (_stated(_definite(self.code(part))) for part in node.parts)
        if left.kind == right.kind == "boolean" and operator != "??":
            return _operation(
                *(("and", left, right, _AND) if operator == "&&" else ("or", left, right, _OR)), "boolean"
            )
        asked = left if left.is_path else Code(self.variable(), _ATOM, left.kind)
        question = _is_there(asked) if operator == "??" else self.as_truth(asked)
        first, second = (right, asked) if operator == "&&" else (asked, right)
        chosen = _choice(question, first, second, kind=left.kind if left.kind == right.kind else "any")
        if left.is_path:
            return chosen
        return _joined(f"({asked.text} := {left.text}; {chosen.text})", left, chosen, kind=chosen.kind)

    def variable(self) -> str:
        self.variables += 1
        return f"$v{self.variables}"

    def equality(self, node: Node) -> Code:
        left, right = (_definite(self.code(part)) for part in node.parts)
        equal = self.equal(left, right, is_strict=_EQUAL[str(node.value)])
        return _negated(equal) if str(node.value).startswith("!") else equal

    def equal(self, left: Code, right: Code, *, is_strict: bool) -> Code:
        kinds = {left.kind, right.kind}
        if "undefined" in kinds or ("null" in kinds and not is_strict):
            one, other = (left, right) if right.kind in ("undefined", "null") else (right, left)
            return _is_nothing(one, other, is_strict=is_strict)
        if not is_strict and not _is_plainly_compared(left, right):
            return _call("$like", left, right, kind="boolean", helper="like")
        if is_strict and "any" in kinds and left.kind == right.kind:
            return _call("$same", left, right, kind="boolean", helper="same")
        return _operation("=", left, right, _COMPARE, "boolean")

    def order(self, node: Node) -> Code:
        left, right = (_definite(self.code(part)) for part in node.parts)
        operator = str(node.value)
        if "number" in (left.kind, right.kind):
            return _operation(operator, self.as_number(left), self.as_number(right), _COMPARE, "maybe")
        if left.kind == right.kind == "string":
            return _operation(operator, left, right, _COMPARE, "boolean")
        first, second = (left, right) if operator in ("<", "<=") else (right, left)
        name = "le" if "=" in operator else "lt"
        return _call(f"${name}", _stated(first), _stated(second), kind="boolean", helper=name)

    def as_number(self, code: Code) -> Code:
        """Write something as JavaScript takes it for a number."""
        if code.kind == "number":
            return code
        return _call("$num", _definite(code), kind="number", helper="num")

    def sum(self, left: Code, right: Code) -> Code:
        left, right = _definite(left), _definite(right)
        if left.kind == right.kind == "number":
            return _operation("+", left, right, _SUM, "number")
        if "string" in (left.kind, right.kind):
            return _operation("&", _as_text(left), _as_text(right), _SUM, "string")
        return _call("$add", _stated(left), _stated(right), kind="any", helper="add")

    def joined(self, parts: Iterable[str | Node]) -> Code:
        """Join text and values; what is missing leaves nothing."""
        codes = [_constant(part) if isinstance(part, str) else _stated(_definite(self.code(part))) for part in parts]
        first, *others = codes if len(codes) > 1 else (Code('""', _ATOM, "string"), *codes)
        for other in others:
            first = _operation("&", first, other, _SUM, "string")
        return first

    def call(self, node: Node) -> Code:
        name = str(node.value)
        if name not in _FUNCTIONS:
            message = f"{name}(…) cannot be called: there are exists(x), isEmpty(x) and contains(x, y)"
            raise Refusal(message, node.start)
        if len(node.parts) != _FUNCTIONS[name]:
            count = "one argument" if _FUNCTIONS[name] == 1 else "two arguments"
            raise Refusal(f"{name}(…) takes {count}, not {len(node.parts)}", node.start)
        arguments = [_stated(_definite(self.code(part))) for part in node.parts]
        match name:
            case "exists":
                return _is_there(arguments[0])
            case "isEmpty":
                return _call("$empty", *arguments, kind="boolean", helper="empty")
        return _call("$has", *arguments, kind="boolean", helper="has")

    def path(self, node: Node) -> Code:
        """Write a path: what its first names stand for, and the rest of it behind that."""
        steps = [node]
        while steps[-1].parts and steps[-1].kind != "call" and steps[-1].kind in ("field", "index", "each"):
            steps.append(steps[-1].parts[0])
        first, *others = reversed(steps)
        if first.kind != "name":
            return self.continued(self.parenthesised(first), others)
        if first.value in _CONSTANTS and not others:
            return _CONSTANTS[str(first.value)]
        names = [str(first.value)]
        for step in others:
            if step.kind != "field" or (step.value == "length" and step is others[-1]):
                break
            names.append(str(step.value))
        found = roots.find(names, self.scope, first.start)
        reads_event = found.text.startswith("__event__")
        code = Code(found.text, _ATOM, "any", is_path=not found.text.startswith("("), reads_event=reads_event)
        return self.continued(code, others[found.names - 1 :])

    def parenthesised(self, node: Node) -> Code:
        code = _stated(_definite(self.code(node)))
        return code if code.text.startswith("(") and code.level == _ATOM else _joined(f"({code.text})", code)

    def continued(self, code: Code, steps: list[Node]) -> Code:
        for step in steps:
            if step.kind == "each":
                continue  # a name asked of a list is asked of each of its items
            if step.kind == "field" and step.value == "length" and step is steps[-1]:
                return _call("$len", code, kind="any", helper="len")
            if step.kind == "index":
                code = _joined(f"{code.text}[{step.value}]", code)
            else:
                code = self.named(code, str(step.value), step.start)
        return code

    def named(self, code: Code, name: str, position: int) -> Code:
        if not name or "`" in name or not name.isprintable():
            raise Refusal(f"a field with the name {json.dumps(name)} cannot be asked for", position)
        return Code(f"{code.text}.{roots.quoted(name)}", _ATOM, "any", code.helpers, code.is_path, code.reads_event)


def _conjuncts(node: Node) -> list[Node]:
    parts: list[Node] = []
    while node.kind == "binary" and node.value == "&&":
        parts.append(node.parts[1])
        node = node.parts[0]
    return [node, *reversed(parts)]


def _alone(code: Code) -> Code:
    """Put the helpers that a piece needs before it."""
    if not code.helpers:
        return _stated(code)
    needed = code.helpers | {used for name in code.helpers for used in _USES.get(name, ())}
    functions = "; ".join(f"${name} := {body}" for name, body in _HELPERS.items() if name in needed)
    return Code(f"({functions}; {_stated(code).text})", _ATOM, code.kind)


def _within(code: Code, level: int) -> str:
    """Write a piece as an operand of something that binds with `level`."""
    return code.text if code.level > level else f"({code.text})"


def _joined(text: str, *codes: Code, kind: str = "any", level: int = _ATOM, helper: str | None = None) -> Code:
    helpers = frozenset().union(*(code.helpers for code in codes), {helper} if helper else set())
    return Code(text, level, kind, helpers, reads_event=any(code.reads_event for code in codes))


def _all(codes: list[Code]) -> Code:
    """Join conditions by `and`."""
    first, *others = codes
    for other in others:
        first = _operation("and", first, other, _AND, "boolean")
    return first


def _logic(operator: str, left: Code, right: Code) -> Code:
    if operator == "&&":
        return _operation("and", left, right, _AND, "boolean")
    return _operation("or", left, right, _OR, "boolean")


def _choice(question: Code, first: Code, second: Code, *, kind: str) -> Code:
    text = f"{_within(question, _OR)} ? {_within(first, _OR)} : {_within(second, _OR)}"
    return _joined(text, question, first, second, kind=kind, level=_CHOICE)


def _call(function: str, *codes: Code, kind: str, helper: str | None = None) -> Code:
    arguments = ", ".join(_stated(code).text for code in codes)
    return _joined(f"{function}({arguments})", *codes, kind=kind, helper=helper)


def _operation(operator: str, left: Code, right: Code, level: int, kind: str) -> Code:
    first = left.text if left.level >= level and level != _COMPARE else _within(left, level)
    return _joined(f"{first} {operator} {_within(right, level)}", left, right, kind=kind, level=level)


def _stated(code: Code) -> Code:
    """Write `undefined`, which is no word in JSONata, as something that gives nothing."""
    return Code("{}.undefined", _ATOM, "undefined", code.helpers) if code.kind == "undefined" else code


def _definite(code: Code) -> Code:
    """Make `maybe` a boolean."""
    if code.kind != "maybe":
        return code
    return _joined(f"{_within(code, _COMPARE)} = true", code, kind="boolean", level=_COMPARE)


def _negated(code: Code) -> Code:
    if code.opposite is not None:
        return code.opposite
    code = _definite(code)
    return replace(_joined(f"$not({code.text})", code, kind="boolean"), opposite=code)


def _is_there(code: Code) -> Code:
    """Ask whether something is there and not null; JSONata says so, since nothing at all differs from nothing."""
    return _joined(f"{_within(code, _COMPARE)} != null", code, kind="boolean", level=_COMPARE)


def _is_nothing(asked: Code, nothing: Code, *, is_strict: bool) -> Code:
    """Compare with undefined, or loosely with null."""
    if not is_strict:
        return _negated(_is_there(_stated(asked)))
    if asked.kind == "undefined" or nothing.kind == "null":
        return _CONSTANTS["true" if asked.kind == nothing.kind else "false"]
    return _negated(_call("$exists", asked, kind="boolean"))


def _is_plainly_compared(left: Code, right: Code) -> bool:
    """Tell whether `==` means the same as `===`, because no value could be converted to equal the other."""
    if left.kind == right.kind and left.kind != "any":
        return True
    return any(isinstance(side.literal, str) and not _NUMERIC.fullmatch(side.literal) for side in (left, right))


def _as_text(code: Code) -> Code:
    if code.kind == "string":
        return code
    if code.kind in ("boolean", "null"):
        return _call("$string", code, kind="string")
    return _call("$text", _stated(code), kind="string", helper="text")


def _constant(text: str) -> Code:
    return Code(json.dumps(text, ensure_ascii=False), _ATOM, "string", literal=text)
