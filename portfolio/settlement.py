"""Settled cash of a cash account: what a sale brings in may be spent only when it has settled (T+N).

Spending unsettled proceeds and selling again before they settle is a free-riding violation under Regulation T
(12 CFR 220.8). So purchases come off the settled cash at once and the proceeds of sales join it on their day.
US stocks settle on T+1 since 28 May 2024 (SEC rule 15c6-1), before that on T+2, and T+3 until September 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from core.events import Execution
from core.vocabulary import Side

ZERO = Decimal(0)

SettlementDate = Callable[[date], date]
"""Trade date to settlement date, on the exchange's calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledCash:
    """Cash that may be spent, and what is on its way. A value; every change is a new one.

    Parameters
    ----------
    settled
        May be negative: a margin account borrows.
    pending
        (settlement date, amount), by date.
    """

    settled: Decimal = ZERO
    pending: tuple[tuple[date, Decimal], ...] = ()

    @property
    def total(self) -> Decimal:
        """Settled and unsettled cash together: the trade-date balance."""
        return self.settled + sum((amount for _, amount in self.pending), ZERO)

    def after_fill(self, execution: Execution, trade_date: date, settles_on: SettlementDate) -> SettledCash:
        """Return the cash after an execution: a purchase is paid at once, a sale's proceeds wait."""
        value = execution.quantity * execution.price
        if execution.side is Side.BUY:
            return self.after_payment(-value)
        day = settles_on(trade_date)
        waiting = dict(self.pending)
        waiting[day] = waiting.get(day, ZERO) + value
        return replace(self, pending=tuple(sorted(waiting.items())))

    def after_payment(self, amount: Decimal) -> SettledCash:
        """Return the cash after a movement that settles at once: a commission (negative), a deposit."""
        return replace(self, settled=self.settled + amount)

    def on(self, today: date) -> SettledCash:
        """Return the cash on ``today``: what was due until then has settled."""
        due = sum((amount for day, amount in self.pending if day <= today), ZERO)
        later = tuple((day, amount) for day, amount in self.pending if day > today)
        return SettledCash(settled=self.settled + due, pending=later)
