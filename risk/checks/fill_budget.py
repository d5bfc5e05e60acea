"""Fills in a calendar month of market time."""

from __future__ import annotations

from core.config_schema import FillBudgetCheck
from core.vocabulary import HaltReason
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "fill_budget"


def check_fill_budget(month: str, fills: int, settings: FillBudgetCheck, problem: str = "") -> Verdict:
    """Breach above ``max_fills_per_month`` in ``month`` (ISO, ``2012-11``; empty: no fill has been seen).

    Without a breach it is not known while ``problem`` says that there may be more fills than were counted.
    """
    reason = HaltReason.FILL_BUDGET
    if not settings.enabled:
        return Verdict(name=_NAME, status=CheckStatus.DISABLED, reason=reason)
    figures: dict[str, str | int | float] = {
        "month": month,
        "fills": fills,
        "limit": settings.max_fills_per_month,
    }
    if fills <= settings.max_fills_per_month and problem:
        return Verdict(name=_NAME, status=CheckStatus.UNKNOWN, reason=reason, detail=problem, figures=figures)
    if fills <= settings.max_fills_per_month:
        return Verdict(name=_NAME, status=CheckStatus.OK, reason=reason, figures=figures)
    detail = f"{fills} fills in {month}, {settings.max_fills_per_month} allowed"
    return Verdict(name=_NAME, status=CheckStatus.BREACH, reason=reason, detail=detail, figures=figures)
