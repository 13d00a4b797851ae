"""A parser for JSONata, so that an expression can be understood without running it.

The engine that evaluates expressions does not show its syntax tree, and `expressions.py` needs one: to hand the engine
only the data that an expression names, to tell what it read, and to put meters where values could grow. This parser
accepts what the engine accepts, is never asked about anything else, and knows where every part stands in the source.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

MAX_DEPTH = 100
"""How deeply the parts of an expression may stand inside each other; each operator of `a + b + c` counts."""


class Unreadable(Exception):
    """The parser lost its way at `position`, a character offset."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression, which is `source[start:end]`.

    | kind | text | parts |
    |---|---|---|
    | string, name | the decoded text | |
    | number, constant, regex | as written | |
    | variable | its name without the `$`: empty for `$`, `$` for `$$` | |
    | wildcard, descendant, parent, placeholder | | |
    | path | | what comes before the dot, the step after it |
    | filter | | the list, the condition (absent in `a[]`) |
    | group, object | | (the list,) key, value, key, value … |
    | sort | | the list, the terms |
    | focus, index | | the step, the variable |
    | binary, apply, range | the operator | left, right |
    | bind | | the variable, the value |
    | condition | `?`, `?:` or `??` | the question, the answers |
    | block, array | | the expressions |
    | call, partial | | the function, the arguments |
    | lambda | the signature | the parameters, the body |
    | negation | | the operand |
    | transform | | pattern, update, deletion (may be absent) |
    """

    kind: str
    start: int
    end: int
    text: str = ""
    parts: tuple[Node, ...] = ()
    depth: int = 1  # of the tree below, this node included


@functools.lru_cache(maxsize=1024)
def parse(source: str) -> Node:
    """Read an expression; raise `Unreadable` where it breaks off."""
    parser = _Parser(source)
    tree = parser.expression(0)
    if parser.token.kind != "end":
        raise Unreadable(f"unexpected {parser.token.text!r}", parser.token.start)
    return tree


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # operator, name, variable, string, number, constant, regex or end
    text: str
    start: int
    end: int


_BINDING = {
    "[": 80, "(": 80, "@": 80, "#": 80, ".": 75, "{": 70, "*": 60, "/": 60, "%": 60, "+": 50, "-": 50, "&": 50,
    "=": 40, "!=": 40, "<": 40, "<=": 40, ">": 40, ">=": 40, "^": 40, "~>": 40, "?:": 40, "??": 40, "in": 40,
    "and": 30, "or": 25, "?": 20, ":=": 10,
}  # fmt: skip
_PLAIN_BINARY = {"*", "/", "%", "+", "-", "&", "=", "!=", "<", "<=", ">", ">=", "in", "and", "or"}
_WORD_OPERATORS = {"and", "or", "in"}
_CONSTANTS = {"true", "false", "null"}
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

_BLANK = re.compile(r"(?:[ \t\n\r\v]+|/\*.*?\*/)*", re.DOTALL)
_OPERATOR = re.compile(r"\.\.|:=|!=|>=|<=|\*\*|~>|\?:|\?\?|[.\[\]{}(),@#;:?+\-*/%|=<>^&!~]")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?")
_WORD = re.compile(r"[^ \t\n\r\v.\[\]{}(),@#;:?+\-*/%|=<>^&!~]+")
_STRING = re.compile(r"""(["'])((?:\\.|(?!\1)[^\\])*)\1""", re.DOTALL)
_QUOTED_NAME = re.compile(r"`([^`]*)`")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


def _scan(source: str, position: int, *, after_operand: bool) -> _Token:
    """Read the next token; a slash divides after an operand, and opens a regular expression elsewhere."""
    start = _BLANK.match(source, position).end()  # type: ignore[union-attr]  # it matches nothing as well
    if start == len(source):
        return _Token("end", "", start, start)
    if source[start] == "/" and not after_operand:
        return _scan_regex(source, start)
    for pattern, token in _TOKENS:
        if found := pattern.match(source, start):
            return token(found, start, found.end())
    raise Unreadable(f"unexpected {source[start]!r}", start)


def _word(found: re.Match[str], start: int, end: int) -> _Token:
    text = found[0]
    if text.startswith("$"):
        return _Token("variable", text[1:], start, end)
    if text in _WORD_OPERATORS:
        return _Token("operator", text, start, end)
    return _Token("constant" if text in _CONSTANTS else "name", text, start, end)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def character(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(character, text)


_TOKENS: list[tuple[re.Pattern[str], Callable[[re.Match[str], int, int], _Token]]] = [
    (_OPERATOR, lambda found, start, end: _Token("operator", found[0], start, end)),
    (_STRING, lambda found, start, end: _Token("string", _unescape(found[2]), start, end)),
    (_NUMBER, lambda found, start, end: _Token("number", found[0], start, end)),
    (_QUOTED_NAME, lambda found, start, end: _Token("name", found[1], start, end)),
    (_WORD, _word),
]


def _scan_regex(source: str, start: int) -> _Token:
    depth = 0
    position = start + 1
    while position < len(source):
        character = source[position]
        if character == "\\":
            position += 1
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "/" and depth == 0:
            end = position + 1
            while end < len(source) and source[end] in "im":
                end += 1
            return _Token("regex", source[start:end], start, end)
        position += 1
    raise Unreadable("a regular expression does not end", start)


class _Parser:
    """Top-down operator precedence: every operator knows how strongly it holds what stands at its left."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._depth = 0
        self._end = 0  # where the token before the present one ended
        self.token = _scan(source, 0, after_operand=False)

    def expression(self, holding: int) -> Node:
        """Read on as long as the operators hold more strongly than `holding`."""
        self._depth += 1
        self._require_shallow(self._depth, self.token.start)
        left = self._prefix(self._next(after_operand=True))
        while self.token.kind == "operator" and holding < _BINDING.get(self.token.text, 0):
            left = self._infix(left, self._next())
        self._depth -= 1
        return left

    def _next(self, *, after_operand: bool = False) -> _Token:
        """Step over the present token and return it."""
        token = self.token
        self._end = token.end
        self.token = _scan(self._source, token.end, after_operand=after_operand)
        return token

    def _at(self, *operators: str) -> bool:
        return self.token.kind == "operator" and self.token.text in operators

    def _expect(self, operator: str, *, after_operand: bool = False) -> _Token:
        if not self._at(operator):
            raise Unreadable(f'expected "{operator}"', self.token.start)
        return self._next(after_operand=after_operand)

    def _node(self, kind: str, start: int, *parts: Node, text: str = "") -> Node:
        depth = 1 + max((part.depth for part in parts), default=0)
        self._require_shallow(depth, start)
        return Node(kind, start, self._end, text, parts, depth)

    def _require_shallow(self, depth: int, position: int) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable(f"more than {MAX_DEPTH} parts stand inside each other", position)

    def _prefix(self, token: _Token) -> Node:
        if token.kind == "end":
            raise Unreadable("unexpected end", token.start)
        if token.kind != "operator":
            return Node(token.kind, token.start, token.end, token.text)
        if token.text in _WORD_OPERATORS:
            return Node("name", token.start, token.end, token.text)
        read = _PREFIXES.get(token.text)
        if read is None:
            raise Unreadable(f'unexpected "{token.text}"', token.start)
        return read(self, token)

    def _infix(self, left: Node, token: _Token) -> Node:
        if token.text in _PLAIN_BINARY:
            right = self.expression(_BINDING[token.text])
            return self._node("binary", left.start, left, right, text=token.text)
        read = _INFIXES.get(token.text)
        if read is None:
            raise Unreadable(f'unexpected "{token.text}"', token.start)
        return read(self, left, token)

    def wildcard(self, token: _Token) -> Node:
        return Node("wildcard", token.start, token.end)

    def descendant(self, token: _Token) -> Node:
        return Node("descendant", token.start, token.end)

    def parent(self, token: _Token) -> Node:
        return Node("parent", token.start, token.end)

    def negation(self, token: _Token) -> Node:
        return self._node("negation", token.start, self.expression(70))

    def block(self, token: _Token) -> Node:
        parts = []
        while not self._at(")"):
            parts.append(self.expression(0))
            if not self._at(";"):
                break
            self._next()
        self._expect(")", after_operand=True)
        return self._node("block", token.start, *parts)

    def array(self, token: _Token) -> Node:
        parts: list[Node] = []
        while not (self._at("]") and not parts):
            parts.append(self._item())
            if not self._at(","):
                break
            self._next()
        self._expect("]", after_operand=True)
        return self._node("array", token.start, *parts)

    def _item(self) -> Node:
        item = self.expression(0)
        if not self._at(".."):
            return item
        self._next()
        return self._node("range", item.start, item, self.expression(0), text="..")

    def object(self, token: _Token) -> Node:
        parts = self._pairs()
        return self._node("object", token.start, *parts)

    def _pairs(self) -> list[Node]:
        parts: list[Node] = []
        while not (self._at("}") and not parts):
            parts.append(self.expression(0))
            self._expect(":")
            parts.append(self.expression(0))
            if not self._at(","):
                break
            self._next()
        self._expect("}", after_operand=True)
        return parts

    def transform(self, token: _Token) -> Node:
        parts = [self.expression(0)]
        self._expect("|")
        parts.append(self.expression(0))
        if self._at(","):
            self._next()
            parts.append(self.expression(0))
        self._expect("|")
        return self._node("transform", token.start, *parts)

    def path(self, left: Node, token: _Token) -> Node:
        return self._node("path", left.start, left, self.expression(_BINDING[token.text]))

    def filter(self, left: Node, _token: _Token) -> Node:
        if self._at("]"):
            self._next()
            return self._node("filter", left.start, left)
        condition = self.expression(0)
        self._expect("]", after_operand=True)
        return self._node("filter", left.start, left, condition)

    def group(self, left: Node, _token: _Token) -> Node:
        parts = self._pairs()
        return self._node("group", left.start, left, *parts)

    def sort(self, left: Node, _token: _Token) -> Node:
        self._expect("(")
        terms = []
        while True:
            if self._at("<", ">"):
                self._next()
            terms.append(self.expression(0))
            if not self._at(","):
                break
            self._next()
        self._expect(")")
        return self._node("sort", left.start, left, *terms)

    def focus(self, left: Node, token: _Token) -> Node:
        return self._node("focus", left.start, left, self._variable(token))

    def index(self, left: Node, token: _Token) -> Node:
        return self._node("index", left.start, left, self._variable(token))

    def _variable(self, token: _Token) -> Node:
        variable = self.expression(_BINDING[token.text])
        if variable.kind != "variable":
            raise Unreadable(f'"{token.text}" needs a variable', variable.start)
        return variable

    def bind(self, left: Node, token: _Token) -> Node:
        if left.kind != "variable":
            raise Unreadable('":=" needs a variable at its left', left.start)
        return self._node("bind", left.start, left, self.expression(_BINDING[token.text] - 1))

    def apply(self, left: Node, token: _Token) -> Node:
        return self._node("apply", left.start, left, self.expression(_BINDING[token.text]), text=token.text)

    def condition(self, left: Node, token: _Token) -> Node:
        parts = [self.expression(0)]
        if token.text == "?" and self._at(":"):
            self._next()
            parts.append(self.expression(0))
        return self._node("condition", left.start, left, *parts, text=token.text)

    def call(self, left: Node, _token: _Token) -> Node:
        arguments: list[Node] = []
        while not (self._at(")") and not arguments):
            arguments.append(self._argument())
            if not self._at(","):
                break
            self._next()
        self._expect(")", after_operand=True)
        if left.kind == "name" and left.text in ("function", "λ"):
            return self._lambda(left, arguments)
        kind = "partial" if any(argument.kind == "placeholder" for argument in arguments) else "call"
        return self._node(kind, left.start, left, *arguments)

    def _argument(self) -> Node:
        if self._at("?"):
            token = self._next()
            return Node("placeholder", token.start, token.end)
        return self.expression(0)

    def _lambda(self, left: Node, parameters: list[Node]) -> Node:
        if odd := next((parameter for parameter in parameters if parameter.kind != "variable"), None):
            raise Unreadable("a parameter must be a variable", odd.start)
        signature = self._signature() if self._at("<") else ""
        self._expect("{")
        body = self.expression(0)
        self._expect("}")
        return self._node("lambda", left.start, *parameters, body, text=signature)

    def _signature(self) -> str:
        start = self.token.start
        depth = 0
        while self.token.kind != "end" and not self._at("{"):
            depth += self._at("<") - self._at(">")
            self._next()
            if depth == 0:
                break
        return self._source[start : self._end]


_PREFIXES: dict[str, Callable[[_Parser, _Token], Node]] = {
    "*": _Parser.wildcard,
    "**": _Parser.descendant,
    "%": _Parser.parent,
    "-": _Parser.negation,
    "(": _Parser.block,
    "[": _Parser.array,
    "{": _Parser.object,
    "|": _Parser.transform,
}
_INFIXES: dict[str, Callable[[_Parser, Node, _Token], Node]] = {
    ".": _Parser.path,
    "[": _Parser.filter,
    "{": _Parser.group,
    "^": _Parser.sort,
    "@": _Parser.focus,
    "#": _Parser.index,
    ":=": _Parser.bind,
    "~>": _Parser.apply,
    "?": _Parser.condition,
    "?:": _Parser.condition,
    "??": _Parser.condition,
    "(": _Parser.call,
}
