"""The grammar of the dialect `orchestrator`'s expressions: the part of JavaScript that its authors use.

The one module that knows the parser library. What it does not accept it refuses with the place and, where the fault is
a known one, with what to write instead.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Final

import lark

MAX_LENGTH = 4096
"""The longest expression, in characters."""

MAX_DEPTH = 60
"""How deeply the parts of an expression may stand inside each other; each operator of `a + b + c` counts."""


class Refusal(Exception):
    """An expression that is not taken; `position` is a character offset in the author's text."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression; `start` is a character offset.

    | kind | value | parts |
    |---|---|---|
    | number, string | the number, the decoded text | |
    | name | the name | |
    | field, index | the name, the number | what it is asked of |
    | each | | what stands before `[*]` |
    | call | the function's name | the arguments |
    | not, minus, plus | | the operand |
    | binary | the operator | left, right |
    | choice | | the question, the two answers |
    """

    kind: str
    start: int
    value: str | int | float | None = None
    parts: tuple[Node, ...] = ()
    depth: int = 1  # of the tree below, this node included


def parse(source: str, offset: int = 0) -> Node:
    """Read an expression; raise `Refusal` if it is none. Positions count from `offset` before its first character."""
    if len(source) > MAX_LENGTH:
        raise Refusal(f"an expression has at most {MAX_LENGTH:,} characters; this one has {len(source):,}", offset)
    if not source.strip():
        raise Refusal("the expression is empty", offset)
    try:
        tree = _reader().parse(source)
    except lark.UnexpectedInput as error:
        message, position = _complaint(source, _position(error, source))
        raise Refusal(message, offset + position) from None
    except _Unusable as error:
        raise Refusal(str(error), offset + error.position) from None
    assert isinstance(tree, Node)
    return _moved(tree, offset)


_GRAMMAR: Final = r"""
?start: choice
?choice: or | or "?" choice ":" choice
?or: and | or OR and -> binary
?and: equality | and AND equality -> binary
?equality: relation | equality EQUAL relation -> binary
?relation: sum | relation ORDER sum -> binary
?sum: product | sum SIGN product -> binary
?product: unary | product FACTOR unary -> binary
?unary: postfix | NOT unary -> not_ | SIGN unary -> signed
?postfix: primary
    | postfix DOT NAME -> field
    | postfix OPEN NUMBER "]" -> index
    | postfix OPEN STRING "]" -> quoted
    | postfix OPEN STAR "]" -> each
?primary: NUMBER -> number
    | STRING -> string
    | NAME -> name
    | ROOT -> name
    | NAME "(" [choice ("," choice)*] ")" -> call
    | "(" choice ")"
    | "${" choice "}"

