"""Players of executions with children: what a worker and a database do, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from service.definition.plan import Json, Plan
from service.domain.json_text import canonical
from service.engine.advancing import open_commands
from service.engine.commands import CollectOutputs, Command, FetchData, StartChildren
from service.engine.observations import ChildEnded, ChildrenStarted, DataFetched, OutputsCollected
from service.engine.steps.sub_workflow import ChildOrder, calls, orders
from tests.engine.graphs import Player


@dataclass
class Child:
    """A child execution that was started."""

    key: str
    round: int
    item: int
    order: ChildOrder
    status: str = "STARTED"
    output: Json = None


class FamilyPlayer(Player):
    """An execution whose children start when asked for, and end when told to."""

    def __init__(
        self,
        plan: Plan,
        input: Json = None,
        data: Callable[[object], Json] = lambda call: None,
        *,
        portion: int | None = None,
    ) -> None:
        self.children: list[Child] = []
        self.most_open = 0
        self.most_data = 0  # items whose data was held at a time
        self._data = data
        self._portion = portion  # answers of sources that are told at a time
        super().__init__(plan, input)

    def work(self) -> None:
        """Do what the execution asks of its worker until it asks for nothing more."""
        while commands := [c for c in open_commands(self.plan, self.state) if not self._is_idle(c)]:
            self._do(commands[0])

    def _is_idle(self, command: Command) -> bool:
        return not isinstance(command, StartChildren | CollectOutputs | FetchData)

    def _do(self, command: Command) -> None:
        match command:
            case StartChildren():
                self.start(command)
            case CollectOutputs():
                outputs = [self.of(command.key, item).output for item in range(command.items)]
                self.see(OutputsCollected(command.key, outputs))
            case FetchData():
                fetched = []
                for call in calls(self.plan, self.state, command, self.now)[: self._portion]:
                    about = {} if call.item is None else {"item": call.item}
                    fetched.append({"alias": call.alias, "value": self._data(call), **about})
                self.see(DataFetched(command.key, fetched))
                if (opened := self.state.open.get(command.key)) is not None and opened.children is not None:
                    self.most_data = max(self.most_data, len(opened.children.item_data))

    def start(self, command: StartChildren) -> None:
        """Start the children of a command; what has an error ends at once."""
        ended = []
        for order in orders(self.plan, self.state, command, self.now):
            child = Child(command.key, command.round, order.item, order)
            self.children.append(child)
            if order.error:
                child.status = "FAILED_TO_START"
                ended.append({"item": order.item, "status": child.status, "error": order.error})
        self.see(ChildrenStarted(command.key, list(command.items), ended))
        self.most_open = max(self.most_open, sum(child.status == "STARTED" for child in self.children))

    def end(self, child: Child, status: str = "COMPLETED", output: Json = None) -> None:
        """End a child, and let the parent know."""
        child.status, child.output = status, output
        error = None if status == "COMPLETED" else {"code": "BROKEN", "message": "it broke"}
        size = len(canonical(output)) if output is not None else 0
        self.see(ChildEnded(child.key, child.round, child.item, f"c{child.item}", status, size, error))

    def of(self, key: str, item: int) -> Child:
        """The latest child of an item."""
        return next(child for child in reversed(self.children) if child.item == item and child.key == key)

    @property
    def running(self) -> list[Child]:
        """The children that have not ended."""
        return [child for child in self.children if child.status == "STARTED"]
