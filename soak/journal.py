"""What clients did: each call is written down before it is sent, and again with what came of it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any


class Journal:
    """Lines of JSON in a file, and the same in memory for the count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: list[dict[str, Any]] = []
        self._file = path.open("w")
        self._lock = threading.Lock()

    def sends(self, method: str, **facts: Any) -> dict[str, Any]:
        """Note a call that is about to be made; gives the note, for `came`."""
        call = {"method": method, **facts, "answer": None}
        with self._lock:
            call["call"] = len(self.calls)
            self.calls.append(call)
            self._write({**call, "sent": time.time()})
        return call

    def came(self, call: dict[str, Any], answer: Any) -> None:
        """Note what came of a call; a call without that may or may not have had its effect."""
        with self._lock:
            call["answer"] = answer
            self._write({"call": call["call"], "came": time.time(), "answer": answer})

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
