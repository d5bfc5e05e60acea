"""The real ``main.py``, given an account full of orders instead of a market to decide on.

Everything of main runs: lock, journal, engine loop, order lane, reconciler, heartbeat, command thread, guard. Only the last
two steps of its start are others: instead of warming up and subscribing to bars it opens a position with a protective stop
in each symbol and rests limit orders far below the market, all journaled and sent by the executor as any order is. No
strategy can place a hundred orders to order.

The processes are forked from a server that has imported everything, which saves two seconds a run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

import main as main_script
from core.config_schema import Settings
from core.events import Order
from core.vocabulary import OrderType, Purpose, Side, TimeInForce
from data.exchange_calendar import exchange_calendar
from execution.ib_executor import Bundle, Outgoing
from execution.order_ref import OrderRefSequence
from portfolio.decision_setup import compile_kernels
from portfolio.live_manager.assembly import calendar_range
from portfolio.live_manager.startup import Startup
from portfolio.live_manager.status import Phase
from strategy.registry import create_enabled

ORDERS_VARIABLE = "BENCH_WORKING_ORDERS"
_QUANTITY = Decimal(10)
_FAR_BELOW = Decimal(1)
_PATIENCE_S = 30.0


def preload() -> None:
    """Do once, in the fork server, what each main would do at its start."""
    settings = Settings()
    exchange_calendar(settings.universe.calendar, *calendar_range())
    compile_kernels(create_enabled(settings.strategies), settings.sizing, settings.caps)


class Load:
    """Puts the orders into the account of a main that has just connected and reconciled."""

    def __init__(self, startup: Startup) -> None:
        self._startup = startup
        self._session = startup._session
        self._desk = startup._engine._p.desk
        self._executor = self._desk._executor
        self._symbols = startup._settings.universe.symbols
        self._refs = OrderRefSequence(os.environ["BACKSTOP_RUN_ID"])
        self._working = int(os.environ[ORDERS_VARIABLE])

    def run(self) -> None:
        """Send everything at once, and wait until it rests.

        The message limit is lifted for this and then holds again: two seconds of waiting a run are saved, and nothing of
        it is left when the kill comes.
        """
        bundles = [self._position(symbol) for symbol in self._symbols]
        resting = self._working - len(self._symbols)
        bundles += [self._limit(number) for number in range(resting)]
        engine = self._startup._engine
        if not engine.pump(self._executor.has_lease, _PATIENCE_S) and engine.stop_asked is None:
            raise RuntimeError("the watchdog gives no lease: entries would stay here")
        link = self._session._connection.link
        assert link is not None
        pacing = link.outbox._pacing
        limit, pacing._normal = pacing._normal, 10 * len(bundles)
        with self._startup._journal.batch():
            for outgoing in (one for bundle in bundles for one in bundle):
                self._executor.manager.intend(outgoing.order, outgoing.order_id)
        self._executor.send(bundles)
        pacing._normal = limit
        if not engine.pump(self._rests, _PATIENCE_S) and engine.stop_asked is None:
            raise RuntimeError(f"{self._desk.working_orders} orders rest instead of {self._working}")
        self._startup._status.phase = Phase.TRADING

    def _rests(self) -> bool:
        held = self._startup._book.ledger.net_positions()
        return self._desk.working_orders == self._working and all(held.get(one) for one in self._symbols)

    def _position(self, symbol: str) -> Bundle:
        entry = self._order(symbol, Purpose.ENTRY, Side.BUY, OrderType.MARKET)
        stop = self._order(
            symbol, Purpose.STOP, Side.SELL, OrderType.STOP, stop_price=_FAR_BELOW, parent=entry.order_ref
        )
        entry_id, stop_id = self._session.next_order_id(), self._session.next_order_id()
        return Outgoing(entry, entry_id, transmit=False), Outgoing(stop, stop_id, parent_id=entry_id)

    def _limit(self, number: int) -> Bundle:
        symbol = self._symbols[number % len(self._symbols)]
        order = self._order(
            symbol, Purpose.ENTRY, Side.BUY, OrderType.LIMIT, limit_price=_FAR_BELOW, strategy="resting"
        )
        return (Outgoing(order, self._session.next_order_id()),)

    def _order(
        self,
        symbol: str,
        purpose: Purpose,
        side: Side,
        kind: OrderType,
        *,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        parent: str | None = None,
        strategy: str = "momentum",
    ) -> Order:
        reference = self._refs.next(purpose)
        return Order(
            order_ref=reference,
            strategy=strategy,
            symbol=symbol,
            side=side,
            quantity=_QUANTITY,
            order_type=kind,
            purpose=purpose,
            reason="bench",
            created_ns=0,
            limit_price=limit_price,
            stop_price=stop_price,
            time_in_force=TimeInForce.GTC if purpose is Purpose.STOP else TimeInForce.DAY,
            parent_ref=parent,
            oca_group=f"OCA-{reference}" if purpose is Purpose.STOP else None,
        )


def run(config: Path, environment: dict[str, str], output: Path) -> None:
    """Be main; the target of a forked process."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(environment)
    signal.set_wakeup_fd(-1)
    Startup._warm_up = lambda self: None  # type: ignore[method-assign]
    Startup._subscribe = lambda self: Load(self).run()  # type: ignore[method-assign]
    sys.exit(main_script.main(["--config", str(config)]))


def fork_server() -> multiprocessing.context.ForkServerContext:
    """Give the context whose processes are forked with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.bench.preloaded"])
    return context
