"""The page on measures against the measures."""

from __future__ import annotations

from performance.measures import CATALOGUE
from scripts.measures_page import PAGE, page


def test_the_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew with `python -m scripts.measures_page`"


def test_every_measure_has_its_formula_and_its_peers_on_the_page() -> None:
    text = page()
    for name, one in CATALOGUE.items():
        section = text.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        assert one.formula.replace("``", "`") in section
        assert "**Peers:** " in section
