from __future__ import annotations

import pytest

from service.domain.errors import Conflict, Invalid
from service.domain.link import Link
from tests.domain.records import LATER, NOW, a_link


def created(entity_type, entity_id):
    return Link.created(
        workspace="default", id="l1", entity_type=entity_type, entity_id=entity_id, template_id="t1", now=NOW
    )


def test_moving_a_link_changes_its_template_alone():
    link = a_link().move("t2", LATER)

    assert (link.template_id, link.entity_id, link.revision, link.update_time) == ("t2", "p-1", 2, LATER)


@pytest.mark.parametrize("entity_type", ["", "product", "Product", "1ST", "_X", "A-B", "A" * 65, "ÄRZTE", "A\n"])
def test_an_entity_type_that_is_not_upper_snake_is_refused(entity_type):
    with pytest.raises(Invalid) as refusal:
        created(entity_type, "x")

    assert refusal.value.field == "entity.type"


@pytest.mark.parametrize("entity_type", ["SERVICE_CATALOG", "PRODUCT", "A", "CASE_2"])
def test_any_upper_snake_entity_type_will_do(entity_type):
    assert created(entity_type, "x").entity_type == entity_type


@pytest.mark.parametrize("entity_id", ["", "x" * 257, "a\0"])
def test_an_entity_id_that_is_empty_or_too_long_is_refused(entity_id):
    with pytest.raises(Invalid) as refusal:
        created("PRODUCT", entity_id)

    assert refusal.value.field == "entity.id"


def test_an_etag_of_another_edition_is_refused():
    with pytest.raises(Conflict, match="link l1 has changed"):
        a_link().require_etag("7")
