"""Writing pages that are printed from tables, or telling which of them are stale."""

from collections.abc import Mapping
from pathlib import Path


def write(pages: Mapping[Path, str], *, check: bool, folder: Path | None = None) -> int:
    """Write the pages and delete what else is in `folder`; with `check` change nothing. The answer is the exit code."""
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    surplus = [path for path in sorted(folder.glob("*.md")) if path not in pages] if folder else []
    if check:
        for path in (*stale, *surplus):
            print(f"{path} is stale")
        return 1 if stale or surplus else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[path])
    for path in surplus:
        path.unlink()
    return 0
