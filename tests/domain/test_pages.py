"""The printed pages are those of the tables that the service enforces."""

from __future__ import annotations

import sys

import pytest

from service.definition.rules import RULES
from service.domain.lifecycle import LIFECYCLES
from service.domain.reasons import REASONS
from tools import error_pages, state_tables
from tools.pages import write


@pytest.mark.parametrize("tool", [state_tables, error_pages])
def test_the_pages_are_fresh(tool, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tool", "--check"])

    assert tool.main() == 0, capsys.readouterr().out


def test_no_rule_has_the_name_of_a_reason():
    assert not set(REASONS) & {rule.id for rule in RULES.values()}


def test_the_state_tables_have_every_move():
    page = state_tables.page()

    for life in LIFECYCLES:
        for move in life.moves:
            assert f"| {move.source} | {move.target} | {move.event} |" in page


def test_check_tells_a_stale_a_missing_and_a_surplus_page(tmp_path, capsys):
    (tmp_path / "old.md").write_text("x")
    (tmp_path / "stale.md").write_text("x")
    pages = {tmp_path / "stale.md": "y", tmp_path / "missing.md": "z"}

    assert write(pages, check=True, folder=tmp_path) == 1
    assert capsys.readouterr().out.count("is stale") == 3
    assert write(pages, check=False, folder=tmp_path) == 0
    assert write(pages, check=True, folder=tmp_path) == 0
    assert not (tmp_path / "old.md").exists()
