"""From nothing to trading: connect, prove the account, reconcile, warm up, subscribe. Recovery is the same path.

Each step is awaited by letting the engine go on, so heartbeats and halts work from the first second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from decimal import Decimal
from typing import TypeVar

import structlog

from core.accounts import is_account_of
from core.config_schema import Settings
from core.errors import BackstopError
from core.events import BrokerSnapshot
from core.exit_codes import ExitCode
from core.ib_wrapper.session import IBSession
from core.journal import Journal
from core.records import RecordKind
from core.text import stamp
from core.vocabulary import ConnectionState, Unknown
from data.ib_feed import IBFeed
from data.warmup import Contracts, Warmup, load_contracts, load_history
from execution.ticks import PriceGrid
from portfolio.live_manager.backfill import Backfill
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.engine import Engine
from portfolio.live_manager.reconciler import Reconciler
from portfolio.live_manager.status import Phase, RunStatus
from portfolio.live_manager.trader import Trader

T = TypeVar("T")
_RECONCILE_PATIENCE_S = 60.0


class CannotStart(BackstopError):
    """Trading can't begin; ``exit_code`` says what kind of reason it is."""

    def __init__(self, text: str, exit_code: ExitCode = ExitCode.BROKER_REFUSED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Startup:
    """The way from a folded journal to a trading engine.

    Parameters
    ----------
    settings, session, engine, book, journal, status, reconciler, feed, trader, backfill, grid
        The process's own.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        session: IBSession,
        engine: Engine,
        book: LiveBook,
        journal: Journal,
        status: RunStatus,
        reconciler: Reconciler,
        feed: IBFeed,
        trader: Trader,
        backfill: Backfill,
        grid: PriceGrid,
        exchanges: dict[str, str],
    ) -> None:
        self._settings = settings
        self._session = session
        self._engine = engine
        self._book = book
        self._journal = journal
        self._status = status
        self._reconciler = reconciler
        self._feed = feed
        self._trader = trader
        self._backfill = backfill
        self._grid = grid
        self._exchanges = exchanges
        self._log = structlog.get_logger(__name__)

    def run(self) -> None:
        """Take every step, or stop half-way because a stop was asked for.

        Raises
        ------
        CannotStart
            With what to do about it.
        """
        self._trader.take_restrictions()
        for step in (self._connect, self._open_book, self._reconcile, self._warm_up, self._subscribe):
            if self._engine.stop_asked is not None:
                return
            step()

    def _connect(self) -> None:
        self._session.start()
        broker = self._settings.broker
        ready = self._engine.pump(
            lambda: self._status.connection is ConnectionState.READY, broker.startup_timeout_s
        )
        if not ready and self._engine.stop_asked is None:
            raise CannotStart(
                f"no broker connection at {broker.host}:{broker.port} within {broker.startup_timeout_s:g} s. Is IB "
                "Gateway running, its API enabled, and the port right (broker.port)? main.log tells each attempt."
            )
        if ready:
            self._status.account = check_account(self._settings, self._session)
            self._session.subscribe_account()
            self._session.subscribe_pnl()
            self._log.info("account", account=self._status.account, mode=self._settings.mode)

    def _open_book(self) -> None:
        """Book the cash that the account starts with, the first time that we see it."""
        if self._book.is_opened:
            return
        snapshot = self._ask("the account's values", self._session.request_snapshot)
        if snapshot is None:
            return
        cash = opening_cash(snapshot)
        payload = {"amount": str(cash), "reason": "opening balance"}
        self._journal.append(RecordKind.CASH_ADJUSTED, payload)
        self._book.apply(RecordKind.CASH_ADJUSTED, payload)
        self._status.cash = cash

    def _reconcile(self) -> None:
        self._reconciler.request("start")
        done = self._engine.pump(lambda: self._reconciler.is_reconciled, _RECONCILE_PATIENCE_S)
        if not done and self._engine.stop_asked is None:
            raise CannotStart(
                "our book could not be held against the broker's: no complete answer, or the accounts differ. "
                "See the last 'reconciled' and 'break' records: python -m core.journal show"
            )

    def _warm_up(self) -> None:
        self._status.enter(Phase.WARMING)
        symbols = self._settings.universe.symbols
        timeout_s = self._settings.broker.request_timeout_s
        contracts = self._background(
            "contracts", lambda: load_contracts(self._session, symbols, timeout_s=timeout_s)
        )
        if contracts is not None:
            self._take_contracts(contracts, symbols)
        warmup = self._background(
            "history",
            lambda: load_history(self._session, symbols, self._settings.bars, timeout_s=timeout_s * 3),
        )
        if warmup is not None:
            self._take_history(warmup)
        self._trader.value_now()

    def _take_contracts(self, contracts: Contracts, symbols: Sequence[str]) -> None:
        if contracts.problems:
            raise CannotStart(
                "the broker doesn't know every symbol of universe.symbols: " + "; ".join(contracts.problems)
            )
        for symbol in symbols:
            self._grid.learn(symbol, contracts.min_ticks[symbol])
            self._exchanges[symbol] = contracts.exchanges[symbol]

    def _take_history(self, warmup: Warmup) -> None:
        for problem in warmup.problems:
            self._log.warning("warmup_incomplete", problem=problem)
        for row in warmup.rows:
            self._trader.warm(row)
        self._status.market_ns = max(self._status.market_ns, warmup.last_end_ns)
        self._log.info("warmed_up", rows=len(warmup.rows), until=stamp(warmup.last_end_ns))

    def _subscribe(self) -> None:
        # The first bars should not find the lease missing only because the watchdog's next heartbeat is still on
        # its way; without a watchdog we go on, and open no risk.
        self._engine.pump(lambda: self._engine.has_lease, self._settings.risk.lease_s)
        if self._engine.stop_asked is not None:
            return
        self._status.enter(Phase.TRADING)
        self._backfill.start_after(self._status.market_ns)
        self._feed.start(after_ns=self._status.market_ns)

    # --- waiting ------------------------------------------------------------------------------------------

    def _ask(self, what: str, ask: Callable[[], Future[T]]) -> T | None:
        """Answer to a question while the engine goes on; None when a stop was asked for first."""
        future = ask()
        patience_s = self._settings.broker.request_timeout_s * 2
        if not self._engine.pump(future.done, patience_s):
            if self._engine.stop_asked is not None:
                return None
            raise CannotStart(f"the broker gave no answer about {what} within {patience_s:g} s")
        return future.result()

    def _background(self, name: str, work: Callable[[], T]) -> T | None:
        """Return the result of work that blocks, done on a thread of its own while the engine goes on."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 (handed over: result() raises it on the engine's thread)
                future.set_exception(error)

        threading.Thread(target=run, name=f"startup-{name}", daemon=True).start()
        while not future.done() and self._engine.stop_asked is None:
            self._engine.pump(future.done, 1.0)
        return future.result() if future.done() else None


def check_account(settings: Settings, session: IBSession) -> str:
    """Account to trade, once it is proven to be the one that is meant.

    Raises
    ------
    CannotStart
        When the login has no or several accounts without one being named, the named one is missing, paper mode
        meets a real account, or live mode a paper one.
    """
    account, accounts = session.account, ", ".join(session.accounts) or "none"
    if account is None and settings.account_id is not None:
        raise CannotStart(
            f"config.yaml names account_id {settings.account_id}, but this login has: {accounts}. Nothing is traded."
        )
    if account is None:
        raise CannotStart(
            f"this login has several accounts ({accounts}): name the one to trade as account_id"
        )
    if is_account_of(settings.mode, account):
        return account
    if settings.mode == "paper":
        raise CannotStart(
            f"mode is paper, but {account} is no paper account (those begin with D). To trade it with real money set "
            f"mode: live and account_id: {account}; to paper trade, log in to the paper account (port 4002 or 7497)."
        )
    raise CannotStart(f"mode is live, but {account} is a paper account: set mode: paper")


def opening_cash(snapshot: BrokerSnapshot) -> Decimal:
    """Cash of the account as the broker states it.

    Raises
    ------
    CannotStart
        When it is unknown: no book is opened on a guess.
    """
    if isinstance(snapshot.values, Unknown) or "TotalCashValue" not in snapshot.values:
        raise CannotStart(
            "the broker didn't say how much cash the account holds; nothing can be sized without it"
        )
    return snapshot.values["TotalCashValue"]
