"""What was measured, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from bench.batches import Batches, BatchRun
from bench.counts import Count
from bench.measuring import Burst, Comparison
from bench.simulation import GOAL, Simulation

_WORTH_TELLING = 0.02
"""Milliseconds of CPU for one call."""


def comparisons(rows: Sequence[Comparison]) -> str:
    """The figures, the ratios with their range over the rounds, and whether they reach their goals."""
    head = ["what", "callers", "Heddle", "bare", "ratio", "range", "goal", "verdict"]
    return table(head, [_row(row) for row in rows])


def cpu(rows: Sequence[Comparison]) -> str:
    """Who took the machine's time for one call, in milliseconds."""
    lines = []
    for row in rows:
        if row.figure == "rate":
            lines.append([row.what, str(row.callers), "Heddle", _shares(row.heddle)])
            lines.append(["", "", "bare", _shares(row.bare)])
    return table(["what", "callers", "of", "ms of CPU for one call, by process"], lines)


def counts(rows: Iterable[Count]) -> str:
    """What one execution costs."""
    head = ["one execution of", "history events", "commits", "that write", "Temporal calls", "by name"]
    lines = [
        [
            row.what,
            f"{row.events:.1f}",
            f"{row.commits:.1f}",
            f"{row.writes:.1f}",
            f"{sum(row.calls.values()):.1f}",
            ", ".join(f"{name} {number:.1f}" for name, number in row.calls.items()),
        ]
        for row in rows
    ]
    return table(head, lines)


def batches(found: Batches) -> str:
    """What a batch leaves in Temporal's history, in the worker's memory and in Heddle's database."""
    head = [
        "a batch of",
        "seconds",
        "parent's history events",
        "longest run",
        "worker before",
        "peak",
        "writes a child",
    ]
    lines = [_batch("Heddle", run) for run in found.heddle] + [_batch("bare", run) for run in found.bare]
    return table(head, lines)


def simulation(found: Simulation) -> str:
    """What the engine takes for each item of a batch."""
    head = ["items", "parent, µs an item", "its child, µs", "tasks a second", "largest state"]
    lines = [
        [
            f"{one.items:,}",
            f"{one.parent:.0f}",
            f"{one.children:.0f}",
            f"{one.steps_a_second:,.0f}",
            f"{one.state / 1024:.0f} KiB",
        ]
        for one in found.sizes
    ]
    ratio = median(found.ratios)
    spread = f"{min(found.ratios):.2f}-{max(found.ratios):.2f}"
    verdict = "met" if ratio <= GOAL else "MISSED"
    told = (
        f"The parent's µs an item, the largest beside the smallest: {ratio:.2f} ({spread}), goal ≤ {GOAL:g}: {verdict}"
    )
    return f"{table(head, lines)}\n\n{told}"


def table(head: list[str], lines: Iterable[list[str]]) -> str:
    """Set lines out under a head, as Markdown."""
    lines = list(lines)
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    # Markdown, so that it can be pasted into docs/performance.md as it is.
    rows = [head, ["-" * width for width in widths], *lines]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def _row(row: Comparison) -> list[str]:
    ratio = f"{median(row.ratios):.2f}"
    spread = f"{min(row.ratios):.2f}-{max(row.ratios):.2f}"
    figures = [_figure(row, row.heddle), _figure(row, row.bare)]
    if row.goal is None:
        return [row.what, str(row.callers), *figures, ratio, spread, "", ""]
    goal = f"{'≥' if row.figure == 'rate' else '≤'} {row.goal:g}"
    return [row.what, str(row.callers), *figures, ratio, spread, goal, "met" if row.is_met else "MISSED"]


def _batch(whose: str, run: BatchRun) -> list[str]:
    return [
        whose,
        f"{run.burst.p50 / 1000:.1f}",
        f"{sum(run.runs):,} in {len(run.runs)} run{'s' if len(run.runs) > 1 else ''}",
        f"{max(run.runs):,}",
        f"{run.memory_before:.0f} MiB",
        f"{run.memory_peak:.0f} MiB",
        f"{run.writes:.1f}",
    ]


def _figure(row: Comparison, bursts: Sequence[Burst]) -> str:
    value = median(getattr(burst, row.figure) for burst in bursts)
    return f"{value:,.0f}/s" if row.figure == "rate" else f"{value:.1f} ms"


def _shares(bursts: Sequence[Burst]) -> str:
    parts = {part: median(burst.cpu[part] for burst in bursts) for part in bursts[0].cpu}
    told = {part.partition(":")[0]: share for part, share in parts.items() if share >= _WORTH_TELLING}
    return ", ".join(f"{part} {share:.2f}" for part, share in told.items())
