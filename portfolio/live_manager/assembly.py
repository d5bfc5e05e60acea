"""Puts main together from its parts: the only place that knows them all."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date

import structlog

from core.clock import Clock
from core.config_loader import LoadedSettings
from core.event_queue import EventQueue
from core.events import BrokerSnapshot
from core.flags import FlagFolder
from core.halts import halt_of_command
from core.ib_wrapper.session import IBSession
from core.identity import Identity
from core.ipc.commands import COMMAND, Command, CommandServer
from core.ipc.endpoints import Endpoints
from core.ipc.heartbeat import HEARTBEAT, HeartbeatListener, HeartbeatPublisher
from core.ipc.messages import Signer, Verifier
from core.journal import Journal
from core.restrictions import RestrictionFolder
from core.vocabulary import ConnectionState, HaltReason
from core.wire_ring import WireRing
from data.exchange_calendar import exchange_calendar
from data.ib_feed import IBFeed
from data.warmup import load_history
from execution.methods.situation import SessionTimes
from execution.order_lane import OrderLane
from execution.order_manager import OrderManager
from execution.ticks import PriceGrid
from execution.trailing_stops import TrailingStops
from execution.upkeep import OrderUpkeep
from portfolio.decision_setup import compile_kernels
from portfolio.live_manager.backfill import Backfill
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.decision_cycle import DecisionCycle
from portfolio.live_manager.engine import Engine, EngineParts
from portfolio.live_manager.execution_parts import ExecutionParts, make_execution
from portfolio.live_manager.guard import Guard
from portfolio.live_manager.heartbeat import Heartbeat
from portfolio.live_manager.order_desk import OrderDesk
from portfolio.live_manager.order_facts import session_times
from portfolio.live_manager.reconciler import Reconciler
from portfolio.live_manager.restriction_desk import RestrictionDesk
from portfolio.live_manager.startup import Startup
from portfolio.live_manager.status import RunStatus
from portfolio.live_manager.trader import Trader
from portfolio.live_manager.veto_desk import open_veto
from strategy.registry import create_enabled

WATCHDOG = "risk_monitor"
_FIRST_SESSION, _LAST_SESSION = date(2000, 1, 1), date(2035, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Main, put together and not yet started."""

    engine: Engine
    startup: Startup
    session: IBSession
    upkeep: OrderUpkeep
    desk: OrderDesk
    reconciler: Reconciler
    heartbeat: Heartbeat
    status: RunStatus
    commands: CommandServer
    publisher: HeartbeatPublisher
    watchdog: HeartbeatListener
    lane: OrderLane


