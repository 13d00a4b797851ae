"""Executions that began on earlier code go on under today's: recorded histories replay without a difference."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from temporalio import workflow as temporal_workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from service.plans import Plans
from service.temporal import workflow
from service.temporal.workflow import ExecutionWorkflow

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def replay(document, monkeypatch):
    monkeypatch.setattr(workflow, "plans", Plans(lambda *_: json.dumps(document["plan"])), raising=False)
    history = WorkflowHistory.from_json(document["workflow_id"], document["history"])
    replayer = Replayer(workflows=[ExecutionWorkflow], workflow_runner=UnsandboxedWorkflowRunner())
    asyncio.run(replayer.replay_workflow(history))


def test_there_are_histories():
    assert len(HISTORIES) >= 24


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_recorded_history_replays(path, monkeypatch):
    replay(json.loads(path.read_text()), monkeypatch)


def test_a_history_of_another_plan_does_not_replay(monkeypatch):
    document = json.loads((HISTORIES[0].parent / "tasks.json").read_text())
    for step in document["plan"]["steps"]:
        if step["id"] == "task_2":
            step["settings"]["task"] = "another"

    with pytest.raises(temporal_workflow.NondeterminismError):
        replay(document, monkeypatch)
