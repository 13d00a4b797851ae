"""The requests of steps, sent to endpoints that do what they should not and to where they should not go."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from temporalio.exceptions import ApplicationError

from service import egress, exchanging
from service.engine.commands import RunTask
from service.temporal.failures import as_error
from service.temporal.http_tasks import HttpTasks
from tests.endpoint import answer, drip, endpoint, flood, hang, head, mute, raw, reset

COMMAND = RunTask("a/1", 1, "heddle.http", "", None, 35.0)
KIB = b"x" * 1024
JSON = {"Content-Type": "application/json"}


def send(url, *, allow="127.0.0.1", output="BODY", timeout=5.0, method="GET", **request):
    async def sent():
        with ThreadPoolExecutor() as threads:
            order = {"request": {"method": method, "url": url, **request}, "output": output, "timeout": timeout}
            return await HttpTasks(egress.parse(allow), threads).send({"input": order, "idempotencyKey": "e 1/a/1"})

    return asyncio.run(sent())


def error(url, **more):
    """What the engine is told when a request fails."""
    with pytest.raises(ApplicationError) as failure:
        send(url, **more)
    return as_error(failure.value, COMMAND)


def test_a_request_goes_out_as_it_was_made():
    with endpoint(answer({"ok": True}, **JSON)) as served:
        found = send(
            f"{served.url}?q=1#part",
            method="POST",
            headers={"X-Trace": "t1", "X-Number": 7},
            body={"name": "Zoë"},
        )

    (request,) = served.requests
    assert found == {"ok": True}
    assert (request.line, request.document) == ("POST /data?q=1 HTTP/1.1", {"name": "Zoë"})
    expected = {
        "host": served.host,
        "content-type": "application/json",
        "idempotency-key": "e%201/a/1",
        "x-trace": "t1",
        "x-number": "7",
        "user-agent": "heddle",
        "accept-encoding": "identity",
    }
    assert request.headers | expected == request.headers


def test_the_author_goes_before_what_is_usual():
    own = {"content-type": "application/vnd.x+json", "ACCEPT": "text/csv", "idempotency-KEY": "mine"}
    with endpoint(answer(b"")) as served:
        send(served.url, method="PUT", headers=own, body={})
        send(served.url, method="DELETE")
        send(served.url, method="POST", body="plain")

    first, second, third = served.requests
    assert (first.headers["content-type"], first.headers["accept"], first.headers["idempotency-key"]) == (
        "application/vnd.x+json",
        "text/csv",
        "mine",
    )
    assert "content-type" not in second.headers
    assert (third.headers["content-type"], third.document) == ("text/plain; charset=utf-8", "plain")


@pytest.mark.parametrize(
    ("behaviour", "body"),
    [
        (answer({"a": [1]}, **JSON), {"a": [1]}),
        (answer({"a": 1}, **{"Content-Type": "application/problem+json; charset=utf-8"}), {"a": 1}),
        (answer({"a": 1}), '{"a": 1}'),
        (answer("Zoë".encode(), **{"Content-Type": "text/plain"}), "Zoë"),
        (answer("Zoë".encode("latin-1"), **{"Content-Type": "text/plain; charset=ISO-8859-1"}), "Zoë"),
        (answer(b""), None),
        (raw(head(204)), None),
        (answer({"id": 1}, status=201, **JSON), {"id": 1}),
        (raw(head(Transfer_Encoding="chunked"), b"2\r\nab\r\n", b"0\r\n\r\n"), "ab"),
        (answer(b"x" * 256 * 1024), "x" * 256 * 1024),
    ],
)
def test_the_body_is_what_it_says_it_is(behaviour, body):
    with endpoint(behaviour) as served:
        assert send(served.url) == body


def test_the_whole_response_may_be_had_without_cookies():
    headers = {"X-Rate": "5", "Set-Cookie": "session=secret", **JSON}
    with endpoint(answer([1], status=202, **headers)) as served:
        found = send(served.url, output="RESPONSE")

    assert (found["status"], found["body"]) == (202, [1])
    assert found["headers"] == {"content-length": "3", "x-rate": "5", "content-type": "application/json"}


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "CONNECT"},
        {"method": "GET / HTTP/1.1\r\nX: y"},
        {"headers": {"Host": "other.example"}},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"method": "GET", "body": "x"},
        {"url": "http://127.0.0.1/a b"},
        {"url": "file:///etc/passwd"},
        {"url": 7},
    ],
)
def test_a_request_that_no_step_has_made_is_held_to_the_same_rules(request_):
    with endpoint(answer(b"")) as served:
        found = error(**{"url": served.url} | request_)

    assert (found["code"], found["category"], found["retriable"]) == ("HTTP_REQUEST_INVALID", "VALIDATION", False)
    assert served.requests == []


@pytest.mark.parametrize(
    ("status", "category", "retriable"),
    [
        (300, "PERMANENT", False),
        (304, "PERMANENT", False),
        (400, "PERMANENT", False),
        (401, "PERMANENT", False),
        (404, "PERMANENT", False),
        (408, "TRANSIENT", True),
        (409, "PERMANENT", False),
        (425, "PERMANENT", False),
        (429, "TRANSIENT", True),
        (500, "TRANSIENT", True),
        (503, "TRANSIENT", True),
        (599, "TRANSIENT", True),
    ],
)
def test_a_status_that_is_no_success_is_the_error(status, category, retriable):
    with endpoint(answer(b"", status=status)) as served:
        found = error(served.url)

    assert (found["code"], found["category"], found["retriable"]) == (f"HTTP_{status}", category, retriable)
    assert found["details"]["status"] == status


@pytest.mark.parametrize(
    ("behaviour", "body"),
    [
        (answer({"reason": "LIMIT"}, status=422, **JSON), {"reason": "LIMIT"}),
        (answer(b"no\0", status=422), "no"),
        (answer(b"\xff", status=422), "�"),
        (answer(b"{", status=422, **JSON), "{"),
        (answer(b'{"a": 1e999}', status=422, **JSON), '{"a": 1e999}'),
        (flood(head(422), KIB, 50 * 1024), "x" * 8192),
    ],
)
def test_an_error_tells_what_was_said_beside_it(behaviour, body):
    with endpoint(behaviour) as served:
        found = error(served.url)

    assert found["details"] == {"status": 422, "body": body}
    assert served.sent < 16 * 1024**2


def test_an_error_does_not_wait_for_words_that_do_not_come(monkeypatch):
    monkeypatch.setattr(exchanging, "_SOON", 0.2)
    with endpoint(raw(head(500, Content_Length="99"), b"x", pause=20)) as served:
        began = time.monotonic()
        found = error(served.url, timeout=30.0)

    assert found["code"] == "HTTP_500"
    assert time.monotonic() - began < 10


BAD = {
    "hang": (hang, "TIMEOUT", "TIMEOUT", True),
    "mute": (mute, "TIMEOUT", "TIMEOUT", True),
    "slow head": (drip(head(X=200 * "x"), pause=0.02), "TIMEOUT", "TIMEOUT", True),
    "slow body": (drip(head(Content_Length="99") + b"x" * 99, pause=0.02), "TIMEOUT", "TIMEOUT", True),
    "reset": (reset, "HTTP_UNREACHABLE", "TRANSIENT", True),
    "short": (raw(head(Content_Length="10"), b"x"), "HTTP_UNREACHABLE", "TRANSIENT", True),
    "no http": (raw(b"SSH-2.0-OpenSSH_9.9\r\n"), "HTTP_UNREACHABLE", "TRANSIENT", True),
    "endless body": (flood(head(), KIB, 50 * 1024), "HTTP_RESPONSE_TOO_LARGE", "PERMANENT", False),
    "announced": (answer(b"x" * (256 * 1024 + 1)), "HTTP_RESPONSE_TOO_LARGE", "PERMANENT", False),
    "endless head": (flood(b"HTTP/1.1 200 \r\n", b"a: " + 60 * KIB + b"\r\n", 850), None, "PERMANENT", False),
    "compressed": (answer(b"\x1f", **{"Content-Encoding": "gzip"}), "HTTP_RESPONSE_INVALID", "PERMANENT", False),
    "no json": (answer(b"<html>", **JSON), "HTTP_RESPONSE_INVALID", "PERMANENT", False),
    "a key twice": (answer(b'{"a": 1, "a": 2}', **JSON), "HTTP_RESPONSE_INVALID", "PERMANENT", False),
    "not utf-8": (answer(b"\xff"), "HTTP_RESPONSE_INVALID", "PERMANENT", False),
    "a charset of no text": (
        answer(b"a", **{"Content-Type": "text/plain; charset=zip"}),
        "HTTP_RESPONSE_INVALID",
        "PERMANENT",
        False,
    ),
    "nul": (answer(b"a\0"), "HTTP_RESPONSE_INVALID", "PERMANENT", False),
}


@pytest.mark.parametrize("name", BAD)
def test_an_answer_that_cannot_be_taken_is_an_error_in_time(name):
    behaviour, code, category, retriable = BAD[name]
    with endpoint(behaviour) as served:
        began = time.monotonic()
        found = error(served.url, timeout=0.5 if category == "TIMEOUT" else 5.0)
        took = time.monotonic() - began

    assert found["code"] == code or (code is None and found["code"].startswith("HTTP_"))
    assert (found["category"], found["retriable"]) == (category, retriable)
    assert took < 3
    assert served.sent < 16 * 1024**2


def test_where_nobody_listens_nothing_is_reached():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    found = error(f"http://127.0.0.1:{port}/secret-path")

    assert (found["code"], found["category"]) == ("HTTP_UNREACHABLE", "TRANSIENT")
    assert "secret-path" not in found["message"]


# Where requests may not go.


def a_dns(monkeypatch, *answers):
    """Let every name have these addresses, another list at each question; gives the names asked for."""
    asked = []

    def resolve(host, port, **_):
        asked.append(host)
        addresses = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(exchanging.socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "HTTP_NOT_ALLOWED"),
        ("http://127.0.0.1:{port}/", "HTTP_NOT_ALLOWED"),
        ("http://localhost:{port}/", "HTTP_NOT_ALLOWED"),
        ("http://LOCALHOST:{port}/", "HTTP_NOT_ALLOWED"),
        ("http://[::1]:{port}/", "HTTP_NOT_ALLOWED"),
        ("http://[::ffff:127.0.0.1]:{port}/", "HTTP_NOT_ALLOWED"),
        ("http://[::ffff:7f00:1]:{port}/", "HTTP_NOT_ALLOWED"),
        ("http://[64:ff9b::7f00:1]:{port}/", "HTTP_NOT_ALLOWED"),
        ("http://0.0.0.0:{port}/", "HTTP_NOT_ALLOWED"),
        ("http://2130706433:{port}/", "HTTP_REQUEST_INVALID"),
        ("http://0x7f000001:{port}/", "HTTP_REQUEST_INVALID"),
        ("http://0177.0.0.1:{port}/", "HTTP_REQUEST_INVALID"),
        ("http://127.1:{port}/", "HTTP_REQUEST_INVALID"),
        ("http://user:secret@127.0.0.1:{port}/", "HTTP_REQUEST_INVALID"),
    ],
)
def test_no_way_of_writing_it_leads_to_the_machine_itself(url, code):
    with endpoint(answer("secret")) as served:
        found = error(url.format(port=served.port), allow="*")

    assert (found["code"], found["retriable"]) == (code, False)
    assert found["category"] == ("SECURITY" if code == "HTTP_NOT_ALLOWED" else "VALIDATION")
    assert served.requests == []


def test_a_name_for_the_machine_itself_does_not_help(monkeypatch):
    a_dns(monkeypatch, ["127.0.0.1"])
    with endpoint(answer("secret")) as served:
        found = error(f"http://innocent.example:{served.port}/", allow="innocent.example")

    assert found["code"] == "HTTP_NOT_ALLOWED"
    assert found["message"].endswith(
        "127.0.0.1 is not a public address, and HEDDLE_HTTP_ALLOW does not list its network"
    )
    assert served.requests == []


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch):
    with endpoint(answer("secret")) as served:
        asked = a_dns(monkeypatch, ["192.0.2.1"], ["127.0.0.1"])
        found = error(f"http://rebinding.example:{served.port}/", allow="rebinding.example")

    assert (found["code"], asked, served.requests) == ("HTTP_NOT_ALLOWED", ["rebinding.example"], [])


def test_of_several_addresses_only_those_allowed_are_tried(monkeypatch):
    with endpoint(answer(b"found")) as served:
        a_dns(monkeypatch, ["10.0.0.1", "127.0.0.1"])

        assert send(f"http://both.example:{served.port}/", allow=f"both.example,127.0.0.1:{served.port}") == "found"


def test_a_name_that_is_not_listed_is_not_even_looked_up(monkeypatch):
    asked = a_dns(monkeypatch, ["127.0.0.1"])

    found = error("http://secret-data.evil.example/", allow="api.example,127.0.0.1")

    assert (found["code"], asked) == ("HTTP_NOT_ALLOWED", [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(status):
    with endpoint(answer("secret")) as hidden:
        location = f"http://127.0.0.1:{hidden.port}/"
        with endpoint(answer(b"", status=status, Location=location)) as served:
            found = error(served.url, method="POST", body={}, allow=f"127.0.0.1:{served.port}")

    assert (found["code"], found["category"]) == (f"HTTP_{status}", "PERMANENT")
    assert "redirects are not followed" in found["message"]
    assert found["details"] == {"status": status, "location": location}
    assert hidden.requests == []


def test_no_proxy_of_the_environment_is_asked(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with endpoint(answer(b"direct")) as served:
        assert send(served.url) == "direct"


def test_what_is_sent_is_json_that_everybody_reads():
    with endpoint(answer(b"")) as served:
        send(served.url, method="POST", body=["a\n", 2**53 + 1, None])

    assert served.requests[0].document == json.loads(json.dumps(["a\n", 2**53 + 1, None]))