class Assembler:
    """Makes the parts in the order in which they need each other.

    Parameters
    ----------
    loaded
        The configuration.
    identity, ipc_key
        Who this process is, and the key of the run.
    journal
        Main's journal, open for writing.
    queue, clock
        The engine's.
    ring
        Takes a copy of the broker's messages, for the flight recorder.
    """

    def __init__(
        self,
        *,
        loaded: LoadedSettings,
        identity: Identity,
        ipc_key: bytes,
        journal: Journal,
        queue: EventQueue,
        clock: Clock,
        ring: WireRing | None = None,
    ) -> None:
        self._ring = ring
        self._loaded = loaded
        self._settings = loaded.settings
        self._folders = loaded.folders
        self._identity = identity
        self._key = ipc_key
        self._journal = journal
        self._queue = queue
        self._clock = clock
        self._status = RunStatus()
        self._lane = OrderLane()
        self._grid = PriceGrid({})
        self._exchanges: dict[str, str] = {}
        self._calendar = exchange_calendar(self._settings.universe.calendar, *calendar_range())
        self._endpoints = Endpoints.for_state(self._folders.control)

    def assemble(self) -> Assembly:
        """Fold the journal and make everything that works on the result."""
        book = self._fold()
        manager = OrderManager(
            book.orders, self._journal, client_id=self._settings.broker.main_client_id, clock=self._clock
        )
        session = self._session(book)
        feed = IBFeed(
            session,
            symbols=self._settings.universe.symbols,
            settings=self._settings.bars,
            hours=self._calendar,
            clock=self._clock,
        )
        parts = self._execution(manager, session, feed)
        reconciler = self._reconciler(book, manager, session)
        desk = self._desk(book, manager, parts, reconciler)
        trader = self._trader(book, desk, session)
        backfill = self._backfill(session, trader)
        heartbeat, publisher = self._heartbeat(book, desk)
        watchdog = self._watchdog()
        guard = self._guard(watchdog)
        parts.executor.has_lease = guard.has_lease
        engine = self._engine(
            book=book,
            guard=guard,
            feed=feed,
            desk=desk,
            reconciler=reconciler,
            trader=trader,
            backfill=backfill,
            heartbeat=heartbeat,
        )
        startup = Startup(
            settings=self._settings,
            session=session,
            engine=engine,
            book=book,
            journal=self._journal,
            status=self._status,
            reconciler=reconciler,
            feed=feed,
            trader=trader,
            backfill=backfill,
            grid=self._grid,
            exchanges=self._exchanges,
        )
        return Assembly(
            engine=engine,
            startup=startup,
            session=session,
            upkeep=parts.upkeep,
            desk=desk,
            reconciler=reconciler,
            heartbeat=heartbeat,
            status=self._status,
            commands=self._commands(),
            publisher=publisher,
            watchdog=watchdog,
            lane=self._lane,
        )

    # --- the parts ----------------------------------------------------------------------------------------

    def _fold(self) -> LiveBook:
        days = self._settings.caps.settlement_days
        book = LiveBook(lambda day: self._calendar.settlement_date(day, days))
        for record in Journal.read(self._journal.path):
            book.apply(record.kind, record.payload)
        self._status.peak_nlv = book.peak_nlv
        self._status.fills = book.ledger.fills
        self._status.commission = book.ledger.commissions()
        return book

    def _session(self, book: LiveBook) -> IBSession:
        universe = self._settings.universe
        return IBSession(
            self._settings.broker,
            client_id=self._settings.broker.main_client_id,
            sink=self._queue.put,
            clock=self._clock,
            order_id_floor=book.orders.highest_order_id,
            oca_groups={
                state.order_id: state.order.oca_group
                for state in book.orders.pending()
                if state.order.oca_group is not None
            },
            account_id=self._settings.account_id,
            exchange=universe.exchange,
            primary_exchanges=universe.primary_exchanges,
            currency=universe.currency,
            ring=self._ring,
        )

    def _execution(self, manager: OrderManager, session: IBSession, feed: IBFeed) -> ExecutionParts:
        return make_execution(
            settings=self._settings,
            run_id=self._identity.run_id,
            root=self._loaded.root,
            logs=self._folders.logs,
            manager=manager,
            session=session,
            journal=self._journal,
            lane=self._lane,
            grid=self._grid,
            exchanges=self._exchanges,
            quotes=feed.quote,
            session_at=self._session_times,
            clock=self._clock,
        )

    def _session_times(self, market_ns: int) -> SessionTimes | None:
        session = self._calendar.session_at(market_ns)
        return None if session is None else session_times(session)

    def _reconciler(self, book: LiveBook, manager: OrderManager, session: IBSession) -> Reconciler:
        return Reconciler(
            book=book,
            orders=manager,
            journal=self._journal,
            clock=self._clock,
            interval_s=self._settings.execution.reconcile_interval_s,
            ask=lambda: session.request_snapshot().add_done_callback(self._post),
            account=lambda: self._status.account,
        )

    def _post(self, answer: Future[BrokerSnapshot]) -> None:
        """Bring a broker's answer into the queue (on the session's thread)."""
        if not answer.cancelled() and answer.exception() is None:
            self._queue.put(answer.result())

    def _desk(
        self, book: LiveBook, manager: OrderManager, parts: ExecutionParts, reconciler: Reconciler
    ) -> OrderDesk:
        desk = OrderDesk(
            book=book,
            manager=manager,
            executor=parts.executor,
            upkeep=parts.upkeep,
            work=parts.work,
            journal=self._journal,
            status=self._status,
            trailing=TrailingStops(manager, self._journal, self._grid),
            ask_broker=reconciler.request_soon,
            trails=self._settings.trails,
        )
        reconciler.book_execution = desk.on_execution
        return desk

    def _trader(self, book: LiveBook, desk: OrderDesk, session: IBSession) -> Trader:
        enabled = [one for one in self._settings.strategies if one.enabled]
        strategies = create_enabled(self._settings.strategies)
        cycle = DecisionCycle(
            strategies=strategies,
            weights=[one.weight for one in enabled],
            symbols=self._settings.universe.symbols,
            sizing=self._settings.sizing,
            caps=self._settings.caps,
        )
        # A cold compiler takes seconds: inside the engine's loop that would be a missed heartbeat.
        note = "the first start of a version compiles them, up to a minute; later ones load them"
        structlog.get_logger(__name__).info("kernels", note=note)
        compile_kernels(strategies, self._settings.sizing, self._settings.caps)
        cycle.restore(book.ledger, book.session_closes)
        desk.on_entry_fill = cycle.note_entry
        restrictions = RestrictionFolder(self._folders.control, self._clock)

        def row_done() -> None:
            if self._status.connection is ConnectionState.READY:
                session.current_time()

        return Trader(
            cycle=cycle,
            book=book,
            desk=desk,
            journal=self._journal,
            status=self._status,
            session_at=lambda end_ns: self._calendar.session_at(end_ns - 1),
            row_done=row_done,
            bar_s=self._settings.bars.size_s,
            caps=self._settings.caps,
            restrictions=RestrictionDesk(restrictions, cycle, self._journal),
            veto=open_veto(self._loaded, strategies, cycle, self._calendar, self._journal, self._status),
        )

    def _backfill(self, session: IBSession, trader: Trader) -> Backfill:
        timeout_s = self._settings.broker.request_timeout_s * 3
        return Backfill(
            load=lambda: load_history(
                session, self._settings.universe.symbols, self._settings.bars, timeout_s=timeout_s
            ),
            warm=trader.warm,
        )

    def _heartbeat(self, book: LiveBook, desk: OrderDesk) -> tuple[Heartbeat, HeartbeatPublisher]:
        publisher = HeartbeatPublisher(
            self._endpoints.main_heartbeat, Signer.of(self._identity, self._key, self._clock)
        )
        heartbeat = Heartbeat(
            publisher=publisher,
            file=self._folders.logs / "main_heartbeat.json",
            identity=self._identity,
            clock=self._clock,
            status=self._status,
            queue=self._queue,
            interval_s=self._settings.risk.heartbeat.interval_s,
            positions=book.ledger.net_positions,
            working_orders=lambda: desk.working_orders,
        )
        return heartbeat, publisher

    def _watchdog(self) -> HeartbeatListener:
        return HeartbeatListener(self._endpoints.watchdog_heartbeat, self._verifier(HEARTBEAT))

    def _guard(self, watchdog: HeartbeatListener) -> Guard:
        return Guard(
            flags=FlagFolder(self._folders.flags, self._clock),
            watchdog=watchdog,
            lease_s=self._settings.risk.lease_s,
            clock=self._clock,
        )

    def _engine(
        self,
        *,
        book: LiveBook,
        guard: Guard,
        feed: IBFeed,
        desk: OrderDesk,
        reconciler: Reconciler,
        trader: Trader,
        backfill: Backfill,
        heartbeat: Heartbeat,
    ) -> Engine:
        return Engine(
            EngineParts(
                queue=self._queue,
                journal=self._journal,
                clock=self._clock,
                status=self._status,
                book=book,
                guard=guard,
                lane=self._lane,
                feed=feed,
                desk=desk,
                reconciler=reconciler,
                trader=trader,
                backfill=backfill,
                heartbeat=heartbeat,
            )
        )

    def _verifier(self, kind: str) -> Verifier:
        return Verifier(self._key, self._identity.run_id, sender=WATCHDOG, kinds={kind}, clock=self._clock)

    def _commands(self) -> CommandServer:
        return CommandServer(
            self._endpoints.main_commands,
            verifier=self._verifier(COMMAND),
            signer=Signer.of(self._identity, self._key, self._clock),
            close_order_lane=lambda: close_lane(self._lane),
            on_command=self._on_command,
        )

    def _on_command(self, command: Command, body: Mapping[str, object]) -> None:
        self._queue.put(halt_of_command(command, str(body.get("reason", ""))))


def close_lane(lane: OrderLane) -> None:
    """Close the order lane for good; returns when no order can leave any more.

    A send that is under way is waited for without a limit: the watchdog has its own deadline, and gets no promise
    before it is true.
    """
    lane.close(HaltReason.WATCHDOG_COMMAND.value)


def calendar_range() -> tuple[date, date]:
    """Dates that the calendar covers: from the oldest packaged prices to well after today."""
    return _FIRST_SESSION, _LAST_SESSION
