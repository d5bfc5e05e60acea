"""Holds our book against the broker's: asks, compares by `portfolio.reconciliation`, books what was missing.

The comparison runs on the engine thread; the broker's answer comes back as an event. While an answer is awaited no
second question is asked; what calls for one meanwhile is asked after it. No answer within the deadline means UNKNOWN:
nothing is concluded from it. An answer to a question from before or during an outage proves nothing after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

import structlog

from core.clock import Clock
from core.events import BrokerSnapshot, Execution, PositionReport
from core.journal import Journal
from core.records import RecordKind
from core.vocabulary import Unknown
from execution.order_manager import OrderManager, Resolution
from portfolio.breaks import Break, BreakKind, ReconcileResult
from portfolio.live_manager.book import LiveBook
from portfolio.reconciliation import reconcile

_RETRY_NS = 500_000_000
RECONNECT = "reconnect"


class Reconciler:
    """When to ask the broker, and what to make of the answer.

    Parameters
    ----------
    book, orders, journal, clock
        The engine's.
    interval_s
        Time between periodic questions.
    ask
        Asks for a snapshot; its answer is posted to the engine's queue.
    account
        The account that was proven at the start; an answer about another one stops trading as a whole.
    """

    def __init__(
        self,
        *,
        book: LiveBook,
        orders: OrderManager,
        journal: Journal,
        clock: Clock,
        interval_s: float,
        ask: Callable[[], None],
        account: Callable[[], str | None],
    ) -> None:
        self._book = book
        self._orders = orders
        self._journal = journal
        self._clock = clock
        self._interval_ns = round(interval_s * 1e9)
        self._ask = ask
        self._account = account
        self._log = structlog.get_logger(__name__)
        self.book_execution: Callable[[Execution], None] | None = None
        """Books an execution that only the snapshot knew, the same way as a live one."""
        self._waiting = False
        self._trigger = self._asked_for = "start"  # of the next question and of the newest one
        self._due_ns: int | None = None
        self._asked_ns = 0
        self.was_requested = False
        """Whether a comparison was ever called for, put to the broker or not: a loss of the connection may swallow one."""
        self._not_before_ns = 0  # an answer to an older question is of before the connection's return
        self._told_positions: dict[str, Decimal] = {}  # while an answer is awaited
        self._deferred: Mapping[str, Decimal] = {}
        self._told: frozenset[Break] = frozenset()
        self.locked_symbols: frozenset[str] = frozenset()
        self.is_reconciled = False
        """Whether the newest answer was complete and nothing in it stops trading as a whole."""
        self.breaks_found = 0
        self.answers = 0
        """Answers compared so far."""
        self.is_settled = False
        """Whether the newest answer agreed with our book in full and added nothing to it."""

    def request(self, trigger: str) -> None:
        """Ask as soon as possible; ``trigger`` is journaled with the result.

        After a "reconnect" nothing is proven until an answer to a question from now on.
        """
        now = self._clock.monotonic_ns()
        if trigger == RECONNECT:
            self.is_reconciled = False
            self._not_before_ns = now
        self._trigger, self._due_ns = trigger, now
        self.was_requested = True

    def request_soon(self, trigger: str) -> None:
        """Ask within half a second: what is on its way may explain the difference by then."""
        soon = self._clock.monotonic_ns() + _RETRY_NS
        if self._due_ns is None or self._due_ns > soon:
            self._trigger, self._due_ns = trigger, soon

    def on_position(self, report: PositionReport) -> None:
        """Look into a position that our book doesn't explain: reports are a stream, no request to act.

        One that it explains may end what locks its symbol.
        """
        if report.account != self._account():
            return
        if self._waiting:  # mostly a part of that answer, which is looked into as a whole
            self._told_positions[report.symbol] = report.quantity
        elif self._calls_for_question(report.symbol, report.quantity):
            self.request_soon("position_report")

    def lost_connection(self) -> None:
        """Note that the broker can't be asked: what we knew is old until it has answered again."""
        self.is_reconciled = False
        self._waiting = False
        self._due_ns = None
        self._not_before_ns = self._clock.monotonic_ns()
        self._told_positions.clear()

    def poll(self) -> None:
        """Ask if it is time to."""
        now = self._clock.monotonic_ns()
        if self._waiting or self._due_ns is None or now < self._due_ns:
            return
        self._waiting, self._asked_ns, self._asked_for = True, now, self._trigger
        self._due_ns = None  # what is set until the answer comes was asked for meanwhile
        self._ask()

    def on_snapshot(self, snapshot: BrokerSnapshot) -> Resolution:
        """Compare and book; plan the next question. The caller acts on stray orders."""
        is_fresh = snapshot.requested_monotonic_ns >= self._not_before_ns
        if snapshot.requested_monotonic_ns >= self._asked_ns:
            self._waiting = False
        compare_cash = not self._book.ledger.without_commission()
        view = self._book.view(
            self._account() or "", compare_cash=compare_cash, sent_ns=self._orders.touched_ns
        )
        result = reconcile(view, snapshot, deferred_before=self._deferred)
        resolution = self._orders.resolve(snapshot)
        for missing in result.missing_executions:
            if self.book_execution is None:
                raise RuntimeError("nobody books what a reconciliation finds")
            self.book_execution(missing.execution)
        if result.unknown:  # no answer ends no break
            result = replace(result, breaks=tuple({*result.breaks, *self._told}))
        is_old_news = frozenset(result.breaks) == self._told and result.deferred == self._deferred
        self._deferred = result.deferred
        self.locked_symbols = result.locked_symbols
        self._journal_result(result)
        wrong_account = any(one.kind is BreakKind.ACCOUNT for one in result.breaks)
        if is_fresh or wrong_account:
            self.is_reconciled = not result.unknown and not wrong_account
        self.answers += 1
        is_complete = is_fresh and not result.unknown and not result.missing_executions
        self.is_settled = is_complete and result.agrees
        # Breaks that stand wait for a person, or for the broker; an order that must end waits for us, and the break
        # of one that this answer has ended is over.
        stands = is_complete and is_old_news and not (resolution.strays or resolution.gone)
        if not self._waiting:
            self._plan(snapshot, is_quiet=self.is_settled or stands)
        return resolution

    def _plan(self, snapshot: BrokerSnapshot, *, is_quiet: bool) -> None:
        """Set when to ask next, unless something has called for a question before that."""
        now = self._clock.monotonic_ns()
        told, self._told_positions = self._told_positions, {}
        if not isinstance(snapshot.positions, Unknown):
            held = {one.symbol: one.quantity for one in snapshot.positions if one.account == snapshot.account}
            # What the answer itself has told is no news: a lock that it leaves would be asked about without end.
            news = {symbol for symbol, quantity in told.items() if held.get(symbol, 0) != quantity}
            if any(self._calls_for_question(symbol, told[symbol]) for symbol in news):
                self.request_soon("position_report")
        due = now + (self._interval_ns if is_quiet else _RETRY_NS)
        if self._due_ns is None:
            self._trigger = "periodic" if is_quiet else self._asked_for
        self._due_ns = due if self._due_ns is None else min(self._due_ns, due)

    def _calls_for_question(self, symbol: str, quantity: Decimal) -> bool:
        """Whether a told position differs from our book, or agrees with it in a symbol that is locked."""
        return symbol in self.locked_symbols or self._book.ledger.net_positions().get(symbol, 0) != quantity

    def _journal_result(self, result: ReconcileResult) -> None:
        found = frozenset(result.breaks)
        new = found - self._told
        self._told = found
        with self._journal.batch():
            for one in sorted(new, key=str):
                self._journal.append(RecordKind.BREAK, one)
            self._journal.append(
                RecordKind.RECONCILED,
                {
                    "trigger": self._asked_for,
                    "breaks": len(result.breaks),
                    "unknown": list(result.unknown),
                    "deferred": {symbol: str(value) for symbol, value in result.deferred.items()},
                    "positions": {s: str(q) for s, q in self._book.ledger.net_positions().items()},
                    "cash": str(self._book.ledger.cash),
                },
            )
        self.breaks_found += len(new)
        for one in new:
            self._log.error(
                "break",
                kind=str(one.kind),
                symbol=one.symbol,
                book=one.book,
                broker=one.broker,
                detail=one.detail,
            )
        if result.unknown:
            self._log.warning("broker_gave_no_answer", parts=list(result.unknown))
