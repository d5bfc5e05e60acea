"""What happens at each closed row of bars: value the book, decide, journal, act, and say that it is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import structlog

from core.config_schema import CapSettings
from core.events import Bar
from core.journal import Journal
from core.records import RecordKind
from core.vocabulary import HaltLevel
from data.bar_assembler import MarketRow
from data.exchange_calendar import Session
from execution.plans import Denial, TradingConditions
from portfolio.decision_types import AccountRow
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.decision_cycle import CycleResult, DecisionCycle
from portfolio.live_manager.order_desk import OrderDesk
from portfolio.live_manager.order_facts import MarkedSymbols, SessionMoment, ShortSaleTest
from portfolio.live_manager.pending_room import PendingRoom
from portfolio.live_manager.restriction_desk import RestrictionDesk
from portfolio.live_manager.status import RunStatus
from portfolio.live_manager.veto_desk import VetoDesk


class Trader:
    """Owned by the engine thread.

    Parameters
    ----------
    cycle, book, desk, journal, status
        The engine's own.
    session_at
        Session in which a bar that ended at a given time lies.
    row_done
        Called when a row has been dealt with; the paper gateway's replay waits for it.
    bar_s
        Length of a bar.
    caps
        Section of the configuration.
    restrictions
        What holds new risk down; looked at when a session begins.
    veto
        Journals what the veto says of entries; None when it is off.
    """

    def __init__(
        self,
        *,
        cycle: DecisionCycle,
        book: LiveBook,
        desk: OrderDesk,
        journal: Journal,
        status: RunStatus,
        session_at: Callable[[int], Session | None],
        row_done: Callable[[], None],
        bar_s: int,
        caps: CapSettings,
        restrictions: RestrictionDesk,
        veto: VetoDesk | None = None,
    ) -> None:
        self._cycle = cycle
        self._book = book
        self._desk = desk
        self._journal = journal
        self._status = status
        self._session_at = session_at
        self._row_done = row_done
        self._bar_s = bar_s
        self._caps = caps
        self._restrictions = restrictions
        self._veto = veto
        self._session_open_ns: int | None = None
        self._marked = MarkedSymbols(book)
        self._short_sales = ShortSaleTest()
        desk.is_short_restricted = self._short_sales.restricts
        self._log = structlog.get_logger(__name__)

    def value_now(self) -> None:
        """Value the book at the last closes, before the first bar of this run has closed."""
        value = self._book.value(self._cycle.close_of)
        if value is not None:
            self._status.mark(value[0], self._book.ledger.cash)

    def take_restrictions(self) -> None:
        """Go by the restrictions that stand; each run's journal begins with them."""
        self._restrictions.look()

    def warm(self, row: MarketRow) -> None:
        """Take a past row: indicators move on, nothing is decided."""
        self._cycle.warm(row)
        self._short_sales.take(row)

    def pass_over(self, row: MarketRow) -> None:
        """Note a row that is held back: market time goes on, and whoever waits for us may go on too."""
        self._status.market_ns = row.end_ns
        self._row_done()

    def on_row(self, row: MarketRow, conditions: TradingConditions) -> None:
        """Decide on a row that has just closed, and act."""
        self._status.market_ns = row.end_ns
        self._status.bars += 1
        session = self._session_at(row.end_ns)
        if session is not None:
            self._begin_session(session)
        self._desk.follow(row.bars)
        self._short_sales.take(row)
        price_of = self._prices(row)
        value = self._book.value(price_of)
        account = self._account(row.end_ns, value)
        result = self._cycle.decide(
            end_ns=row.end_ns, bars=row.bars, positions=self._book.position, account=account
        )
        self._record(row, result, value)
        self._status.signals += len(result.signals)
        if conditions.halt_level < HaltLevel.HALTED:
            self._desk.withdraw_unwanted(self._cycle.target_of)
        if result.decisions:
            self._act(row, result, conditions, session, account)
        self._row_done()

    # --- inside -------------------------------------------------------------------------------------------

    def _act(
        self,
        row: MarketRow,
        result: CycleResult,
        conditions: TradingConditions,
        session: Session | None,
        account: AccountRow,
    ) -> None:
        price_of = self._prices(row)
        if not row.is_complete:
            holes = {symbol for symbol, bar in row.bars.items() if not bar.complete} | set(row.missing)
            conditions = replace(conditions, stale_symbols=conditions.stale_symbols | holes)
        self._desk.act(
            result.decisions,
            conditions,
            bar_end_ns=row.end_ns,
            price_of=price_of,
            moment=None if session is None else SessionMoment.of(session, row.end_ns, self._bar_s),
            room=PendingRoom(
                self._caps,
                self._book,
                price_of=price_of,
                nlv=account.nlv,
                settled_cash=account.settled_cash,
            ),
        )
        self._marked.note(one.symbol for one in result.decisions if one.target != one.position)

    def _begin_session(self, session: Session) -> None:
        if session.open_ns == self._session_open_ns:
            return
        self._session_open_ns = session.open_ns
        self._short_sales.begin_session()
        if session.date.isoformat() == self._book.session_date:  # begun before a restart
            return
        closes = len(self._book.session_closes)
        payload = {
            "date": session.date.isoformat(),
            "open_ns": session.open_ns,
            "close_ns": session.close_ns,
        }
        self._journal.append(RecordKind.SESSION, payload)
        self._book.apply(RecordKind.SESSION, payload)
        for nlv in self._book.session_closes[closes:]:
            self._cycle.close_session(nlv)
        self._marked.begin_session()
        self._restrictions.look()
        if self._veto is not None:
            self._veto.begin_session()
        self._status.sessions += 1
        self._status.session_date = self._book.session_date
        self._log.info("session", date=self._book.session_date, early_close=session.early_close)

    def _prices(self, row: MarketRow) -> Callable[[str], float]:
        def price_of(symbol: str) -> float:
            bar: Bar | None = row.bars.get(symbol)
            return bar.close if bar is not None else self._cycle.close_of(symbol)

        return price_of

    def _account(self, end_ns: int, value: tuple[Decimal, Decimal] | None) -> AccountRow:
        nlv = math.nan if value is None else float(value[0])
        if value is not None:
            self._status.mark(value[0], self._book.ledger.cash)
        return AccountRow(
            nlv=nlv,
            peak_nlv=float(max(self._book.peak_nlv, self._status.peak_nlv)),
            settled_cash=float(self._book.settled.settled),
            fills_this_month=self._book.month.count_at(end_ns),
        )

    def _record(self, row: MarketRow, result: CycleResult, value: tuple[Decimal, Decimal] | None) -> None:
        end_ns = row.end_ns
        marks = self._marked.bars(row)
        with self._journal.batch():
            for signal in result.signals:
                self._journal.append(RecordKind.SIGNAL, signal)
            for one in result.decisions:
                if one.target != one.position:
                    self._journal.append(
                        RecordKind.DECISION,
                        {
                            "bar_end_ns": end_ns,
                            "strategy": one.strategy,
                            "symbol": one.symbol,
                            "position": str(one.position),
                            "target": str(one.target),
                            "reason": one.reason.code,
                        },
                    )
            if self._veto is not None:
                self._veto.record(result.rulings, end_ns)
            if value is not None:
                payload = {
                    "bar_end_ns": end_ns,
                    "nlv": str(value[0]),
                    "cash": str(self._book.ledger.cash),
                    "gross": str(value[1]),
                }
                self._journal.append(RecordKind.EQUITY, payload)
                self._book.apply(RecordKind.EQUITY, payload)
            if marks:
                self._journal.append(RecordKind.MARKS, {"bar_end_ns": end_ns, "bars": marks})
        if self._veto is not None:
            self._veto.tell(result.rulings)
        self._desk.tell(_refusals(result), end_ns)


def _refusals(result: CycleResult) -> list[Denial]:
    """Decisions in which an entry was wanted and nothing of it was left."""
    return [
        Denial(
            strategy=one.strategy,
            symbol=one.symbol,
            reason=one.reason,
            quantity=Decimal(0),
            detail="decision",
        )
        for one in result.decisions
        if one.target == one.position and one.reason
    ]
