from __future__ import annotations

import pytest

from service.domain import fields
from service.domain.errors import Invalid


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", '"plain"'),
        ("two\nlines\x1b[31m", r'"two\nlines\x1b[31m"'),
        ("\u202ereversed", r'"\u202ereversed"'),
        ("x" * 81, f'"{"x" * 80}…" (81 characters)'),
    ],
)
def test_a_value_is_shown_on_one_short_line(value, shown):
    assert fields.shown(value) == shown


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "ä", "a\n", "a\0"])
def test_a_request_id_is_printable_and_short(request_id):
    with pytest.raises(Invalid) as refusal:
        fields.request_id(request_id)

    assert refusal.value.field == "request_id"


@pytest.mark.parametrize("request_id", ["1", "order-17/retry#2", "~" * 128])
def test_any_printable_request_id_will_do(request_id):
    assert fields.request_id(request_id) == request_id


def test_a_refusal_suggests_what_would_do():
    with pytest.raises(Invalid, match='such as "customer-verification"'):
        fields.slug("key", "Customer Verification")
    with pytest.raises(Invalid, match='such as "SERVICE_CATALOG"'):
        fields.entity_type("entity.type", "Service Catalog")


def test_a_bad_workspace_has_a_reason_of_its_own():
    with pytest.raises(Invalid) as refusal:
        fields.workspace("Acme Corp")

    assert refusal.value.reason == "WORKSPACE_INVALID"
