"""Templates, versions, links, plans and requests on a real database."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from service.domain.errors import AlreadyExists, NotFound, WrongState
from storage import links, plans, requests, templates, versions
from storage.database import Violation, query, transaction
from storage.plans import PlanMissing
from tests.domain.records import LATER, NOW, a_link, a_template, a_version


@pytest.fixture(autouse=True)
def _connected(connected): ...


@pytest.fixture
def template(workspace):
    template = a_template(workspace=workspace)
    templates.add(template)
    return template


@pytest.fixture
def version(template):
    version = a_version(workspace=template.workspace)
    versions.add(version)
    return version


def add_execution(version):
    plans.add(version.workspace, "p", "{}")
    query(
        "INSERT INTO executions (workspace, id, request_id, request_digest, name, template_id, version_id, plan_digest,"
        " status, phase, input, root_id, correlation_id, subject_type, subject_id, entity_type, entity_id, last_number,"
        " create_time, update_time) VALUES (%s, 'e1', 'r', '', '', %s, %s, 'p', 'COMPLETED', 'NONE', '{}', 'e1', '',"
        " '', '', '', '', 1, now(), now())",
        (version.workspace, version.template_id, version.id),
    )


def test_a_record_comes_back_as_it_was_stored(template, version):
    link = a_link(workspace=template.workspace)
    links.add(link)

    assert templates.get(template.workspace, "t1") == templates.by_key(template.workspace, "orders") == template
    assert versions.get(version.workspace, "v1") == version
    assert links.get(link.workspace, "l1") == links.by_entity(link.workspace, "PRODUCT", "p-1") == link


def test_another_edition_takes_the_place_of_the_first(template, version):
    changed = template.describe(name="Sales", description="x", now=LATER)
    edited = version.edit(label="2", note="n", dialect=None, definition="[]", now=LATER)
    templates.replace(changed)
    versions.replace(edited)

    assert templates.get(template.workspace, "t1") == changed
    assert versions.get(template.workspace, "v1") == edited


def test_another_workspace_sees_nothing(template, version):
    for find in (
        lambda: templates.get("other", "t1"),
        lambda: templates.by_key("other", "orders"),
        lambda: templates.lock("other", "t1"),
        lambda: templates.lock_of_version("other", "v1"),
        lambda: templates.take_number("other", "t1"),
        lambda: versions.get("other", "v1"),
        lambda: versions.get_of_template("other", "t1", "v1"),
        lambda: versions.lock("other", "v1"),
        lambda: links.get("other", "l1"),
        lambda: links.by_entity("other", "PRODUCT", "p-1"),
    ):
        with pytest.raises(NotFound):
            find()


def test_numbers_count_up_and_are_never_given_again(template):
    workspace = template.workspace
    assert [templates.take_number(workspace, "t1") for _ in range(3)] == [1, 2, 3]

    versions.add(a_version(workspace=workspace, number=3))
    versions.delete(versions.get(workspace, "v1"))

    assert templates.take_number(workspace, "t1") == 4


def test_names_are_unique_where_they_have_to_be(template, version):
    workspace = template.workspace
    links.add(a_link(workspace=workspace))

    with pytest.raises(AlreadyExists, match='a template with the key "orders" exists already'):
        templates.add(replace(template, id="t2"))
    with pytest.raises(AlreadyExists, match=r'the template has a version "1\.0\.0" already'):
        versions.add(replace(version, id="v2", number=2))
    with pytest.raises(AlreadyExists, match='PRODUCT "p-1" is linked to a template already'):
        links.add(a_link(workspace=workspace, id="l2"))
    links.add(a_link(workspace=workspace, id="l3", entity_type="SERVICE_CATALOG"))


def test_a_link_to_a_template_of_another_workspace_is_refused(template, workspace):
    other = f"{workspace}-b"
    templates.add(a_template(workspace=other, id="t9"))

    with pytest.raises(NotFound, match='template "t9" does not exist'):
        links.add(a_link(workspace=workspace, template_id="t9"))


def test_deleting_a_template_deletes_its_versions_and_links(template, version):
    links.add(a_link(workspace=template.workspace))
    templates.replace(replace(template, active_version_id="v1"))

    templates.delete(template)

    for find in (templates.get, versions.get, links.get):
        with pytest.raises(NotFound):
            find(template.workspace, {templates.get: "t1", versions.get: "v1", links.get: "l1"}[find])


def test_what_has_executions_is_not_deleted(template, version):
    add_execution(version)

    with pytest.raises(WrongState, match=r"cannot delete version 1\.0\.0: it has executions"):
        versions.delete(version)
    with pytest.raises(WrongState, match="cannot delete template orders: it has executions"):
        templates.delete(template)


@pytest.mark.parametrize("change", ["definition = 'x'", "label = '2'", "status = 'DRAFT'", "plan_digest = NULL"])
def test_what_was_published_never_changes_whatever_the_code_does(version, change):
    plans.add(version.workspace, "p", "{}")
    versions.replace(version.publish("p", LATER))

    with pytest.raises(Violation):
        query(f"UPDATE versions SET {change} WHERE workspace = %s", (version.workspace,))


def test_a_link_is_resolved_in_one_question(template, version):
    workspace = template.workspace
    links.add(a_link(workspace=workspace))
    assert links.resolve(workspace, "PRODUCT", "p-1") == (a_link(workspace=workspace), template, None)

    active = replace(template, active_version_id="v1")
    templates.replace(active)

    assert links.resolve(workspace, "PRODUCT", "p-1")[1:] == (active, replace(version, definition=""))


def test_a_plan_is_stored_once(workspace):
    plans.add(workspace, "d", '{"a":1}')
    plans.add(workspace, "d", '{"a":1}')

    assert plans.get(workspace, "d") == '{"a":1}'
    with pytest.raises(PlanMissing):
        plans.get(f"{workspace}-b", "d")


def test_a_page_goes_on_where_the_last_one_ended(workspace):
    for number in range(5):
        templates.add(a_template(workspace=workspace, id=f"t{number}", key=f"k{number}"))
    templates.add(a_template(workspace=f"{workspace}-b", id="t9", key="k9"))

    first = templates.page(workspace, state=None, before="", limit=3)
    second = templates.page(workspace, state=None, before=first[-1].id, limit=3)

    assert [template.id for template in [*first, *second]] == ["t4", "t3", "t2", "t1", "t0"]


def test_pages_are_filtered(workspace, version):
    templates.add(a_template(workspace=workspace, id="t2", key="b", archived=True))
    templates.replace(replace(templates.get(workspace, "t1"), active_version_id="v1"))
    templates.add(a_template(workspace=workspace, id="t3", key="c"))
    links.add(a_link(workspace=workspace))
    links.add(a_link(workspace=workspace, id="l2", template_id="t2", entity_type="SERVICE_CATALOG"))

    def ids(records):
        return [record.id for record in records]

    for state, expected in {"DRAFT": ["t3"], "ACTIVE": ["t1"], "ARCHIVED": ["t2"], None: ["t3", "t2", "t1"]}.items():
        assert ids(templates.page(workspace, state=state, before="", limit=9)) == expected
    for status, expected in {"DRAFT": ["v1"], "PUBLISHED": [], None: ["v1"]}.items():
        assert ids(versions.page(workspace, template_id="t1", status=status, before="", limit=9)) == expected
    assert ids(links.page(workspace, template_id="t2", entity_type="", before="", limit=9)) == ["l2"]
    assert ids(links.page(workspace, template_id="", entity_type="PRODUCT", before="", limit=9)) == ["l1"]


def test_a_deep_page_reads_no_more_than_the_first(own_database):
    query(
        "INSERT INTO templates SELECT 'default', 't' || lpad(n::text, 6, '0'), 'k' || n, 'n', '', NULL, false, 0, 1,"
        " now(), now() FROM generate_series(1, 20000) AS n"
    )
    query("ANALYZE templates")
    sql = "SELECT id FROM templates WHERE workspace = 'default' AND id < %s ORDER BY id DESC LIMIT 51"

    def read(before):
        (plan,) = query(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", (before,))[0]
        return plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]

    assert read("t000200") <= 2 * read("t020000")


def test_a_request_id_is_claimed_once(workspace):
    with transaction():
        assert requests.claim(workspace, "r1", method="M", digest="d", now=NOW)
        requests.finish(workspace, "r1", b"answer")

    with transaction():
        assert not requests.claim(workspace, "r1", method="M", digest="d", now=NOW)
    assert requests.find(workspace, "r1") == requests.Request("M", "d", b"answer")
    assert requests.find(f"{workspace}-b", "r1") is None


def test_a_claim_waits_for_the_one_before_and_takes_over_when_that_fails(workspace):
    claimed = threading.Event()
    outcome = []

    def claim_second() -> None:
        claimed.wait()
        with transaction():
            outcome.append(requests.claim(workspace, "r1", method="M", digest="d", now=NOW))

    thread = threading.Thread(target=claim_second)
    thread.start()
    with pytest.raises(RuntimeError):
        claim_and_fail(workspace, claimed)
    thread.join()

    assert outcome == [True]


def claim_and_fail(workspace, claimed):
    with transaction():
        requests.claim(workspace, "r1", method="M", digest="d", now=NOW)
        claimed.set()
        raise RuntimeError
