"""How errors become statuses, against the mapping itself and under grpcio-testing."""

from __future__ import annotations

import grpc
import grpc_testing
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from heddle.v1 import template_service_pb2 as pb
from heddle.v1.entity_pb2 import Entity
from heddle.v1.link_service_pb2 import GetLinkRequest
from service.domain import errors
from service.domain.errors import Exhausted, HeddleError, Invalid, Unavailable
from service.domain.json_text import InvalidJson
from service.rpc.call import Call
from service.rpc.status import rpc

SERVICE = pb.DESCRIPTOR.services_by_name["TemplateService"]
CAUSES = [cause for cause in vars(errors).values() if isinstance(cause, type) and issubclass(cause, HeddleError)]


class Context:
    """What a method sees of grpc, and what it did there."""

    def __init__(self, *metadata):
        self.metadata = metadata
        self.trailers = ()

    def invocation_metadata(self):
        return self.metadata

    def set_trailing_metadata(self, trailers):
        self.trailers = trailers

    def abort(self, code, details):
        self.code, self.details = code, details
        raise ConnectionAbortedError

    @property
    def status(self):
        return Status.FromString(dict(self.trailers)["grpc-status-details-bin"])

    def detail(self, kind):
        message = kind()
        assert any(detail.Unpack(message) for detail in self.status.details)
        return message


def refuse(error: Exception, request=None) -> Context:
    @rpc
    def method(self, request, call):
        raise error

    context = Context()
    with pytest.raises(ConnectionAbortedError):
        method(None, request or pb.GetTemplateRequest(), context)
    return context


@pytest.mark.parametrize("cause", [cause for cause in CAUSES if hasattr(cause, "code")], ids=lambda c: c.__name__)
def test_every_cause_has_a_canonical_status(cause):
    assert grpc.StatusCode[cause.code]


def test_an_error_tells_reason_and_facts():
    context = refuse(Unavailable("TEMPORAL_UNAVAILABLE", "Temporal is away", address="x:1", absent=None))

    assert (context.code, context.details) == (grpc.StatusCode.UNAVAILABLE, "Temporal is away")
    assert (context.status.code, context.status.message) == (14, "Temporal is away")
    info = context.detail(ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == ("TEMPORAL_UNAVAILABLE", "heddle", {"address": "x:1"})


@pytest.mark.parametrize("error", [Unavailable("TEMPORAL_UNAVAILABLE", "x"), Exhausted("LAUNCH_BACKLOG_FULL", "x")])
def test_what_passes_says_when_to_try_again(error):
    assert refuse(error).detail(RetryInfo).retry_delay.seconds == 1


def test_an_unexpected_error_tells_nothing_but_its_incident(caplog):
    context = refuse(RuntimeError("password=hunter2"))

    assert context.code is grpc.StatusCode.INTERNAL
    assert context.details.startswith("internal error; incident ")
    assert b"hunter2" not in context.status.SerializeToString()
    incident = context.detail(ErrorInfo).metadata["incident"]
    assert f"incident {incident} in method" in caplog.text
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.GetTemplateRequest(template_id="a\0"), "template_id"),
        (GetLinkRequest(entity=Entity(type="A", id="\0")), "entity.id"),
    ],
)
def test_a_nul_is_named_by_its_field(request_, field):
    context = refuse(Invalid("INVALID_FIELD", "a text has the character NUL"), request_)

    assert context.details == f"{field} must not contain the character NUL"


@pytest.mark.parametrize("text", ["x" * 9000, "ü" * 3000, "测" * 3000, "😀" * 3000])
def test_an_error_fits_into_the_metadata_of_any_client(text):
    context = refuse(Invalid("INVALID_FIELD", text, field="name", value=text))

    assert len(context.status.SerializeToString()) + 3 * len(context.details.encode()) < 8000
    assert context.details.endswith("…")


def test_a_bad_document_is_named_by_its_field():
    context = refuse(InvalidJson("input_json", "NaN is no JSON number"))

    assert context.code is grpc.StatusCode.INVALID_ARGUMENT
    assert context.details == "input_json: NaN is no JSON number"
    assert context.detail(BadRequest).field_violations[0].field == "input_json"


def test_a_stream_is_covered_from_its_first_to_its_last_message():
    @rpc
    def watch(self, request, call):
        yield 1
        raise Unavailable("TEMPORAL_UNAVAILABLE", "gone")

    context = Context()
    stream = watch(None, pb.GetTemplateRequest(), context)

    assert next(stream) == 1
    with pytest.raises(ConnectionAbortedError):
        next(stream)
    assert context.code is grpc.StatusCode.UNAVAILABLE


def test_a_stream_that_its_reader_leaves_is_closed():
    closed = []

    @rpc
    def watch(self, request, call):
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    stream = watch(None, pb.GetTemplateRequest(), Context())
    next(stream)
    stream.close()

    assert closed == [True]


def test_a_call_knows_its_workspace_and_makes_ids():
    @rpc
    def method(self, request, call):
        return call

    call: Call = method(None, None, Context(("heddle-workspace", "acme"), ("other", b"x")))

    assert (call.workspace, call.method) == ("acme", "method")
    assert method(None, None, Context()).workspace == "default"
    assert call.new_id() != call.new_id()


def test_it_works_under_grpcio_testing(database_url):
    from service.rpc.template_service import TemplateService
    from storage import database

    database.connect(database_url)
    server = grpc_testing.server_from_dictionary({SERVICE: TemplateService()}, grpc_testing.strict_real_time())

    def call(method, request):
        descriptor = SERVICE.methods_by_name[method]
        return server.invoke_unary_unary(descriptor, (("heddle-workspace", "testing"),), request, None).termination()

    created, _, code, _ = call("CreateTemplate", pb.CreateTemplateRequest(request_id="r", name="T"))
    assert code is grpc.StatusCode.OK
    found, *_ = call("GetTemplate", pb.GetTemplateRequest(template_id=created.template.id))
    assert found.template == created.template
    _, _, code, details = call("GetTemplate", pb.GetTemplateRequest(template_id="nothing"))
    assert (code, details) == (grpc.StatusCode.NOT_FOUND, 'template "nothing" does not exist')
