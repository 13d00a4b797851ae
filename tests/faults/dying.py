"""Start a worker that dies by a power cut when it has written to a ledger: `python -m tests.faults.dying work`.

The ledger is written by then, and neither Temporal nor anybody who would look for earlier events knows of it. It dies
with its first wait, or with DYING_ENDS=5 when it has written the ends of five tasks, each of another execution. With
DYING_PROMPT=1 no start is late for it; it must not finish a workflow task then, which others would repeat otherwise.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from datetime import timedelta

from service.__main__ import main
from service.temporal import activities, workflow


def die_behind_a_wait(record):
    def dying(*arguments):
        left = record(*arguments)
        if left.waits:
            die()
        return left

    return dying


def die_behind_tasks(record, ends: int):
    left = threading.Semaphore(ends - 1)

    def dying(workspace, execution_id, entries, *more):
        answer = record(workspace, execution_id, entries, *more)
        if any((entry.type, entry.step_id) == ("STEP_COMPLETED", "task") for entry in entries):
            if not left.acquire(blocking=False):
                die()
            time.sleep(60)  # Temporal is not to hear of it
        return answer

    return dying


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    ends = int(os.environ.get("DYING_ENDS", "0"))
    record = activities.record
    activities.record = die_behind_tasks(record, ends) if ends else die_behind_a_wait(record)
    if os.environ.get("DYING_PROMPT"):
        workflow.PROMPT = timedelta(hours=1)
    sys.exit(main())
