"""Endpoints that do what they should not: whoever asks them gets an error in time, and little of what they send."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from service import exchanging
from service.posting import PostFailed, post
from tests.endpoint import answer, drip, endpoint, flood, hang, head, mute, raw, reset

LIMIT = 256 * 1024


def ask(url, document=None, *, within=5.0, **headers):
    async def posted():
        with ThreadPoolExecutor() as threads:
            return await post(url, document, headers=headers, within=within, limit=LIMIT, threads=threads)

    return asyncio.run(posted())


def test_a_document_is_sent_and_its_answer_given():
    with endpoint(answer({"directors": [{"id": "d1", "name": "Zoë"}]})) as served:
        found = ask(served.url, {"dataSourceID": "getDirectors", "params": {"name": "Zoë"}}, Authorization="Bearer x")

    (request,) = served.requests
    assert found == {"directors": [{"id": "d1", "name": "Zoë"}]}
    assert request.line == "POST /data HTTP/1.1"
    assert request.document == {"dataSourceID": "getDirectors", "params": {"name": "Zoë"}}
    assert request.headers | {"content-type": "application/json", "authorization": "Bearer x"} == request.headers
    assert request.headers["host"] == served.host


@pytest.mark.parametrize(
    ("path", "asked"), [("", "/"), ("/a/b?c=d", "/a/b?c=d"), ("?c=d", "/?c=d"), ("//x/y", "//x/y")]
)
def test_the_endpoint_is_asked_where_it_is(path, asked):
    with endpoint(answer(1)) as served:
        ask(f"http://{served.host}{path}")

    assert served.requests[0].line == f"POST {asked} HTTP/1.1"


@pytest.mark.parametrize(
    ("behaviour", "value"),
    [
        (answer(None), None),
        (answer(2**53 + 1), 2**53 + 1),
        (answer("slow", after=0.3), "slow"),
        (answer("x" * (LIMIT - 2)), "x" * (LIMIT - 2)),
        (raw(head(Transfer_Encoding="chunked"), b"2\r\n[1\r\n", b"3\r\n,2]\r\n", b"0\r\n\r\n"), [1, 2]),
        (raw(head(), b"[1", b",2]"), [1, 2]),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n", head(Content_Length="1"), b"7"), 7),
        (drip(head(Content_Length="3") + b"[1]", pause=0.005), [1]),
    ],
    ids=["null", "whole_number", "slow", "as_large_as_allowed", "chunked", "until_closed", "continued", "drip_in_time"],
)
def test_a_proper_answer_is_taken_however_it_comes(behaviour, value):
    with endpoint(behaviour) as served:
        assert ask(served.url) == value


CHUNKED = head(Transfer_Encoding="chunked")
KIB = b"x" * 1024

BAD = {
    "500": (answer(status=500), "UNAVAILABLE", "answered 500"),
    "503": (answer(status=503), "UNAVAILABLE", "answered 503"),
    "429": (answer(status=429), "UNAVAILABLE", "answered 429"),
    "400": (answer({"error": "no such thing"}, status=400), "REFUSED", "answered 400"),
    "401": (answer(status=401), "REFUSED", "answered 401"),
    "404": (answer(status=404), "REFUSED", "answered 404"),
    "204": (raw(head(204)), "INVALID", "answered 204 instead of 200"),
    "redirect": (answer(status=307, Location="http://127.0.0.1:1/"), "REFUSED", "answered 307, but redirects are not"),
    "compressed": (answer(b"\x1f\x8b", **{"Content-Encoding": "gzip"}), "INVALID", "is encoded as 'gzip'"),
    "no_json": (answer(b"<html>"), "INVALID", "is not taken: not JSON: Expecting value at line 1, column 1"),
    "empty": (answer(b""), "INVALID", "is not taken: not JSON"),
    "twice": (answer(b'{"a": 1, "a": 2}'), "INVALID", 'the key "a" stands twice in one object'),
    "nan": (answer(b"[NaN]"), "INVALID", "NaN is no JSON number"),
    "nul": (answer(b'"a\\u0000"'), "INVALID", "the character \\u0000 stands at the top"),
    "huge_number": (answer(b"9223372036854775808"), "INVALID", "is outside of ±2^63"),
    "deep": (answer(b"[" * 200 + b"]" * 200), "INVALID", "nested more than 100 levels deep"),
    "latin": (answer('"Zoë"'.encode("latin-1")), "INVALID", "is not UTF-8"),
    "reset": (reset, "UNAVAILABLE", "cannot be reached: Connection reset by peer"),
    "closed": (raw(), "UNAVAILABLE", "cannot be reached: Remote end closed connection"),
    "no_http": (raw(b"SSH-2.0-OpenSSH_9.9\r\n"), "UNAVAILABLE", "speaks no HTTP: BadStatusLine"),
    "long_line": (raw(b"HTTP/1.1 200 " + 80 * KIB + b"\r\n\r\n"), "UNAVAILABLE", "speaks no HTTP: LineTooLong"),
    "short": (raw(head(Content_Length="10"), b"[1"), "UNAVAILABLE", "broke off its answer"),
    "short_chunk": (raw(CHUNKED, b"10\r\n[1"), "UNAVAILABLE", "broke off its answer"),
    "bad_chunk": (raw(CHUNKED, b"zz\r\n[1]\r\n"), "UNAVAILABLE", "broke off its answer"),
    "hang": (hang, "UNAVAILABLE", "did not answer within 0.5 s"),
    "mute": (mute, "UNAVAILABLE", "did not answer within 0.5 s"),
    "drip_in_head": (drip(head(Content_Length="1", X=200 * "x") + b"1", pause=0.02), "UNAVAILABLE", "within 0.5 s"),
    "drip_in_body": (drip(head(Content_Length="99") + b" " * 98 + b"1", pause=0.02), "UNAVAILABLE", "within 0.5 s"),
    "drip_in_chunks": (
        raw(CHUNKED, *(b"1\r\n \r\n" for _ in range(99)), pause=0.02),
        "UNAVAILABLE",
        "did not answer within 0.5 s",
    ),
    "continued_for_ever": (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 10**6), "TOO_LARGE", "more than 262,144 bytes"),
    "one_byte_more": (answer("x" * (LIMIT - 1)), "TOO_LARGE", "has more than 262,144 bytes"),
    "50_mb": (flood(head(Content_Length=str(50 * 1024**2)), KIB, 50 * 1024), "TOO_LARGE", "more than 262,144 bytes"),
    "50_mb_unannounced": (flood(head(), KIB, 50 * 1024), "TOO_LARGE", "more than 262,144 bytes"),
    "50_mb_chunked": (flood(CHUNKED, b"400\r\n" + KIB + b"\r\n", 50 * 1024), "TOO_LARGE", "more than 262,144 bytes"),
    "50_mb_in_a_chunk_of_no_size": (flood(CHUNKED + b"-1\r\n", KIB, 50 * 1024), "TOO_LARGE", "more than 262,144 bytes"),
    "50_mb_of_trailers": (
        flood(CHUNKED + b"1\r\n1\r\n0\r\n", b"a: b\r\n" * 200, 50_000),
        "TOO_LARGE",
        "more than 262,144",
    ),
    "50_mb_of_head": (flood(b"HTTP/1.1 200 \r\n", b"a: " + 60 * KIB + b"\r\n", 850), "TOO_LARGE", "more than 262,144"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_an_error_that_says_why(name):
    behaviour, kind, message = BAD[name]
    with endpoint(behaviour) as served:
        began = time.monotonic()
        with pytest.raises(PostFailed) as failure:
            ask(served.url, within=0.5 if "within" in message else 5)
        took = time.monotonic() - began

    assert (failure.value.kind, message in failure.value.message) == (kind, True), failure.value
    assert served.host in failure.value.message
    assert took < 3
    # What is in the buffers of the two sockets was sent and never read.
    assert served.sent < 16 * 1024**2


def test_a_large_answer_is_never_held():
    with endpoint(BAD["50_mb_in_a_chunk_of_no_size"][0]) as served:
        tracemalloc.start()
        with pytest.raises(PostFailed):
            ask(served.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 8 * 1024**2


def test_where_nobody_listens_nothing_is_reached():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(PostFailed, match=f"127.0.0.1:{port} cannot be reached: Connection refused") as failure:
        ask(f"http://127.0.0.1:{port}/secret-path")

    assert failure.value.kind == "UNAVAILABLE"
    assert "secret-path" not in failure.value.message


def test_a_name_that_nobody_has_is_not_reached():
    with pytest.raises(PostFailed, match=r"nobody\.invalid cannot be reached: ") as failure:
        ask("http://nobody.invalid/")

    assert failure.value.kind == "UNAVAILABLE"


def test_a_caller_that_waits_in_vain_for_a_thread_is_answered_in_time():
    async def crowd(url):
        with ThreadPoolExecutor(1) as threads:
            asked = (post(url, None, headers={}, within=0.5, limit=LIMIT, threads=threads) for _ in range(5))
            return await asyncio.gather(*asked, return_exceptions=True)

    with endpoint(hang) as served:
        began = time.monotonic()
        failures = asyncio.run(crowd(served.url))

    assert {str(failure) for failure in failures} == {f"{served.host} did not answer within 0.5 s"}
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("behaviour", [hang, mute, BAD["drip_in_body"][0]], ids=["hang", "mute", "drip"])
def test_a_caller_that_gives_up_leaves_no_thread_waiting(behaviour):
    async def give_up(url):
        with ThreadPoolExecutor() as threads:
            asked = asyncio.create_task(post(url, None, headers={}, within=60, limit=LIMIT, threads=threads))
            await asyncio.sleep(0.2)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    with endpoint(behaviour) as served:
        began = time.monotonic()
        asyncio.run(give_up(served.url))

    assert time.monotonic() - began < 20


def test_every_address_of_a_host_is_tried(monkeypatch):
    with endpoint(answer("found")) as served, socket.create_server(("127.0.0.1", 0)) as full:
        addresses = [full.getsockname(), ("127.0.0.1", served.port)]
        full.close()
        monkeypatch.setattr(
            exchanging.socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses],
        )

        assert ask("http://data.example/") == "found"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


def test_a_certificate_that_is_not_trusted_is_refused(certificate):
    failed = pytest.raises(PostFailed, match="certificate verify failed")
    with endpoint(answer("secret"), tls=certificate[1]) as served, failed as failure:
        ask(served.url, Authorization="Bearer x")

    assert failure.value.kind == "UNAVAILABLE"
    assert served.requests == []


@pytest.mark.parametrize("name", ["50_mb", "drip_in_body", "hang"])
def test_the_bounds_hold_over_tls_too(certificate, monkeypatch, name):
    path, context = certificate
    monkeypatch.setattr(exchanging, "_tls", lambda: ssl.create_default_context(cafile=path))
    behaviour, kind, message = BAD[name]
    with endpoint(answer("safe"), behaviour, tls=context) as served:
        assert ask(served.url) == "safe"
        with pytest.raises(PostFailed, match=message) as failure:
            ask(served.url, within=0.5)

    assert failure.value.kind == kind
    assert served.sent < 16 * 1024**2


def test_no_proxy_of_the_environment_is_asked(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with endpoint(answer("direct")) as served:
        assert ask(served.url) == "direct"
