"""Trees of executions on a real database, against a plain walk."""

from __future__ import annotations

import random

import pytest

from storage import database, executions, trees
from storage.database import query
from tests.storage.test_execution_lists import add, add_templates, make_rows, nodes

PLACE = ("parent_step_id", "parent_visit", "parent_item", "id")


def make_family(workspace, count, seed):
    """A family in random order of creation, in which many have several children and some have very many."""
    choice = random.Random(seed)
    rows = make_rows(workspace, count, seed)
    for number, row in enumerate(rows):
        parent = rows[choice.choice([0, choice.randrange(number), number - 1])] if number else None
        row |= {
            "parent_id": parent["id"] if parent else None,
            "root_id": rows[0]["id"],
            "depth": parent["depth"] + 1 if parent else 0,
            "parent_step_id": choice.choice(["batch", "other"]) if parent else "",
            "parent_visit": choice.randrange(1, 3) if parent else 0,
            "parent_item": choice.randrange(5) if parent else 0,
            "subject_type": "",
            "subject_id": "",
        }
    return rows


@pytest.fixture(scope="module")
def family(database_url):
    database.connect(database_url)
    workspace = f"trees-{random.getrandbits(64):x}"
    add_templates(workspace, 3)
    rows = make_family(workspace, 150, seed=5)
    add(rows, *PLACE[:3], "depth")
    return workspace, rows


def walk(rows, top):
    """The ids of a tree by its definition."""
    children = sorted((row for row in rows if row["parent_id"] == top), key=lambda row: [row[name] for name in PLACE])
    return [top, *(id for child in children for id in walk(rows, child["id"]))]


def pages(workspace, id, size):
    top = executions.get(workspace, id)
    found, after = [], ""
    while True:
        page = trees.page(workspace, top, after=after, limit=size + 1)
        found += [execution.id for execution in page[:size]]
        if len(page) <= size:
            return found
        after = page[size - 1].id


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 149, 150, 200])
def test_a_tree_has_each_before_its_children_and_those_by_step_visit_and_item(family, size):
    workspace, rows = family

    assert pages(workspace, rows[0]["id"], size) == walk(rows, rows[0]["id"])


@pytest.mark.parametrize("number", range(0, 150, 7))
def test_every_branch_is_a_tree(family, number):
    workspace, rows = family
    top = rows[number]["id"]

    assert pages(workspace, top, 4) == walk(rows, top)


def test_a_tree_leaves_values_out_and_tells_places(family):
    workspace, rows = family
    top = executions.get(workspace, rows[0]["id"])
    first, second = trees.page(workspace, top, after="", limit=2)

    assert (first.id, first.input, first.output, first.depth) == (top.id, "", None, 0)
    assert (second.parent_id, second.depth, second.parent_step_id) == (top.id, 1, "batch")


def test_a_page_does_not_go_on_behind_what_is_not_in_the_tree(family):
    workspace, rows = family
    leaf = next(row for row in rows if all(other["parent_id"] != row["id"] for other in rows))
    top = executions.get(workspace, leaf["id"])

    for outside in ("nobody", rows[0]["id"], top.parent_id):
        assert trees.page(workspace, top, after=outside, limit=5) is None


def test_a_page_of_a_large_batch_reads_no_more_than_it_tells(own_database):
    add_templates("default", 1)
    (top,) = make_rows("default", 1, seed=1)
    add([top | {"subject_type": "", "subject_id": "", "template_id": "t0", "version_id": "t0v1"}])
    query(
        "INSERT INTO executions (workspace, id, request_id, request_digest, name, template_id, version_id, plan_digest,"
        " status, phase, input, root_id, parent_id, correlation_id, subject_type, subject_id, entity_type, entity_id,"
        " last_number, create_time, update_time, parent_step_id, parent_visit, parent_item, depth) SELECT 'default',"
        " 'e' || lpad((n * 7919 %% 20011)::text, 6, '0'), n, '', '', 't0', 't0v1', 'p', 'COMPLETED', 'NONE', '{}', %s,"
        " %s, 'c', '', '', '', '', 1, now(), now(), 'batch', 1, n, 1 FROM generate_series(0, 19999) n",
        (top["id"], top["id"]),
    )
    query("ANALYZE executions")
    explained = []

    def explain(sql, values):
        (plan,) = query(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", values)[0]
        explained.append(plan[0]["Plan"])
        return query(sql, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "query", explain)
        page = trees.page("default", executions.get("default", top["id"]), after="", limit=201)
        late = query("SELECT id FROM executions WHERE workspace = 'default' AND parent_item = 19790")[0][0]
        last = trees.page("default", executions.get("default", top["id"]), after=late, limit=201)

    assert [execution.parent_item for execution in page[1:]] == list(range(200))
    assert [execution.parent_item for execution in last] == list(range(19791, 20000))[:201]
    for plan in explained:
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 2_000
        assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
