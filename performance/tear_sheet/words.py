"""Figures as people read them; what isn't known is a dash."""

from __future__ import annotations

import math

DASH = "–"


def percent(value: float | None, digits: int = 1) -> str:
    """Fraction as per cent: ``12.3%``."""
    return _known(value, f"{{:.{digits}%}}")


def money(value: float | None, digits: int = 0) -> str:
    """Dollars: ``$1,234``, ``-$1,234``."""
    if value is None or not math.isfinite(value):
        return DASH
    sign = "-" if value < 0.0 else ""
    return f"{sign}${abs(value):,.{digits}f}"


def number(value: float | None, digits: int = 2) -> str:
    """Plain number; infinite ones are written so."""
    if value is not None and math.isinf(value):
        return "∞" if value > 0.0 else "-∞"
    return _known(value, f"{{:,.{digits}f}}")


def count(value: float | None) -> str:
    """Whole number."""
    return _known(value, "{:,.0f}")


def many(number: int, thing: str) -> str:
    """Count with its noun: ``1 session``, ``2 sessions``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _known(value: float | None, form: str) -> str:
    return DASH if value is None or not math.isfinite(value) else form.format(value)
