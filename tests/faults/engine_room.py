"""Main's real engine on the test's thread: real journal, real socket, a real gateway; the test decides what to trade.

The lease comes from the test too, signed as the watchdog signs it. A second room on the same folder is a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from core.clock import SystemClock
from core.config_loader import load_settings
from core.event_queue import EventQueue
from core.events import Order
from core.identity import Identity, read_ipc_key
from core.ipc.endpoints import Endpoints
from core.ipc.heartbeat import HeartbeatPublisher
from core.ipc.messages import Signer
from core.journal import Journal
from core.reasons import Reason
from core.vocabulary import ConnectionState, OrderType, Purpose, Side
from execution.order_state import OrderState
from execution.plans import TradingConditions
from portfolio.live_manager.assembly import Assembler, Assembly
from portfolio.live_manager.decision_cycle import Decision
from tests.faults.agreement import Agreement
from tests.faults.invariants import Evidence, disagreements
from tests.risk.stage import Stage
from tests.waiting import DEADLINE_S

STRATEGY = "momentum"
QUICK = """
execution: {pending_submit_query_s: 1, reconcile_interval_s: 2, pretrade: {max_orders_per_minute: 3000, max_repeats: 1000}}
strategies: [{name: buy_and_hold, weight: 0.01}]
bars: {warmup_bars: 0}
"""
"""For stages of engine rooms: questions sooner, no cap that a test would meet by accident."""


class EngineRoom:
    """One incarnation of main."""

    def __init__(self, stage: Stage, *, lease: bool = True) -> None:
        self.stage = stage
        self.clock = SystemClock()
        loaded = load_settings(stage.config, stage.environment)
        loaded.folders.make()
        loaded.folders.flags.mkdir(exist_ok=True)
        self.settings = loaded.settings
        self.identity = Identity.from_environ("main", stage.environment)
        self._key = read_ipc_key(stage.environment)
        self.queue = EventQueue()
        self.journal = Journal(
            loaded.folders.state / "main.db",
            process="main",
            run_id=self.identity.run_id,
            boot_id=self.identity.boot_id,
            clock=self.clock,
        )
        self.assembly: Assembly = Assembler(
            loaded=loaded,
            identity=self.identity,
            ipc_key=self._key,
            journal=self.journal,
            queue=self.queue,
            clock=self.clock,
        ).assemble()
        self.assembly.commands.start()
        self.engine = self.assembly.engine
        self.parts: Any = self.engine._p
        self.manager = self.assembly.desk._manager
        self.executor = self.assembly.desk._executor
        self.sequence = 0
        self._agreement = Agreement(self.journal.path, stage.audit)
        self._watchdog: HeartbeatPublisher | None = None
        self._leased_s = 0.0
        if lease:
            endpoints = Endpoints.for_state(loaded.folders.control)
            watchdog = replace(self.identity, process="risk_monitor")
            self._watchdog = HeartbeatPublisher(
                endpoints.watchdog_heartbeat, Signer.of(watchdog, self._key, self.clock)
            )

    def start(self) -> None:
        """Connect, reconcile, warm up, subscribe."""
        original, engine = self.engine.step, self.engine

        def step() -> None:
            self._give_lease()
            original()

        engine.step = step  # type: ignore[method-assign]
        self.assembly.startup.run()
        self.run_until(lambda: self.parts.status.connection is ConnectionState.READY, "a connection")

    def _give_lease(self) -> None:
        if self._watchdog is not None and time.monotonic() - self._leased_s > 0.25:
            self._leased_s = time.monotonic()
            self._watchdog.publish({"lease": True, "state": "watching"})

    def withdraw_lease(self) -> None:
        """Give no further heartbeat."""
        if self._watchdog is not None:
            self._watchdog.close()
        self._watchdog = None

    def run_until(self, done: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
        """Let the engine go on until something is so."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"waited {seconds:g} s in vain for {what}"
            self.engine.step()

    def run_for(self, seconds: float) -> None:
        """Let the engine go on, so that what must not happen could happen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.engine.step()

    @property
    def conditions(self) -> TradingConditions:
        """What forbids orders now. The market of a test's stage is always open."""
        return self.engine.conditions()

    def target(
        self,
        quantity: int,
        symbol: str = "IBM",
        *,
        conditions: TradingConditions | None = None,
        stop_distance: float = 5.0,
        price: float | None = None,
    ) -> None:
        """Have a decision for a position carried out; what it denies stands in the journal.

        ``price`` is the close that it was made on; None: the present quote's middle.
        """
        decision = Decision(
            strategy=STRATEGY,
            symbol=symbol,
            position=self.parts.book.position(STRATEGY, symbol),
            target=Decimal(quantity),
            reason=Reason.NONE,
            stop_distance=stop_distance,
        )
        quote = self.parts.feed.quote(symbol)
        close = price or (quote.mid if quote is not None else 100.0)
        self.assembly.desk.act(
            [decision], conditions or self.conditions, bar_end_ns=time.time_ns(), price_of=lambda _: close
        )

    def ready_to_trade(self) -> None:
        """Wait until nothing forbids an entry."""

        def nothing_forbids() -> bool:
            now = self.conditions
            quotes = all(self.parts.feed.quote(symbol) is not None for symbol in self.stage.symbols)
            return now.connected and now.reconciled and now.lease and not now.stale_symbols and quotes

        self.run_until(nothing_forbids, "leave to trade")

    def rest(self, symbol: str = "IBM", quantity: int = 10, limit: str = "1.00") -> str:
        """Rest a limit order of ours far from the market; returns its name."""
        self.sequence += 1
        ref = f"BS-{self.identity.run_id[:8]}-{900000 + self.sequence}-E"
        order_id = self.assembly.session.next_order_id()
        order = Order(
            order_ref=ref,
            strategy=STRATEGY,
            symbol=symbol,
            side=Side.BUY,
            quantity=Decimal(quantity),
            order_type=OrderType.LIMIT,
            purpose=Purpose.ENTRY,
            reason="test",
            created_ns=time.time_ns(),
            limit_price=Decimal(limit),
        )
        self.manager.intend(order, order_id)
        self.assembly.session.place(order_id, order)
        self.manager.sent(ref, order_id)
        return ref

    def state(self, ref: str) -> OrderState:
        """One of our orders."""
        found = self.manager.book.get(ref)
        assert found is not None
        return found

    def held(self) -> dict[str, int]:
        """Our book's positions."""
        return {s: int(q) for s, q in self.parts.book.ledger.net_positions().items() if q}

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        """Payloads of our journal's records of a kind."""
        return [dict(one.payload) for one in Journal.read(self.journal.path) if one.kind == kind]

    def await_agreement(self, seconds: float = DEADLINE_S) -> float:
        """Let the engine go on until our book equals the broker's (G4).

        Returns
        -------
        float
            Seconds since the broker's last event, or since the connection that we heard of it by, if that is later.
        """
        looked_s = 0.0
        agreement = self._agreement
        connected_ns = time.monotonic_ns() if self.assembly.session.statistics.links_lost else 0

        def agree() -> bool:
            nonlocal looked_s
            if time.monotonic() - looked_s < 0.1:
                return False
            looked_s = time.monotonic()
            return not agreement.disagreements()

        try:
            self.run_until(agree, "our book to equal the broker's", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(disagreements(Evidence.of(self.stage)))) from None
        last_ns = max(agreement.truth.last_ns, connected_ns)
        return max(0.0, (time.monotonic_ns() - last_ns) / 1e9)

    def die(self) -> None:
        """End as SIGKILL would: nothing is said to anybody, the kernel closes what was open."""
        link = self.assembly.session._connection.link
        if link is not None:
            link.outbox.fail("killed")
        self.close()

    def close(self) -> None:
        """Let go of sockets and files."""
        self.assembly.session.stop(3.0)
        self.assembly.commands.stop()
        self.assembly.publisher.close()
        self.assembly.watchdog.close()
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None
        self.journal.close()


@contextmanager
def engine_room(stage: Stage, *, lease: bool = True, start: bool = True) -> Iterator[EngineRoom]:
    """Open a room; a started one is ready to trade."""
    room = EngineRoom(stage, lease=lease)
    try:
        if start:
            room.start()
            if lease:
                room.ready_to_trade()
        yield room
    finally:
        room.close()


class RoomStage(Stage):
    """A stage for engine rooms: a market that moves a little, quotes at once."""

    def start_gateway(self, *options: str) -> Any:
        """Start the gateway."""
        fixed = ("--speed", "20", "--seed", str(self.seed), *self.gateway)
        return super().start_gateway(*fixed, *options)

    seed = 1
    gateway: tuple[str, ...] = ()
    """Further options of the gateway."""
