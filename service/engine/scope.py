"""The data that the expressions of an execution may name.

`__context__` is the execution's input, `__variables__` what was set on the way; `__steps__.<id>` is the latest
completed output of a step: its own fields, and beside them `outputData`, `outcome`, `status` and `attempt` where the
output has no field of that name. A step that failed last, with an error that was caught, has `status`, `error` and
`attempt`. `__runs__.<id>` is the same with the output in `output` alone, so that no field of it hides another value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from service.definition.plan import Json
from service.engine.state import State


class Scope(Mapping[str, Json]):
    """The roots by name, each made when it is asked for."""

    def __init__(self, state: State) -> None:
        self._roots = {
            "__context__": state.input,
            "__steps__": _Steps(state),
            "__runs__": _Runs(state),
            "__variables__": state.variables,
        }

    def __getitem__(self, name: str) -> Json:
        return self._roots[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._roots)

    def __len__(self) -> int:
        return len(self._roots)


class Overlay(Mapping[str, Json]):
    """A scope with further roots."""

    def __init__(self, scope: Mapping[str, Json], roots: Mapping[str, Json]) -> None:
        self._scope = scope
        self._roots = roots

    def __getitem__(self, name: str) -> Json:
        return self._roots[name] if name in self._roots else self._scope[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._roots
        yield from (name for name in self._scope if name not in self._roots)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def run_record(output: Json, outcome: str, visit: int) -> dict[str, Json]:
    """Show a completed step run as `__runs__` does."""
    return {"output": output, "outcome": outcome, "status": "COMPLETED", "attempt": visit}


def step_record(run: dict[str, Json]) -> dict[str, Json]:
    """Show a step run of `__runs__` as `__steps__` does."""
    if "output" not in run:
        return run
    output = run["output"]
    record = {"outputData" if name == "output" else name: value for name, value in run.items()}
    return {**record, **output} if isinstance(output, dict) else record


class _Runs(Mapping[str, Json]):
    def __init__(self, state: State) -> None:
        self._results = state.results
        self._failures = state.failures

    def __getitem__(self, step_id: str) -> dict[str, Json]:
        if (failure := self._failures.get(step_id)) is not None:
            return {"status": "FAILED", "error": failure.error, "attempt": failure.visit}
        result = self._results[step_id]
        return run_record(result.output, result.outcome, result.visit)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._results, **self._failures})

    def __len__(self) -> int:
        return len({**self._results, **self._failures})


class _Steps(_Runs):
    def __getitem__(self, step_id: str) -> dict[str, Json]:
        return step_record(super().__getitem__(step_id))
