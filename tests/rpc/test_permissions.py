from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from heddle.v1.permission_pb2 import Permission, permission

PROTOS = Path(__file__).parents[2] / "protos/heddle/v1"

METHODS = [
    method
    for path in sorted(PROTOS.glob("*_service.proto"))
    for service in import_module(f"heddle.v1.{path.stem}_pb2").DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_rpc_declares_what_it_needs(method):
    needed = method.GetOptions().Extensions[permission]

    assert needed.resource != Permission.RESOURCE_UNSPECIFIED
    assert needed.access != Permission.ACCESS_UNSPECIFIED


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_what_only_reads_needs_no_more_and_has_no_request_id(method):
    needed = method.GetOptions().Extensions[permission]
    reads = method.name.startswith(("Get", "List", "Watch", "Resolve", "Validate"))

    assert (needed.access == Permission.ACCESS_READ) is reads
    assert ("request_id" in method.input_type.fields_by_name) is not reads


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_what_changes_a_thing_that_exists_takes_its_etag(method):
    changes_registry = method.containing_service.name.startswith(
        ("Template", "Version", "Link", "Catalogue", "EventDefinition", "Trigger", "TaskDefinition")
    )
    changes = "request_id" in method.input_type.fields_by_name and not method.name.startswith("Create")

    if changes and changes_registry:
        assert "etag" in method.input_type.fields_by_name
