"""docs/measures.md, written from the catalogue of measures: ``python -m scripts.measures_page``."""

from __future__ import annotations

from pathlib import Path

from performance.measures import CATALOGUE, Conventions, Measure

PAGE = Path(__file__).resolve().parent.parent / "docs" / "measures.md"

_HEAD = """# Measures

{count} measures of performance, in `performance/`. `python -m performance` prints the same in a terminal; the tear sheet of every backtest shows their values. This page is
written from the functions' own docstrings by `python -m scripts.measures_page`; a test holds it to them.

* **r** are simple returns, one a period, **n** of them; **b** those of a benchmark; **p** the profits of round trips.
* **P** is the number of periods in a year: {periods:g} unless told otherwise (daily returns of stocks).
* **f** is the risk-free return of one period, `(1 + annual rate) ** (1 / P) - 1`; the annual rate is {rate:g} unless told otherwise.
* **confidence** is {confidence:g} unless told otherwise. **S** is the Sharpe ratio of one period, **z** a normal quantile, **Phi** the normal distribution.
* Standard deviations have `n - 1` below the line. Losses and drawdowns are positive fractions. What can't be told is NaN; x / 0 is infinite.
* A value that is not finite is refused with an error, never passed over.

**Takes** names the data and, in italics, the conventions that a figure depends on. **Peers** says which functions of
empyrical-reloaded and quantstats give the same figure, and why others don't;
`tests/performance/test_peers.py` checks each statement on eight real and random histories, the differences too.
"""


def page() -> str:
    """Return the whole page."""
    usual = Conventions()
    parts = [
        _HEAD.format(
            count=len(CATALOGUE),
            periods=usual.periods_per_year,
            rate=usual.risk_free_annual,
            confidence=usual.confidence,
        )
    ]
    family = ""
    for one in CATALOGUE.values():
        if one.family != family:
            family = one.family
            parts.append(f"\n## {family.capitalize()}\n")
        parts.append(_entry(one))
    return "\n".join(parts)


def _entry(one: Measure) -> str:
    takes = ", ".join((*one.data, *(f"*{name}*" for name in one.settings)))
    rows = [
        ("Formula", one.formula.replace("``", "`")),
        ("Result", one.result),
        ("Takes", takes.replace("_", r"\_")),
        ("Peers", one.peers.replace("_", r"\_") or "none"),
        ("Source", one.source.removesuffix(".")),
    ]
    lines = [f"### {one.name}", "", one.summary, ""]
    lines += [f"- **{name}:** {text}" for name, text in rows]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
