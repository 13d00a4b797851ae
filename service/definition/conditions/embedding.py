"""Finds `${…}` within text."""

from __future__ import annotations

from service.definition.conditions.grammar import Node, Refusal, parse

Pieces = list[str | Node]
"""Text and expressions in turn; text is never empty."""


def pieces(text: str, offset: int = 0) -> Pieces:
    r"""Take a text apart at each `${…}`; `\${` stands for these two characters. Raise `Refusal` as `parse` does."""
    found: Pieces = []
    literal = ""
    position = 0
    while (opening := text.find("${", position)) >= 0:
        literal += text[position:opening]
        if literal.endswith("\\"):
            literal = f"{literal[:-1]}${{"
            position = opening + 2
            continue
        closing = _closing(text, opening + 2)
        if closing < 0:
            raise Refusal("the ${ that stands here has no closing }; to have it as text write \\${", offset + opening)
        found += [literal] if literal else []
        found.append(parse(text[opening + 2 : closing], offset + opening + 2))
        literal, position = "", closing + 1
    literal += text[position:]
    return found + ([literal] if literal else [])


def _closing(text: str, position: int) -> int:
    """Find the brace that closes an expression; those within quotes do not count."""
    quote = ""
    depth = 0
    while position < len(text):
        character = text[position]
        if quote:
            position += character == "\\"
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}":
            if depth == 0:
                return position
            depth -= 1
        position += 1
    return -1