OR: "||" | "??"
AND: "&&"
EQUAL: "===" | "!==" | "==" | "!=" | "="
ORDER: "<=" | ">=" | "<" | ">"
SIGN: "+" | "-"
FACTOR: STAR | "/" | "%"
STAR: "*"
NOT: "!"
DOT: "." | /\?\.(?![0-9])/
OPEN: "["
ROOT: "$"
NAME: /[^\W\d]\w*/
NUMBER: /([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?(?![\w])/
STRING: /"([^"\\\n]|\\.)*"|'([^'\\\n]|\\.)*'/
%ignore /[\s\ufeff]+/
"""


class _Unusable(Exception):
    """The grammar takes it, but it means nothing here."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class _Builder(lark.Transformer[lark.Token, Node]):
    """Makes the nodes while the parser reads, so that no depth of the source needs a depth of the stack."""

    def number(self, children: list[lark.Token]) -> Node:
        (token,) = children
        return _node("number", token, _number(token))

    def string(self, children: list[lark.Token]) -> Node:
        (token,) = children
        return _node("string", token, _text(token))

    def name(self, children: list[lark.Token]) -> Node:
        (token,) = children
        return _node("name", token, str(token))

    def call(self, children: list[lark.Token | Node | None]) -> Node:
        token, *arguments = children
        assert isinstance(token, lark.Token)
        return _node("call", token, str(token), *(part for part in arguments if isinstance(part, Node)))

    def field(self, children: list[lark.Token | Node]) -> Node:
        return _inner("field", str(children[2]), children)

    def quoted(self, children: list[lark.Token | Node]) -> Node:
        token = children[2]
        assert isinstance(token, lark.Token)
        return _inner("field", _text(token), children)

    def index(self, children: list[lark.Token | Node]) -> Node:
        token = children[2]
        assert isinstance(token, lark.Token)
        number = _number(token)
        if not isinstance(number, int) or number >= 2**31:
            raise _Unusable(f"an index is a whole number, not {token}", _start(token))
        return _inner("index", number, children)

    def each(self, children: list[lark.Token | Node]) -> Node:
        return _inner("each", None, children)

    def not_(self, children: list[lark.Token | Node]) -> Node:
        token, operand = children
        assert isinstance(token, lark.Token)
        assert isinstance(operand, Node)
        return _node("not", token, None, operand)

    def signed(self, children: list[lark.Token | Node]) -> Node:
        token, operand = children
        assert isinstance(token, lark.Token)
        assert isinstance(operand, Node)
        return _node("minus" if token.value == "-" else "plus", token, None, operand)

    def binary(self, children: list[lark.Token | Node]) -> Node:
        left, operator, right = children
        assert isinstance(left, Node)
        assert isinstance(operator, lark.Token)
        assert isinstance(right, Node)
        return _node("binary", operator, str(operator), left, right)

    def choice(self, children: list[Node]) -> Node:
        question, *_ = children
        return _checked(Node("choice", question.start, None, tuple(children), 1 + max(part.depth for part in children)))


@functools.cache
def _reader() -> lark.Lark:
    return lark.Lark(_GRAMMAR, parser="lalr", transformer=_Builder(), maybe_placeholders=False)


def _node(kind: str, token: lark.Token, value: str | float | None, *parts: Node) -> Node:
    depth = 1 + max((part.depth for part in parts), default=0)
    return _checked(Node(kind, _start(token), value, parts, depth))


def _inner(kind: str, value: str | int | None, children: list[lark.Token | Node]) -> Node:
    asked, token = children[0], children[1]
    assert isinstance(asked, Node)
    assert isinstance(token, lark.Token)
    return _node(kind, token, value, asked)


def _checked(node: Node) -> Node:
    if node.depth > MAX_DEPTH:
        raise _Unusable(f"the expression has more than {MAX_DEPTH} levels; let a task compute it", node.start)
    return node


def _start(token: lark.Token) -> int:
    return token.start_pos or 0


def _moved(node: Node, offset: int) -> Node:
    if offset == 0:
        return node
    return Node(
        node.kind, node.start + offset, node.value, tuple(_moved(part, offset) for part in node.parts), node.depth
    )


def _number(token: lark.Token) -> int | float:
    number: int | float = int(token) if token.isdecimal() else float(token)
    if number > (2**53 if isinstance(number, int) else 1e300):
        raise _Unusable(f"the number {token[:40]} is larger than can be computed with", _start(token))
    return number


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)


