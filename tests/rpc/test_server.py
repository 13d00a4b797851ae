from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import psycopg2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from service.embedded import ports, postgres
from storage import database
from tests.end_to_end.api import Api, refused
from tests.rpc.conftest import a_server
from tests.rpc.registry import a_template

SERVICES = {"Template", "Version", "Link", "Execution", "Step", "Ledger"}


def environment(url, listen):
    return {**os.environ, "HEDDLE_DATABASE_URL": url, "HEDDLE_LISTEN": listen, "HEDDLE_TEMPORAL_ADDRESS": "127.0.0.1:1"}


def serve(url, listen):
    return subprocess.Popen(
        [sys.executable, "-m", "service", "serve"], env=environment(url, listen), stderr=subprocess.PIPE, text=True
    )


def test_reflection_tells_every_service(channel):
    services = ProtoReflectionDescriptorDatabase(channel).get_services()

    assert {f"heddle.v1.{name}Service" for name in SERVICES} <= set(services)
    assert "grpc.health.v1.Health" in services


@pytest.mark.parametrize("service", ["", "heddle.v1.TemplateService", "heddle.v1.LedgerService"])
def test_health_says_serving(channel, service):
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_server_stops_saying_that_it_serves_before_it_stops(database_url):
    database.connect(database_url)
    server = a_server()
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        statuses = [next(watch).status]
        stopping = threading.Thread(target=server.stop, kwargs={"notice": 0.5, "grace": 1})
        stopping.start()
        statuses.append(next(watch).status)
        answered = Api(channel, "default").call("ListTemplates", page_size=1)
        watch.cancel()
        stopping.join()

    assert statuses == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]
    assert answered is not None
    assert server.stopping.is_set()


def test_a_port_that_is_taken_is_said_to_be(database_url):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        process = serve(database_url, listen)
        _, message = process.communicate(timeout=30)

    assert process.returncode == 1
    assert f"heddle: cannot listen on {listen}; is another server there?" in message
    assert "Traceback" not in message


def test_pending_migrations_are_said_to_be(database_server):
    url = postgres.create_database(database_server, "unmigrated")
    process = serve(url, f"127.0.0.1:{ports.free()}")
    _, message = process.communicate(timeout=30)
    postgres.drop_database(database_server, "unmigrated")

    assert process.returncode == 1
    assert message.startswith("heddle: the database lacks 0001_initial")
    assert message.endswith("; run `heddle migrate` first\n")


def test_a_database_that_is_away_is_said_to_be():
    process = serve("postgresql://nobody:hunter2@127.0.0.1:1/nothing", f"127.0.0.1:{ports.free()}")
    _, message = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "heddle: cannot reach the database" in message
    assert "hunter2" not in message


def test_calls_under_way_end_before_the_server_does(fresh_database):
    url, listen = fresh_database(), f"127.0.0.1:{ports.free()}"
    process = serve(url, listen)
    outcome = []

    with grpc.insecure_channel(listen) as channel, psycopg2.connect(url) as session, session.cursor() as cursor:
        grpc.channel_ready_future(channel).result(timeout=30)
        template = a_template(Api(channel, "default"))
        cursor.execute("SELECT * FROM templates FOR UPDATE")  # the call waits for this
        call = threading.Thread(
            target=lambda: outcome.append(Api(channel, "default").call("ArchiveTemplate", template_id=template.id))
        )
        call.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.poll() is None
        session.rollback()
        call.join()
        _, log = process.communicate(timeout=30)

    assert outcome[0].template.id == template.id
    assert process.returncode == 0
    assert "Traceback" not in log


def test_a_server_forgets_requests_that_are_old_enough(fresh_database):
    url = fresh_database()
    with psycopg2.connect(url) as session, session.cursor() as cursor:
        old = "INSERT INTO requests SELECT 'default', 'r' || n, 'M', '', '', now() - n * interval '1 day' FROM "
        cursor.execute(old + "generate_series(28, 31) n")
    process = serve(url, f"127.0.0.1:{ports.free()}")
    limit = time.monotonic() + 30
    with psycopg2.connect(url) as session, session.cursor() as cursor:
        session.autocommit = True
        left = []
        while len(left) != 2 and time.monotonic() < limit:
            time.sleep(0.05)
            cursor.execute("SELECT request_id FROM requests ORDER BY 1")
            left = [id for (id,) in cursor.fetchall()]
    process.terminate()
    process.communicate(timeout=30)

    assert left == ["r28", "r29"]


def test_a_database_outage_is_told_and_passes(database_url, fresh_database, monkeypatch):
    monkeypatch.setattr(database, "WAIT", 1.0)
    database.connect("postgresql://nobody@127.0.0.1:1/nothing")
    server = a_server()
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        api = Api(channel, "default")
        with refused("UNAVAILABLE", "DATABASE_UNAVAILABLE"):
            api.call("GetTemplate", template_id="t")
        with refused("UNAVAILABLE", "DATABASE_UNAVAILABLE"):
            a_template(api)
        database.connect(database_url)
        with refused("NOT_FOUND"):
            api.call("GetTemplate", template_id="t")
    server.stop()


@pytest.fixture
def held(api, database_url):
    """A template whose row somebody else holds."""
    template = a_template(api)
    with psycopg2.connect(database_url) as session, session.cursor() as cursor:
        cursor.execute("SELECT * FROM templates WHERE id = %s FOR UPDATE", (template.id,))
        yield template
        session.rollback()
    database.connect(database_url)


def test_a_lock_held_too_long_is_told(api, held, monkeypatch, database_url):
    monkeypatch.setattr(database, "_OPTIONS", "-c lock_timeout=50ms")
    database.connect(database_url)

    with refused("ABORTED", "CONCURRENT_CHANGE"):
        api.call("ArchiveTemplate", template_id=held.id)


def test_a_callers_deadline_is_kept(api, held):
    began = time.monotonic()

    with refused("DEADLINE_EXCEEDED"):
        api.call("ArchiveTemplate", template_id=held.id, timeout=0.3)

    assert time.monotonic() - began < 4


def test_a_message_of_five_megabytes_is_refused(api):
    with pytest.raises(grpc.RpcError) as error:
        api.call("CreateTemplate", name="x", description="x" * 5_000_000)

    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_no_call_logs_an_error_that_the_caller_made(api, caplog):
    caplog.set_level(logging.INFO)
    with refused("INVALID_ARGUMENT"):
        api.call("CreateTemplate", name=secrets.token_hex(200))

    assert not caplog.records
