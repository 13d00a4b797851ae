"""Check style, types and protos, and that generated/ is what protos/ makes; every check runs, whatever fails."""

import filecmp
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tools.generate import GENERATED, generate

PYTHON = sys.executable
# From the wheel that the lock pins, not from PATH.
BUF = str(Path(sys.executable).parent / "buf")
TYPED = ("service", "storage", "tools", "examples", "soak")


def main() -> int:
    """Run every check and tell which failed."""
    checks: dict[str, Callable[[], str]] = {
        "ruff check": lambda: _output(PYTHON, "-m", "ruff", "check", "--quiet"),
        "ruff format": lambda: _output(PYTHON, "-m", "ruff", "format", "--check", "--quiet"),
        "mypy --strict": lambda: _output(PYTHON, "-m", "mypy", "--no-error-summary", *_packages()),
        "buf lint": lambda: _output(BUF, "lint"),
        "buf format": lambda: _output(BUF, "format", "--diff", "--exit-code"),
        "buf breaking": _breaking,
        "generated code": _stale,
    }
    failed = [name for name, check in checks.items() if not _passes(name, check)]
    if failed:
        print(f"\nFailed: {', '.join(failed)}")
    return 1 if failed else 0


def _passes(name: str, check: Callable[[], str]) -> bool:
    began = time.monotonic()
    findings = check()
    print(f"{'FAILED' if findings else 'ok    '} {name} ({time.monotonic() - began:.1f} s)", flush=True)
    if findings:
        print(findings, flush=True)
    return not findings


def _output(*command: str) -> str:
    """Run a command; the answer is what it found, empty when it found nothing."""
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return "" if answer.returncode == 0 else answer.stdout or f"exit code {answer.returncode}"


def _packages() -> list[str]:
    return [word for package in TYPED if Path(package).is_dir() for word in ("-p", package)]


def _breaking() -> str:
    """Compare the protos with the last release's."""
    tag = subprocess.run(["git", "describe", "--tags", "--abbrev=0"], capture_output=True, text=True, check=False)
    if tag.returncode != 0:
        return ""  # nothing was released yet, so nothing can be broken
    return _output(BUF, "breaking", "--against", f".git#tag={tag.stdout.strip()}")


def _stale() -> str:
    """Generate elsewhere and compare, so that a check never changes the tree."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        names = _files(fresh) | _files(GENERATED)
        _, differing, missing = filecmp.cmpfiles(fresh, GENERATED, names, shallow=False)
    stale = sorted(differing + missing)
    return "\n".join([*stale, "The files above are not what protos/ makes: run `make generate`."]) if stale else ""


def _files(folder: Path) -> set[str]:
    files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {str(file.relative_to(folder)) for file in files}


if __name__ == "__main__":
    sys.exit(main())