def _text(token: lark.Token) -> str:
    def character(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        return chr(int(code, 16)) if code else _ESCAPES.get(found[3], found[3])

    text = _ESCAPE.sub(character, token[1:-1])
    if "\\u" in token:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\0" in text:
        raise _Unusable("the text holds the character \\0, which cannot be stored", _start(token))
    return text


def _position(error: lark.UnexpectedInput, source: str) -> int:
    token = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        return len(source)
    position = error.pos_in_stream
    return len(source) if position is None or position < 0 else min(position, len(source))


_METHODS = {
    "reduce": "let a task compute it, and read the task's output",
    "map": "let a task compute it, and read the task's output",
    "filter": "let a task compute it, and read the task's output",
    "some": "let a task compute it, and read the task's output",
    "every": "let a task compute it, and read the task's output",
    "find": "let a task compute it, and read the task's output",
    "includes": "write contains(list, value)",
    "indexOf": "write contains(list, value)",
    "contains": "write contains(list, value)",
    "hasRole": 'say who may act in the step, with "assigneeRole" in taskDefinition',
    "toString": "write value + ''",
}
_WORDS = {
    "and": '"and" is written &&',
    "or": '"or" is written ||',
    "not": '"not" is written !',
    "eq": '"eq" is written ===',
    "ne": '"ne" is written !==',
    "in": "write contains(list, value)",
    "is": '"is" is written ===',
    "typeof": "write exists(value)",
    "instanceof": "types cannot be asked for; compare the value itself",
    "new": "nothing can be made here; let a task make it",
    "function": "functions cannot be defined; let a task compute it",
    "return": "write the expression alone, without return",
    "let": "names cannot be given values; write the value where it is needed",
    "var": "names cannot be given values; write the value where it is needed",
    "const": "names cannot be given values; write the value where it is needed",
}
_SIGNS = (
    ("=>", "functions cannot be defined; let a task compute it, and read the task's output"),
    (":=", "names cannot be given values; to compare, write ==="),
    ("+=", "names cannot be given values"),
    ("-=", "names cannot be given values"),
    ("++", "names cannot be given values; write x + 1"),
    ("--", "names cannot be given values; write x - 1"),
    ("{{", "write ${…} for a value within text"),
    ("**", "powers cannot be computed; let a task do it"),
    ("<<", "bits cannot be computed with; let a task do it"),
    (">>", "bits cannot be computed with; let a task do it"),
    ("..", "write the whole path, such as $.payload.orderId"),
    ("?(", "write the condition with == and &&, or let a task choose"),
    ("&", '"and" is written &&'),
    ("|", '"or" is written ||'),
    ("`", "write the text in quotes and join it with +"),
    ("@", "write the whole path, such as $.payload.orderId"),
    ("~", "bits cannot be computed with; let a task do it"),
    ("^", "bits cannot be computed with; let a task do it"),
    (";", "an expression is one value; write it alone"),
    ("{", "objects cannot be made here; write the object as JSON, with ${…} in its fields"),
    ("#", "comments cannot stand in an expression"),
    ("\\", "write ${…} without a backslash to have the value"),
)


def _complaint(source: str, position: int) -> tuple[str, int]:
    """Say what is wrong at a place, what to write instead if that can be guessed, and where it begins."""
    defines = _FUNCTION.search(source[:position]) is not None
    for sign, advice in _SIGNS if not defines else ():
        for start in (position, position - 1):
            if start >= 0 and source.startswith(sign, start) and start + len(sign) > position:
                return f'"{sign}" is not known here: {advice}', start
    return _expected(source[:position].rstrip(), source[position:]), position


def _expected(before: str, rest: str) -> str:
    if rest.startswith("(") and (method := re.search(r"\.\s*(\w+)$", before)):
        advice = _METHODS.get(method[1], "only exists(x), isEmpty(x) and contains(x, y) can be called")
        return f"{method[1]}(…) cannot be called on a value: {advice}"
    if _FUNCTION.search(before):
        return _WORDS["function"]
    if (word := re.search(r"(?:^|[^\w.])(\w+)$", before)) and word[1] in _WORDS:
        return f"{_shown(rest)} is not expected here: {_WORDS[word[1]]}"
    if (next_word := re.match(r"\w+", rest)) and next_word[0] in _WORDS:
        return f'"{next_word[0]}" is not expected here: {_WORDS[next_word[0]]}'
    if not rest.strip():
        return "the expression breaks off here"
    if rest[0] in "'\"":
        return (
            f"{_shown(rest)} is not expected here"
            if _QUOTED.match(rest)
            else "the text that begins here has no closing quote"
        )
    if rest[0] == "=":
        return '"=" is not expected here: to compare, write ==='
    if before.endswith("["):
        return f'{_shown(rest)} is no index: write a whole number such as [0], or a name such as ["x"]'
    if rest[0] == "[":
        return "lists cannot be written here: compare with each value, joined with ||"
    return f"{_shown(rest)} is not expected here"


_FUNCTION = re.compile(r"\bfunction\s*\w*\s*\(")
_QUOTED = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")


def _shown(rest: str) -> str:
    found = re.match(r"\w+|\S", rest.strip())
    text = found[0] if found else ""
    return json.dumps(text if len(text) <= 40 else f"{text[:40]}…", ensure_ascii=not text.isprintable())
