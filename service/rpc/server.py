"""The gRPC server: put together, started, and brought to its end without losing a call."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from heddle.v1 import (
    catalogue_service_pb2,
    event_definition_service_pb2,
    event_service_pb2,
    execution_service_pb2,
    history_service_pb2,
    human_task_service_pb2,
    ledger_service_pb2,
    link_service_pb2,
    stage_service_pb2,
    statistics_service_pb2,
    step_service_pb2,
    task_definition_service_pb2,
    template_service_pb2,
    trigger_record_service_pb2,
    trigger_service_pb2,
    version_service_pb2,
)
from heddle.v1.catalogue_service_pb2_grpc import add_CatalogueServiceServicer_to_server
from heddle.v1.event_definition_service_pb2_grpc import add_EventDefinitionServiceServicer_to_server
from heddle.v1.event_service_pb2_grpc import add_EventServiceServicer_to_server
from heddle.v1.execution_service_pb2_grpc import add_ExecutionServiceServicer_to_server
from heddle.v1.history_service_pb2_grpc import add_HistoryServiceServicer_to_server
from heddle.v1.human_task_service_pb2_grpc import add_HumanTaskServiceServicer_to_server
from heddle.v1.ledger_service_pb2_grpc import add_LedgerServiceServicer_to_server
from heddle.v1.link_service_pb2_grpc import add_LinkServiceServicer_to_server
from heddle.v1.stage_service_pb2_grpc import add_StageServiceServicer_to_server
from heddle.v1.statistics_service_pb2_grpc import add_StatisticsServiceServicer_to_server
from heddle.v1.step_service_pb2_grpc import add_StepServiceServicer_to_server
from heddle.v1.task_definition_service_pb2_grpc import add_TaskDefinitionServiceServicer_to_server
from heddle.v1.template_service_pb2_grpc import add_TemplateServiceServicer_to_server
from heddle.v1.trigger_record_service_pb2_grpc import add_TriggerRecordServiceServicer_to_server
from heddle.v1.trigger_service_pb2_grpc import add_TriggerServiceServicer_to_server
from heddle.v1.version_service_pb2_grpc import add_VersionServiceServicer_to_server
from service.acting import Actor
from service.domain.errors import Unavailable
from service.gateway import Gateway
from service.launching import LEASE, Launcher
from service.plans import Plans
from service.reacting import Reactor
from service.rpc.catalogue_service import CatalogueService
from service.rpc.event_definition_service import EventDefinitionService
from service.rpc.event_service import EventService
from service.rpc.execution_service import ExecutionService
from service.rpc.history_service import HistoryService
from service.rpc.human_task_service import HumanTaskService
from service.rpc.ledger_service import LedgerService
from service.rpc.link_service import LinkService
from service.rpc.stage_service import StageService
from service.rpc.statistics_service import StatisticsService
from service.rpc.step_service import StepService
from service.rpc.task_definition_service import TaskDefinitionService
from service.rpc.template_service import TemplateService
from service.rpc.trigger_record_service import TriggerRecordService
from service.rpc.trigger_service import TriggerService
from service.rpc.version_service import VersionService
from service.settings import Settings
from service.starting import Starter
from service.sweeping import Sweeper
from service.syncing import Syncer
from service.watching import Watchers
from storage import database, migrating, plans, requests, statistics

log = logging.getLogger(__name__)

THREADS = 64
"""Calls carried out at a time; streams hold one each."""

STREAMS = 32
"""Streams carried out at a time, each of which holds a thread."""

CALLS = 640
"""Calls taken in at a time; more are refused at once, before they wait in vain."""

NOTICE = 0.5
"""Seconds between telling that the server will stop and taking no more calls, for callers who ask about its health."""

STATISTICS_LOOK = 5.0
"""Seconds between two looks whether the statistics have grown old; any server may have gathered them."""

FORGET_SECONDS = 60.0
"""Seconds between two looks for requests that have been remembered for long enough."""

FORGOTTEN = 1_000
"""Requests that one sweep forgets."""

GRACE = 20.0
"""Seconds that the calls under way are given to end."""


class Server:
    """A gRPC server with Heddle's services, health and reflection."""

    def __init__(self, listen: str, gateway: Gateway, is_swamped: Callable[[], bool] = lambda: False) -> None:
        self.stopping = threading.Event()  # streams end when it is set
        self._names: list[str] = []
        self._health = health.HealthServicer()
        self._grpc = grpc.server(
            ThreadPoolExecutor(THREADS, "rpc"),
            maximum_concurrent_rpcs=CALLS,
            # Otherwise a second server could share the port of the first one without a word.
            options=[("grpc.so_reuseport", 0)],
        )
        self._add(template_service_pb2, add_TemplateServiceServicer_to_server, TemplateService())
        self._add(version_service_pb2, add_VersionServiceServicer_to_server, VersionService())
        self._add(link_service_pb2, add_LinkServiceServicer_to_server, LinkService())
        self._add(catalogue_service_pb2, add_CatalogueServiceServicer_to_server, CatalogueService())
        self._add(trigger_record_service_pb2, add_TriggerRecordServiceServicer_to_server, TriggerRecordService())
        self._add(event_definition_service_pb2, add_EventDefinitionServiceServicer_to_server, EventDefinitionService())
        self._add(task_definition_service_pb2, add_TaskDefinitionServiceServicer_to_server, TaskDefinitionService())
        self._add(trigger_service_pb2, add_TriggerServiceServicer_to_server, TriggerService())
        known = Plans(plans.get)
        watchers = Watchers(STREAMS, self.stopping)
        actor = Actor(gateway, known)
        self.relations = actor.relations
        self.syncer = Syncer(gateway, known, actor.relations)
        self.deliverer = actor.relations.deliverer
        starter = Starter(gateway, known.get, is_swamped, self.deliverer)
        self.reactor = Reactor(self.deliverer, starter)
        self._add(event_service_pb2, add_EventServiceServicer_to_server, EventService(self.reactor))
        executions = ExecutionService(starter, actor, self.syncer, known, watchers)
        self._add(execution_service_pb2, add_ExecutionServiceServicer_to_server, executions)
        self._add(step_service_pb2, add_StepServiceServicer_to_server, StepService(actor, known))
        inbox = HumanTaskService(actor, known)
        self._add(human_task_service_pb2, add_HumanTaskServiceServicer_to_server, inbox)
        self._add(ledger_service_pb2, add_LedgerServiceServicer_to_server, LedgerService())
        self._add(history_service_pb2, add_HistoryServiceServicer_to_server, HistoryService(known))
        self._add(stage_service_pb2, add_StageServiceServicer_to_server, StageService(known))
        self._add(statistics_service_pb2, add_StatisticsServiceServicer_to_server, StatisticsService())
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        reflection.enable_server_reflection([*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._grpc)
        self.port = _bound(self._grpc, listen)

    def start(self) -> None:
        """Answer calls."""
        self._grpc.start()
        for name in ("", *self._names):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def stop(self, *, notice: float = 0.0, grace: float = 0.0) -> None:
        """Say so, then take no more calls, then let those under way end."""
        self._health.enter_graceful_shutdown()
        self.stopping.wait(notice)
        self.stopping.set()
        self._grpc.stop(grace).wait()

    def _add(self, module: Any, add: Callable[[Any, grpc.Server], None], servicer: object) -> None:
        add(servicer, self._grpc)
        self._names += [service.full_name for service in module.DESCRIPTOR.services_by_name.values()]


def serve(settings: Settings) -> None:
    """Answer calls until SIGTERM or SIGINT."""
    from service.temporal.gateway import TemporalGateway

    _require_tables(settings.database_url)
    database.connect(settings.database_url)
    gateway = TemporalGateway(
        settings.temporal_address,
        settings.temporal_namespace,
        settings.task_queue,
        history_limit=settings.history_limit or 0,
    )
    launcher = Launcher(gateway)
    server = Server(settings.listen, gateway, lambda: launcher.is_swamped)
    every, days = settings.statistics_seconds, settings.request_retention_days
    sweepers = [
        Sweeper("sweeper", [launcher.sweep, server.relations.sweep]),
        Sweeper("matcher", [server.reactor.sweep, server.reactor.expire]),
        Sweeper("deliverer", [server.deliverer.sweep, server.deliverer.sweep_waits]),
        Sweeper("reconciler", [server.syncer.sweep], interval=settings.reconcile_seconds),
        Sweeper("statistics", [lambda: statistics.refresh(every)], interval=min(every, STATISTICS_LOOK)),
    ]
    if days:
        sweepers.append(Sweeper("forgetter", [lambda: requests.forget(days, FORGOTTEN)], interval=FORGET_SECONDS))
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    for sweeper in sweepers:
        sweeper.start()
    server.start()
    log.info("listening on %s", settings.listen)
    asked_to_stop.wait()
    log.info("stopping")
    server.stop(notice=NOTICE, grace=GRACE)
    for sweeper in sweepers:
        sweeper.stop(LEASE)
    gateway.close()


def _bound(server: grpc.Server, listen: str) -> int:
    try:
        return server.add_insecure_port(listen)
    except RuntimeError as error:
        raise SystemExit(f"heddle: cannot listen on {listen}; is another server there? (HEDDLE_LISTEN)") from error


def _require_tables(url: str) -> None:
    try:
        pending = migrating.pending(url)
    except Unavailable as error:
        raise SystemExit(f"heddle: {error} (HEDDLE_DATABASE_URL)") from error
    if pending:
        raise SystemExit(f"heddle: the database lacks {', '.join(pending)}; run `heddle migrate` first")
