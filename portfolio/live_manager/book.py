"""The live book: everything that a fold over the journal gives, kept up fill by fill.

Starting, going on and recovering are one thing: each record is applied by `LiveBook.apply`, whether it has just been
written or is read back after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from core.events import Execution
from core.payloads import commission_of, execution_of
from core.records import RecordKind
from execution.order_book import OrderBook
from execution.order_state import OrderPhase, OrderState
from portfolio.breaks import BookView, KnownOrder, OrderProgress
from portfolio.ledger import Applied, Ledger
from portfolio.monthly_counter import MonthlyCounter
from portfolio.settlement import SettledCash

Payload = Mapping[str, object]
_EXCHANGE_ZONE = ZoneInfo("America/New_York")


class LiveBook:
    """Ledger, settled cash, fill budget, orders and equity history of one account.

    Parameters
    ----------
    settles_on
        Trade date to settlement date, on the exchange's calendar.
    """

    def __init__(self, settles_on: Callable[[date], date]) -> None:
        self.ledger = Ledger()
        self.orders = OrderBook()
        self.month = MonthlyCounter()
        self.settled = SettledCash()
        self.peak_nlv = Decimal(0)
        self.session_closes: list[float] = []
        self.session_date: str | None = None
        self._last_nlv: Decimal | None = None
        self._settles_on = settles_on
        self._opened = False

    # --- the fold -----------------------------------------------------------------------------------------

    def apply(self, kind: str, payload: Payload) -> None:
        """Apply one journal record."""
        self.orders.apply(kind, payload)
        self.apply_money(kind, payload)

    def apply_money(self, kind: str, payload: Payload) -> None:
        """Apply what a record says of cash, shares and equity; the order manager has applied the rest."""
        if kind == RecordKind.FILL:
            self._fill(payload)
        elif kind == RecordKind.COMMISSION:
            self._commission(payload)
        elif kind == RecordKind.CASH_ADJUSTED:
            self.ledger.fold(kind, payload)
            self.settled = self.settled.after_payment(Decimal(str(payload["amount"])))
            self._opened = True
        elif kind == RecordKind.EQUITY:
            self._last_nlv = Decimal(str(payload["nlv"]))
            self.peak_nlv = max(self.peak_nlv, self._last_nlv)
        elif kind == RecordKind.SESSION:
            self._session(str(payload["date"]))

    def _fill(self, payload: Payload) -> None:
        execution = execution_of(payload)
        if self.ledger.apply(execution, str(payload["strategy"])) is not Applied.NEW:
            return  # a correction's cash shows at the next reconciliation; settled cash never grows by one
        self.month = self.month.after_fill(execution.time_ns)
        self.settled = self.settled.after_fill(execution, trade_date(execution), self._settles_on)

    def _commission(self, payload: Payload) -> None:
        commission = commission_of(payload)
        before = self.ledger.charged(commission.exec_id)
        if self.ledger.apply_commission(commission) is not Applied.DUPLICATE:
            self.settled = self.settled.after_payment(before - commission.amount)

    def _session(self, day: str) -> None:
        if self._last_nlv is not None and self.session_date is not None:
            self.session_closes.append(float(self._last_nlv))
        self.session_date = day
        self.settled = self.settled.on(date.fromisoformat(day))

    # --- questions ----------------------------------------------------------------------------------------

    @property
    def is_opened(self) -> bool:
        """Whether the opening cash has been booked."""
        return self._opened

    def position(self, strategy: str, symbol: str) -> Decimal:
        """Signed quantity that a strategy holds."""
        return self.ledger.position(strategy, symbol)

    def positions(self) -> dict[tuple[str, str], Decimal]:
        """Signed quantities by (strategy, symbol), flat ones left out."""
        return {key: held.quantity for key, held in self.ledger.holdings().items() if held.quantity}

    def value(self, price_of: Callable[[str], float]) -> tuple[Decimal, Decimal] | None:
        """Net liquidation value and gross position value at the given prices; None while a price is missing."""
        net = self.ledger.net_positions()
        nlv, gross = self.ledger.cash, Decimal(0)
        for symbol, quantity in net.items():
            price = price_of(symbol)
            if not price > 0:  # True for NaN
                return None
            worth = quantity * Decimal(str(price))
            nlv += worth
            gross += abs(worth)
        return nlv, gross

    def view(self, account: str, *, compare_cash: bool, sent_ns: Callable[[str], int | None]) -> BookView:
        """Show what reconciliation compares; ``sent_ns`` tells when this process last touched an order (monotonic)."""
        orders = {state.order_ref: known_order(state, sent_ns(state.order_ref)) for state in self.orders}
        return BookView(
            account=account,
            positions=self.ledger.net_positions(),
            cash=self.ledger.cash if compare_cash else None,
            orders=orders,
            booked=self.ledger.booked,
        )


def known_order(state: OrderState, sent_ns: int | None) -> KnownOrder:
    """Show an order of ours as reconciliation sees it."""
    phase = OrderProgress.FINISHED
    if state.phase is OrderPhase.INTENDED:
        phase = OrderProgress.INTENDED
    elif state.is_live:
        phase = OrderProgress.WORKING
    return KnownOrder(
        order_ref=state.order_ref,
        strategy=state.order.strategy,
        symbol=state.order.symbol,
        quantity=state.order.quantity,
        filled=state.filled,
        phase=phase,
        touched_monotonic_ns=sent_ns,
    )


def trade_date(execution: Execution) -> date:
    """Date of an execution on the exchange's wall calendar."""
    return datetime.fromtimestamp(execution.time_ns // 1_000_000_000, tz=_EXCHANGE_ZONE).date()
