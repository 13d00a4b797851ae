from __future__ import annotations

import pytest

from tests.end_to_end.api import entity, refused
from tests.rpc.registry import a_draft, a_template


@pytest.fixture
def names(api):
    names = [f"t{number}" for number in range(7)]
    for name in names:
        a_template(api, name)
    return names[::-1]


def pages(api, **fields):
    token = ""
    while True:
        answer = api.call("ListTemplates", page_token=token, **fields)
        yield [template.name for template in answer.templates]
        token = answer.next_page_token
        if not token:
            return


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 200, 5000])
def test_pages_together_have_everything_once_newest_first(api, names, size):
    found = list(pages(api, page_size=size))

    assert [name for page in found for name in page] == names
    assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)


def test_a_page_size_left_out_means_fifty(api):
    for number in range(51):
        a_template(api, f"t{number}")

    assert [len(page) for page in pages(api)] == [50, 1]


def test_what_is_created_meanwhile_does_not_move_the_pages(api, names):
    first = api.call("ListTemplates", page_size=4)
    a_template(api, "newer")
    second = api.call("ListTemplates", page_size=4, page_token=first.next_page_token)

    assert [template.name for template in [*first.templates, *second.templates]] == names


def test_the_size_may_change_from_page_to_page(api, names):
    token = api.call("ListTemplates", page_size=2).next_page_token

    assert [t.name for t in api.call("ListTemplates", page_size=5, page_token=token).templates] == names[2:]


def test_a_negative_page_size_is_refused(api):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("ListTemplates", page_size=-1)

    assert refusals[0].fields == ["page_size"]


@pytest.mark.parametrize("token", ["x", "nonsense", "AAAA", "!!!!", "A" * 2000, "\0", "é"])
def test_a_made_up_token_is_refused(api, names, token):
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID") as refusals:
        api.call("ListTemplates", page_token=token)

    assert refusals[0].fields == ["page_token"]


def test_a_token_belongs_to_its_list(api, names):
    token = api.call("ListTemplates", page_size=2).next_page_token

    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        api.call("ListTemplates", page_size=2, page_token=token, state=1)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        api.call("ListLinks", page_size=2, page_token=token)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        api.call("ListTemplates", page_size=2, page_token=token[:-1] + ("A" if token[-1] != "A" else "B"))


def test_versions_and_links_come_in_pages_too(api):
    template = a_template(api)
    for number in range(3):
        a_draft(api, template, f"{number}")
        api.call("CreateLink", entity=entity("PRODUCT", f"{number}"), template_id=template.id)

    first = api.call("ListVersions", template_id=template.id, page_size=2)
    second = api.call("ListVersions", template_id=template.id, page_size=2, page_token=first.next_page_token)
    assert [v.label for v in [*first.versions, *second.versions]] == ["2", "1", "0"]
    first = api.call("ListLinks", template_id=template.id, page_size=2)
    second = api.call("ListLinks", template_id=template.id, page_size=2, page_token=first.next_page_token)
    assert [link.entity.id for link in [*first.links, *second.links]] == ["2", "1", "0"]
    assert not second.next_page_token
