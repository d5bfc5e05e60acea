"""Everything that the watchdog observes, and the checks over it. Runs on the watchdog's loop; nothing here waits."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from core.clock import Clock
from core.config_schema import RiskSettings
from core.csv_log import OrderSubmissionTail
from core.errors import JournalCorrupt
from core.events import (
    AccountValue,
    Event,
    Execution,
    OpenOrderReport,
    PositionReport,
    ProfitAndLoss,
)
from core.exec_ids import base_exec_id
from core.journal import Record, read
from core.records import RecordKind
from risk.checks.book_mismatch import BookView, differing
from risk.checks.drawdown import EquityView
from risk.checks.order_rate import OrderRateView
from risk.checks.verdict import Verdict
from risk.equity import EquityTracker
from risk.heartbeat_watch import HeartbeatWatch
from risk.observation import Observation, verdicts_on

_WINDOW_NS = 60_000_000_000


class OrderCounter:
    """When orders were first seen, over the last minute. The orders of the first look are history and not counted."""

    def __init__(self) -> None:
        self._seen: set[int] | None = None
        self.times: deque[int] = deque()

    def take(self, order_names: Iterable[int], now_ns: int) -> None:
        """Take the names (permIds) of orders that the broker knows now."""
        names = set(order_names) - {0}
        if self._seen is None:
            self._seen = names
            return
        fresh = names - self._seen
        self._seen |= fresh
        self.times.extend([now_ns] * len(fresh))

    def forget(self, now_ns: int) -> None:
        """Drop what is older than the window."""
        while self.times and self.times[0] <= now_ns - _WINDOW_NS:
            self.times.popleft()


class FillCounter:
    """Fills by month of market time, each base execution once: from main's journal and from the broker."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._after = 0
        self._unread = ""  # why the journal could not be read the last time
        self._damage = ""  # the first fill in it that can't be counted
        self._months: dict[str, set[str]] = {}

    def take(self, base_exec_id: str, time_ns: int) -> None:
        """Count one fill; a fill that is known changes nothing."""
        month = dt.datetime.fromtimestamp(time_ns / 1e9, dt.UTC).strftime("%Y-%m")
        self._months.setdefault(month, set()).add(base_exec_id)

    def read_journal(self) -> None:
        """Read on in main's journal; what can't be read leaves the broker's reports, and is a ``problem``.

        A journal that is missing is none: main makes it.
        """
        self._unread = ""
        try:
            for record in read(self._journal, self._after, (RecordKind.FILL.value,)):
                self._after = record.seq
                self._take_record(record)
        except FileNotFoundError:
            return
        except (JournalCorrupt, OSError) as error:
            self._unread = str(error)

    def _take_record(self, record: Record) -> None:
        try:
            self.take(base_exec_id(str(record.payload["exec_id"])), int(record.payload["time_ns"]))
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            self._damage = self._damage or f"record {record.seq} of {self._journal} is no fill: {error!r}"

    @property
    def problem(self) -> str:
        """Why there may be more fills than were counted; empty when all are known."""
        return self._unread or self._damage

    @property
    def newest(self) -> tuple[str, int]:
        """The newest month of which a fill is known, and its count."""
        if not self._months:
            return "", 0
        month = max(self._months)
        return month, len(self._months[month])


class Monitors:
    """Observations and checks.

    Parameters
    ----------
    submissions
        This run's lines of ``logs/order_submissions.csv``, the channel that does not go through the broker.
    """

    def __init__(
        self,
        settings: RiskSettings,
        *,
        heartbeats: HeartbeatWatch,
        main_journal: Path,
        submissions: OrderSubmissionTail,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.heartbeats = heartbeats
        self.equity = EquityTracker()
        self._orders = OrderCounter()
        self._submissions = submissions
        self._submitted: deque[int] = deque()
        self._fills = FillCounter(main_journal)
        self._broker: dict[str, Decimal] | None = None
        self._differs_since: dict[str, int] = {}
        self._compared_ns = 0
        self._silent_since: int | None = clock.monotonic_ns()

    # --- observations ------------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Take an event of the broker's stream."""
        match event:
            case AccountValue():
                self.equity.on_account_value(event)
            case ProfitAndLoss():
                self.equity.on_profit_and_loss(event)
            case Execution():
                self._fills.take(event.base_exec_id, event.time_ns)
            case _:
                pass

    def on_session(self, *, ready: bool) -> None:
        """Take the state of our broker session. What it told before it was lost is not known any more."""
        if ready:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = self._clock.monotonic_ns()
            self._broker = None
            self._differs_since.clear()

    def on_account_values(self, account: str, values: Mapping[str, Decimal]) -> None:
        """Take the answer to a question for account values."""
        now = self._clock.monotonic_ns()
        for key, value in values.items():
            self.equity.on_account_value(
                AccountValue(
                    account=account, key=key, value=str(value), currency="", received_monotonic_ns=now
                )
            )

    def on_positions(self, reports: Iterable[PositionReport]) -> None:
        """Take the broker's positions and compare them with main's book."""
        self._broker = {report.symbol: report.quantity for report in reports}
        book = self.heartbeats.positions()
        now = self._compared_ns = self._clock.monotonic_ns()
        found = differing(book, self._broker) if book is not None else frozenset()
        self._differs_since = {symbol: self._differs_since.get(symbol, now) for symbol in found}

    def on_executions(self, executions: Iterable[Execution]) -> None:
        """Take today's executions."""
        for execution in executions:
            self._fills.take(execution.base_exec_id, execution.time_ns)

    def on_orders(self, open_orders: Iterable[OpenOrderReport], executions: Iterable[Execution]) -> None:
        """Count orders that the broker has not shown before."""
        names = [order.perm_id for order in open_orders] + [execution.perm_id for execution in executions]
        self._orders.take(names, self._clock.monotonic_ns())

    def read_files(self) -> None:
        """Read on in the files that main writes."""
        self._submitted.extend(submission.monotonic_ns for submission in self._submissions.poll())

    def read_journal(self) -> None:
        """Read on in main's journal."""
        self._fills.read_journal()

    # --- checks ------------------------------------------------------------------------------------------

    def view_equity(self) -> EquityView:
        """Return the account's value as it is known now."""
        return self.equity.view(self._clock.monotonic_ns())

    def evaluate(self) -> tuple[Verdict, ...]:
        """Run all checks on what is known now."""
        return verdicts_on(self.observe(), self._settings)

    def observe(self) -> Observation:
        """Return all that the checks look at."""
        now = self._clock.monotonic_ns()
        main = self.heartbeats.view()
        equity = self.equity.view(now)
        self._orders.forget(now)
        while self._submitted and self._submitted[0] <= now - _WINDOW_NS:
            self._submitted.popleft()
        rate = OrderRateView(
            now_ns=now, submitted=tuple(self._submitted), at_broker=tuple(self._orders.times)
        )
        month, fills = self._fills.newest
        book = BookView(
            compared_ns=self._compared_ns,
            book=self.heartbeats.positions(),
            broker=self._broker,
            differs_since_ns=self._differs_since,
        )
        silent_s = None if self._silent_since is None else (now - self._silent_since) / 1e9
        return Observation(
            main=main,
            equity=equity,
            rate=rate,
            month=month,
            fills=fills,
            fills_problem=self._fills.problem,
            book=book,
            silent_s=silent_s,
        )
