"""Holds our book against the broker's: asks, compares by `portfolio.reconciliation`, books what was missing.

The comparison runs on the engine thread; the broker's answer comes back as an event. While an answer is awaited no
second question is asked, and no answer within the deadline means UNKNOWN: nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

import structlog

from core.clock import Clock
from core.events import BrokerSnapshot, Execution
from core.journal import Journal
from core.records import RecordKind
from execution.order_manager import OrderManager, Resolution
from portfolio.breaks import Break, BreakKind, ReconcileResult
from portfolio.live_manager.book import LiveBook
from portfolio.reconciliation import reconcile

_RETRY_S = 0.5


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
        self._trigger = "start"
        self._due_ns: int | None = None
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
        """Ask as soon as possible; ``trigger`` is journaled with the result."""
        self._trigger = trigger
        self._due_ns = self._clock.monotonic_ns()

    def request_soon(self, trigger: str) -> None:
        """Ask within half a second: what is on its way may explain the difference by then."""
        soon = self._clock.monotonic_ns() + round(_RETRY_S * 1e9)
        if self._due_ns is None or self._due_ns > soon:
            self._trigger, self._due_ns = trigger, soon

    def lost_connection(self) -> None:
        """Note that the broker can't be asked: what we knew is old until it has answered again."""
        self.is_reconciled = False
        self._waiting = False
        self._due_ns = None

    def poll(self) -> None:
        """Ask if it is time to."""
        if self._waiting or self._due_ns is None or self._clock.monotonic_ns() < self._due_ns:
            return
        self._waiting = True
        self._ask()

    def on_snapshot(self, snapshot: BrokerSnapshot) -> Resolution:
        """Compare and book; plan the next question. The caller acts on stray orders."""
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
        self._deferred = result.deferred
        if result.unknown:  # no answer ends no break
            result = replace(result, breaks=tuple({*result.breaks, *self._told}))
        self.locked_symbols = result.locked_symbols
        self._journal_result(result)
        wrong_account = any(one.kind is BreakKind.ACCOUNT for one in result.breaks)
        self.is_reconciled = not result.unknown and not wrong_account
        now = self._clock.monotonic_ns()
        self.answers += 1
        self.is_settled = result.agrees and not result.missing_executions
        self._due_ns = now + (self._interval_ns if self.is_settled else round(_RETRY_S * 1e9))
        if self.is_settled:
            self._trigger = "periodic"
        return resolution

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
                    "trigger": self._trigger,
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
