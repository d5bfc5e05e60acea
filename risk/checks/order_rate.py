"""Orders in a sliding minute of wall time, from two independent sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.config_schema import OrderRateCheck
from core.vocabulary import HaltReason
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "order_rate"
_WINDOW_NS = 60_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRateView:
    """When orders were sent, monotonic ns, ascending.

    ``submitted`` comes from ``logs/order_submissions.csv``, ``at_broker`` from the broker's own reports.
    """

    now_ns: int
    submitted: Sequence[int]
    at_broker: Sequence[int]


def check_order_rate(view: OrderRateView, settings: OrderRateCheck) -> Verdict:
    """Breach when either source shows more than ``max_per_minute`` orders within the last 60 s."""
    reason = HaltReason.ORDER_RATE
    if not settings.enabled:
        return Verdict(name=_NAME, status=CheckStatus.DISABLED, reason=reason)
    since = view.now_ns - _WINDOW_NS
    submitted = sum(1 for moment in view.submitted if since < moment <= view.now_ns)
    at_broker = sum(1 for moment in view.at_broker if since < moment <= view.now_ns)
    figures = {"submitted": submitted, "at_broker": at_broker, "limit": settings.max_per_minute}
    if max(submitted, at_broker) <= settings.max_per_minute:
        return Verdict(name=_NAME, status=CheckStatus.OK, reason=reason, figures=figures)
    detail = f"{max(submitted, at_broker)} orders within a minute, {settings.max_per_minute} allowed"
    return Verdict(name=_NAME, status=CheckStatus.BREACH, reason=reason, detail=detail, figures=figures)
