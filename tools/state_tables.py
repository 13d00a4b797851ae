"""Print docs/state-tables.md from the tables that the service enforces; `--check` only tells whether it is fresh."""

import sys
from collections.abc import Iterator
from pathlib import Path

from service.domain.lifecycle import LIFECYCLES, STEP_RUN, Lifecycle
from service.engine.advancing import UPDATES
from tools.pages import write

PAGE = Path("docs/state-tables.md")

HEAD = """\
# What may follow what

Every move that a record can make, printed from the tables that the service enforces (`service/domain/lifecycle.py`,
`service/engine/advancing.py`). Whatever is not listed is refused with FAILED_PRECONDITION.
"""

UPDATE_HEAD = """\
## What UpdateStep may set

Setting the status that a step run has changes nothing, and so does setting RUNNING where it is WAITING. Every other
move is refused with STEP_STATUS_REFUSED and told what would be allowed. A step that no token has reached yet cannot be
set: `onArrival.status` and `activationPolicy.defaultStatus` say with which status it will begin.
"""


def main() -> int:
    """Write the page, or with `--check` compare it."""
    return write({PAGE: page()}, check="--check" in sys.argv)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for life in LIFECYCLES for line in _section(life)), *_updates()])


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


def _updates() -> Iterator[str]:
    yield UPDATE_HEAD
    yield "| a step run that is | may be set to |"
    yield "| --- | --- |"
    for status in STEP_RUN.states:
        yield f"| {status} | {', '.join(UPDATES.get(status, ())) or 'nothing'} |"
    yield ""


if __name__ == "__main__":
    sys.exit(main())
