"""A Heddle whose worker dies when it has written, and what its executions are told before the next one begins."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import Client
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from service.embedded.processes import Process, Program
from service.engine.observations import encode
from service.engine.run import Refused
from service.gateway import WorkflowEnded
from service.observing import observe
from service.plans import Plans
from service.temporal import workflow
from service.temporal.gateway import TemporalGateway
from service.temporal.orders import TELL
from storage import database, executions, plans
from tests.end_to_end.api import Api
from tests.end_to_end.definitions import definition


@dataclass
class Told:
    """What became of an observation that a server brings while no worker runs."""

    thread: threading.Thread
    error: list[Exception] = field(default_factory=list)


class Scene:
    """A Heddle whose worker is dead, and what is done to its executions."""

    def __init__(self, heddle, workspace: str) -> None:
        heddle.worker.kill9()
        self.api = Api(heddle.channel, workspace)
        self.heddle = heddle
        self.workspace = workspace
        self.settings = heddle.settings
        self.early: dict[str, Any] = {}  # executions as they were read before a worker wrote
        database.connect(heddle.settings.database_url)
        settings = heddle.settings
        self.gateway = TemporalGateway(settings.temporal_address, settings.temporal_namespace, settings.task_queue)

    def start(self, picture: str, **steps) -> str:
        ids = [word for word in picture.replace(";", " ").replace(",", " ").split() if word.startswith("task")]
        tasks = {id: {"task": "effect", "taskQueue": self.workspace} for id in ids}
        id = self.api.start(definition(picture, **tasks, **steps)).execution.id
        self.read(id)
        return id

    def read(self, id: str) -> None:
        """Read an execution as it is before a worker writes."""
        self.early[id] = executions.get(self.workspace, id)

    def fate(self, id: str) -> str:
        """Wait for the end of an execution's workflow; gives its status in Temporal."""
        limit = time.monotonic() + 30
        while (fate := self.gateway.fate(self.early[id].workflow_id)) == "RUNNING" and time.monotonic() < limit:
            time.sleep(0.05)
        return fate

    def die(self, ends: int, **more: str) -> None:
        """Let a worker write the ends of the step `task` of so many executions, and die; `more` as in `dying.py`."""
        settings = self.settings
        variables = {"HEDDLE_HOME": str(settings.home), "HEDDLE_DATABASE_URL": settings.database_url}
        variables |= {"HEDDLE_TEMPORAL_ADDRESS": settings.temporal_address, "HEDDLE_TASK_QUEUE": settings.task_queue}
        command = (sys.executable, "-m", "tests.faults.dying", "work")
        environment = {**os.environ, **variables, "DYING_ENDS": str(ends), **more}
        dying = Process(Program("dying worker", command, settings.home / "dying.log", environment))
        limit = time.monotonic() + 30
        while dying.alive() and time.monotonic() < limit:
            time.sleep(0.05)
        dying.kill9()
        assert time.monotonic() < limit, "it did not die by itself"

    def signal(self, id: str, observation) -> None:
        """Tell a workflow something as somebody who has read the ledger as it was."""

        async def tell() -> None:
            client = await Client.connect(self.settings.temporal_address)
            early = self.early[id]
            arguments = [encode(observation), early.last_number]
            await client.get_workflow_handle(early.workflow_id).signal(TELL, args=arguments)

        asyncio.run(tell())

    def bring(self, id: str, observation) -> Told:
        """Bring an observation as a server does that has read the ledger as it was."""

        def call() -> None:
            try:
                observe(self.gateway, self.early[id], observation, f"update-{id}", 40)
            except (Refused, WorkflowEnded) as error:
                told.error.append(error)

        told = Told(threading.Thread(target=call))
        told.thread.start()
        return told

    def state(self, id: str, monkeypatch) -> Any:
        """Replay an execution's workflow; gives the state that it comes to."""
        found: list[Any] = []

        async def replay() -> None:
            client = await Client.connect(self.settings.temporal_address)
            history = await client.get_workflow_handle(self.early[id].workflow_id).fetch_history()
            replayer = Replayer(workflows=[workflow.ExecutionWorkflow], workflow_runner=UnsandboxedWorkflowRunner())
            await replayer.replay_workflow(history)

        with monkeypatch.context() as patched:
            patched.setattr(workflow, "plans", Plans(plans.get))
            patched.setattr(workflow.ExecutionWorkflow, "_carry_on", _noting(found))
            asyncio.run(replay())
        return found[0]._state


def _noting(found: list[Any]):
    carry_on = workflow.ExecutionWorkflow._carry_on

    async def noting(self):
        found.append(self)
        return await carry_on(self)

    return noting
