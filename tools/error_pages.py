"""Print docs/errors from the tables of reasons and rules; `--check` only tells whether it is fresh."""

import sys
from pathlib import Path

from service.definition.rules import RULES, Rule
from service.domain.reasons import REASONS, Reason
from tools.pages import write

FOLDER = Path("docs/errors")


def main() -> int:
    """Write the pages, or with `--check` compare them."""
    return write(pages(), check="--check" in sys.argv, folder=FOLDER)


def pages() -> dict[Path, str]:
    """Every page by its path."""
    return {
        FOLDER / "README.md": _index(),
        **{FOLDER / f"{name}.md": _reason_page(name, reason) for name, reason in REASONS.items()},
        **{FOLDER / f"{rule.id}.md": _rule_page(rule) for rule in RULES.values()},
    }


def _index() -> str:
    reasons = [_line(name, reason.code, reason.meaning) for name, reason in REASONS.items()]
    rules = [_line(rule.id, rule.severity, rule.meaning) for rule in RULES.values()]
    return "\n".join(
        [
            "# Errors",
            "",
            "Every error of a call carries a google.rpc.ErrorInfo with the domain `heddle` and one of these reasons.",
            "A caller decides by the reason, or by the status code where it does not know the reason.",
            "",
            "| reason | status | meaning |",
            "| --- | --- | --- |",
            *reasons,
            "",
            "# Rules for definitions",
            "",
            "A definition with an ERROR can be saved as a draft but not published.",
            "",
            "| rule | severity | meaning |",
            "| --- | --- | --- |",
            *rules,
            "",
        ]
    )


def _line(name: str, kind: str, meaning: str) -> str:
    return f"| [{name}]({name}.md) | {kind} | {meaning.replace('|', '&#124;')} |"


def _reason_page(name: str, reason: Reason) -> str:
    line = f"A call is refused with status {reason.code}."
    return _page(name, line, meaning=reason.meaning, example=f"```\n{reason.example}\n```", remedy=reason.remedy)


def _rule_page(rule: Rule) -> str:
    line = f"A rule for definitions: severity {rule.severity}, code {rule.code}."
    return _page(rule.id, line, meaning=rule.meaning, example=f"```json\n{rule.example}\n```", remedy=rule.remedy)


def _page(title: str, line: str, *, meaning: str, example: str, remedy: str) -> str:
    return f"# {title}\n\n{line}\n\n{meaning}\n\n## Example\n\n{example}\n\n## What to do\n\n{remedy}\n"


if __name__ == "__main__":
    sys.exit(main())
