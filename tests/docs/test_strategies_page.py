"""The page on strategies against the strategies."""

from __future__ import annotations

import pytest

from scripts.strategy_tables import PAGE, parameter_table, with_tables
from strategy.registry import STRATEGIES

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_has_a_section_with_its_own_table(name: str) -> None:
    section = TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert parameter_table(STRATEGIES[name]) in section, (
        "write it anew with `python -m scripts.strategy_tables`"
    )


def test_writing_the_tables_anew_changes_nothing() -> None:
    assert with_tables(TEXT) == TEXT


def test_the_sections_stand_in_the_order_of_the_registry() -> None:
    headings = [line[3:] for line in TEXT.splitlines() if line.startswith("## ")]
    assert [heading for heading in headings if heading in STRATEGIES] == list(STRATEGIES)
