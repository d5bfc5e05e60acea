"""The account as it was at each decision: the live ledger, settled cash and counters, moved on by what happened."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from backtester.parity.recorded import Booked, Decided, Event, Paid, Session
from core.events import Commission
from data.exchange_calendar import ExchangeCalendar
from portfolio.decision_types import AccountRow
from portfolio.ledger import Applied, Ledger
from portfolio.monthly_counter import MonthlyCounter
from portfolio.settlement import SettledCash


class ParityBook:
    """Money and shares of an account.

    Parameters
    ----------
    calendar, settlement_days
        When a sale settles.
    """

    def __init__(self, calendar: ExchangeCalendar, settlement_days: int) -> None:
        self._calendar = calendar
        self._days = settlement_days
        self.ledger = Ledger()
        self.settled = SettledCash()
        self.month = MonthlyCounter()
        self.peak = Decimal(0)
        self.session_closes: list[float] = []
        self._session: date | None = None
        self._nlv: Decimal | None = None

    def take(self, event: Event) -> float | None:
        """Take an event; return the closing value of a session that another one has just ended."""
        match event:
            case Booked():
                self._book(event)
            case Paid():
                self._pay(event)
            case Session():
                return self._begin(event.date)
            case Decided():
                self.mark(event.balance.nlv)
            case _:
                pass
        return None

    def take_all(self, events: Iterable[Event]) -> None:
        """Take the events of earlier runs."""
        for event in events:
            close = self.take(event)
            if close is not None:
                self.session_closes.append(close)

    def mark(self, nlv: Decimal) -> None:
        """Note a value of the account."""
        self._nlv = nlv
        self.peak = max(self.peak, nlv)

    def value(self, closes: dict[str, float]) -> Decimal | None:
        """Net liquidation value at the given closes; None while one is missing."""
        net = self.ledger.net_positions()
        if any(not closes[symbol] > 0 for symbol in net):  # True for NaN
            return None
        return self.ledger.net_liquidation({symbol: Decimal(str(closes[symbol])) for symbol in net})

    def row(self, nlv: Decimal | None, bar_end_ns: int) -> AccountRow:
        """Show the account to the decision."""
        return AccountRow(
            nlv=math.nan if nlv is None else float(nlv),
            peak_nlv=float(self.peak),
            settled_cash=float(self.settled.settled),
            fills_this_month=self.month.count_at(bar_end_ns),
        )

    def _book(self, booked: Booked) -> None:
        execution = booked.execution
        if self.ledger.apply(execution, booked.strategy) is not Applied.NEW:
            return
        self.month = self.month.after_fill(execution.time_ns)
        session = self._calendar.session_at(execution.time_ns - 1)
        traded = session.date if session is not None else self._session
        if traded is None:
            raise ValueError(f"execution {execution.exec_id} lies outside all sessions")
        self.settled = self.settled.after_fill(
            execution, traded, lambda day: self._calendar.settlement_date(day, self._days)
        )

    def _pay(self, paid: Paid) -> None:
        amount = paid.amount
        if paid.exec_id:
            fee = Commission(exec_id=paid.exec_id, amount=-amount, currency="USD")
            amount += self.ledger.charged(paid.exec_id)
            if self.ledger.apply_commission(fee) is Applied.DUPLICATE:
                return
        else:
            self.ledger.adjust_cash(amount)
        self.settled = self.settled.after_payment(amount)

    def _begin(self, day: date) -> float | None:
        if day == self._session:
            return None
        ended = float(self._nlv) if self._nlv is not None and self._session is not None else None
        self._session = day
        self.settled = self.settled.on(day)
        return ended
