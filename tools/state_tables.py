"""Print docs/state-tables.md from the tables that the service enforces; `--check` only tells whether it is fresh."""

import sys
from collections.abc import Iterator
from pathlib import Path

from service.domain.lifecycle import LIFECYCLES, Lifecycle
from tools.pages import write

PAGE = Path("docs/state-tables.md")

HEAD = """\
# What may follow what

Every move that a record can make, printed from the tables that the service enforces (`service/domain/lifecycle.py`).
Whatever is not listed is refused with FAILED_PRECONDITION.
"""


def main() -> int:
    """Write the page, or with `--check` compare it."""
    return write({PAGE: page()}, check="--check" in sys.argv)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for life in LIFECYCLES for line in _section(life))])


def _section(life: Lifecycle) -> Iterator[str]:
    article = "An" if life.noun[0] in "aeiou" else "A"
    final = [state for state in life.states if not any(move.source == state for move in life.moves)]
    ends = f"; nothing follows {', '.join(final)}" if final else ""
    yield f"## {article} {life.noun}\n"
    yield f"It begins as {life.first}{ends}.\n"
    yield "| from | to | by |"
    yield "| --- | --- | --- |"
    for move in life.moves:
        yield f"| {move.source} | {move.target} | {move.event} |"
    yield ""


if __name__ == "__main__":
    sys.exit(main())
