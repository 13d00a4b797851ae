"""Start a worker that dies by a power cut when it has written its first wait: `python -m tests.faults.dying work`.

The ledger is written by then, and neither Temporal nor anybody who would look for earlier events knows of it.
"""

from __future__ import annotations

import os
import signal
import sys

from service.__main__ import main
from service.temporal import activities


def die_behind(record):
    def dying(*arguments):
        left = record(*arguments)
        if left.waits:
            os.kill(os.getpid(), signal.SIGKILL)
        return left

    return dying


if __name__ == "__main__":
    activities.record = die_behind(activities.record)
    sys.exit(main())
