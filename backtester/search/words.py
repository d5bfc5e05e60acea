"""Figures and values of combinations as people read them."""

from __future__ import annotations

from backtester.search.ranges import Value
from performance.tear_sheet.words import count, money, number, percent

_PERCENT = frozenset({"total_return", "cagr", "volatility_annual", "max_drawdown", "mean_exposure"})
_MONEY = frozenset({"turnover", "commission"})


def figure_text(name: str, value: float | None) -> str:
    """Figure of a combination by its name."""
    if name in _PERCENT:
        return percent(value)
    if name in _MONEY:
        return money(value)
    return count(value) if name == "fills" else number(value)


def value_text(value: Value) -> str:
    """Value of a key."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else f"{value}"
