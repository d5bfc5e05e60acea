"""One session with the broker: the wrapper's public face.

Threads: callers' own, the keeper (connects and watches), and for each connection a reader and a writer. Reader and
keeper call the sink, which must be quick and thread-safe (``core.event_queue``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from types import MappingProxyType

import structlog

from core.clock import Clock
from core.config_schema import BrokerSettings
from core.errors import NotConnected
from core.events import BrokerSnapshot, Event, Order
from core.ib_wrapper.callbacks import Callbacks
from core.ib_wrapper.connection import Connection, Impairment
from core.ib_wrapper.desk import Bars, Executions, OpenOrders, Positions, RequestDesk, Values
from core.ib_wrapper.dispatch import Counters, Dispatcher, silence_ibapi
from core.ib_wrapper.encoder import Encoder
from core.ib_wrapper.feeds import Feeds
from core.ib_wrapper.link import Link
from core.ib_wrapper.oca import OcaGroups
from core.ib_wrapper.order_ids import OrderIds, OrderRefs
from core.ib_wrapper.requests import Plain
from core.ib_wrapper.responder import Responder
from core.ib_wrapper.selftest import check_ibapi
from core.ib_wrapper.sender import Sender
from core.ib_wrapper.subscriber import Subscriber
from core.ib_wrapper.times import zone_named
from core.ib_wrapper.translate import ib_order
from core.ib_wrapper.types import ContractInfo, SessionStatistics
from core.vocabulary import ConnectionState, Unknown
from core.wire_ring import WireRing


class IBSession:
    """A session with TWS or IB Gateway that keeps itself connected.

    Parameters
    ----------
    settings
        The ``broker`` section of the configuration.
    client_id
        Client id of this process; no two sessions may share one.
    sink
        Takes every event; called on the session's threads.
    order_id_floor
        Highest order id ever used with this client id (from the journal).
    oca_groups
        OCA group that each working order of an earlier process asked for, by order id (from the journal).
    account_id
        The account to work with when the login has several; with one account it isn't needed.
    exchange, primary_exchanges, currency
        Where stocks are looked up.
    zone
        Time zone of the TWS login: executions are stamped in it.
    ring
        Takes a copy of each message, for the flight recorder.
    id_timeout_s
        How long an answer that carries an id may take; None for ``request_timeout_s``.

    Raises
    ------
    IncompatibleIbapi
        If the installed ibapi isn't the one that the wrapper was written against.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        client_id: int,
        sink: Callable[[Event], None],
        clock: Clock,
        order_id_floor: int = 0,
        oca_groups: Mapping[int, str] = MappingProxyType({}),
        logger: structlog.typing.FilteringBoundLogger | None = None,
        account_id: str | None = None,
        exchange: str = "SMART",
        primary_exchanges: Mapping[str, str] = MappingProxyType({}),
        currency: str = "USD",
        zone: str = "America/New_York",
        ring: WireRing | None = None,
        id_timeout_s: float | None = None,
    ) -> None:
        check_ibapi()
        silence_ibapi()
        self._settings = settings
        self._client_id = client_id
        self._wanted_account = account_id
        self._accounts: tuple[str, ...] = ()
        self._has_next_id = self._has_accounts = False
        self._log: structlog.typing.FilteringBoundLogger = logger or structlog.get_logger("core.ib_wrapper")
        self._sender = Sender()
        self._order_ids = OrderIds(order_id_floor)
        self._order_refs = OrderRefs()
        self._groups = OcaGroups(oca_groups)
        self._feeds = Feeds(sink, clock)
        self._desk = RequestDesk(
            self._sender,
            clock,
            timeout_s=settings.request_timeout_s,
            id_timeout_s=id_timeout_s,
            exchange=exchange,
            primary_exchanges=primary_exchanges,
            currency=currency,
            account=lambda: self.account,
        )
        self._subscriber = Subscriber(
            self._sender,
            self._feeds,
            self._desk,
            clock,
            account=lambda: self.account,
            data_type=settings.market_data_type,
        )
        self._connection = Connection(
            settings, client_id=client_id, clock=clock, emit=sink, owner=self, log=self._log, ring=ring
        )
        self._responder = self._new_responder(sink, clock)
        self._callbacks = self._new_callbacks(sink, clock, zone)
        self._counters = Counters()

    def _new_responder(self, sink: Callable[[Event], None], clock: Clock) -> Responder:
        return Responder(
            connection=self._connection,
            desk=self._desk,
            subscriber=self._subscriber,
            feeds=self._feeds,
            order_ref_of=lambda order_id: self._order_refs.find(self._client_id, order_id),
            emit=sink,
            client_id=self._client_id,
            clock=clock,
            log=self._log,
        )

    def _new_callbacks(self, sink: Callable[[Event], None], clock: Clock, zone: str) -> Callbacks:
        return Callbacks(
            emit=sink,
            clock=clock,
            zone=zone_named(zone),
            client_id=self._client_id,
            hooks=self,
            feeds=self._feeds,
            requests=self._desk.by_id,
            plain=self._desk.plain,
            times=self._desk.times,
            order_ids=self._order_ids,
            order_refs=self._order_refs,
            groups=self._groups,
            on_contract=self._desk.learn,
            pnl_account=self._subscriber.pnl_account,
            log=self._log,
        )

    # --- life --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect in the background and stay connected; returns at once. A session is started once."""
        self._connection.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Hang up on purpose and wait for the threads. What was asked and isn't answered becomes UNKNOWN."""
        link = self._connection.link
        if link is not None:
            link.outbox.wait_empty(min(1.0, timeout_s))
        self._connection.stop(timeout_s)

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until orders can be placed; False when that takes longer."""
        return self._connection.wait_for(ConnectionState.READY, timeout_s)

    @property
    def state(self) -> ConnectionState:
        """State of the connection now."""
        return self._connection.state

    @property
    def accounts(self) -> tuple[str, ...]:
        """Accounts of the login; empty before the first connection."""
        return self._accounts

    @property
    def account(self) -> str | None:
        """The account that this session works with; None before the first connection or when it is ambiguous."""
        if self._wanted_account is not None:
            return self._wanted_account if self._wanted_account in self._accounts else None
        return self._accounts[0] if len(self._accounts) == 1 else None

    @property
    def statistics(self) -> SessionStatistics:
        """Counters since the session was made."""
        link = self._connection.link
        return SessionStatistics(
            connects=self._connection.connects,
            connects_failed=self._connection.failed,
            links_lost=self._connection.lost,
            bytes_received=self._connection.bytes_before + (link.bytes_received if link is not None else 0),
            frames_received=self._counters.frames,
            frames_undecoded=self._counters.undecoded,
            late_answers=self._desk.by_id.late,
            messages_sent=self._sender.sent,
            probes=self._subscriber.probes,
            requests_timed_out=self._desk.timed_out,
            resyncs=self._responder.resyncs,
        )

    # --- orders ------------------------------------------------------------------------------------------

    def next_order_id(self) -> int:
        """Fresh order id: above the floor, every id seen, and the broker's own count."""
        return self._order_ids.take()

    def place(
        self, order_id: int, order: Order, *, parent_id: int | None = None, transmit: bool = True
    ) -> None:
        """Hand an order to the kernel, once.

        Never retried and never kept for a later connection. Blocks for at most two seconds, and only when the
        message budget of the second is used up or the peer takes no bytes.

        Raises
        ------
        NotConnected
            If the session isn't ready, or the order could not be handed over as a whole: the broker doesn't have
            it and never will.
        Rejected
            If the order can't be written in the protocol.
        """
        if self._connection.state is not ConnectionState.READY:
            raise NotConnected(f"the broker connection is {self._connection.state}")
        wanted = ib_order(
            order,
            order_id=order_id,
            account=self.account or "",
            parent_id=parent_id,
            transmit=transmit,
            group=self._groups.for_order(order_id, order.oca_group),
        )
        self._order_ids.saw(order_id)
        self._order_refs.learn(self._client_id, order_id, order.order_ref)
        self._sender.deliver("placeOrder", order_id, self._desk.contract(order.symbol), wanted)

    def cancel(self, order_id: int) -> None:
        """Ask to cancel one order of this session's; goes before everything that waits.

        Raises
        ------
        NotConnected
            If there is no connection or the kernel didn't take it.
        """
        self._sender.deliver("cancelOrder", order_id, urgent=True)

    def cancel_all(self) -> None:
        """Ask to cancel every order of the account, those of other clients and of humans included.

        Raises
        ------
        NotConnected
            If there is no connection or the kernel didn't take it.
        """
        self._sender.deliver("reqGlobalCancel", urgent=True)

    # --- questions ---------------------------------------------------------------------------------------

    def request_snapshot(self) -> Future[BrokerSnapshot]:
        """Positions, all open orders, executions and account values; each part is UNKNOWN by itself."""
        return self._desk.snapshot()

    def positions(self) -> Future[Positions | Unknown]:
        """Positions that aren't zero."""
        return self._desk.positions()

    def open_orders(self) -> Future[OpenOrders | Unknown]:
        """Open orders of all clients."""
        return self._desk.open_orders()

    def is_owed(self, sort: Plain) -> bool:
        """Whether an earlier question of this sort still waits for its End: each further one costs a round trip more."""
        return self._desk.plain[sort].is_owed

    def executions(self) -> Future[Executions | Unknown]:
        """Today's executions of all clients."""
        return self._desk.executions()

    def account_values(self) -> Future[Values | Unknown]:
        """Numbers of the account by IB's names (``NetLiquidation`` ...)."""
        return self._desk.account_values()

    def historical_bars(
        self,
        symbol: str,
        *,
        bar_size_s: int,
        duration: str,
        end_ns: int | None,
        regular_hours: bool = True,
        on_refused: Callable[[str], None] | None = None,
    ) -> Future[Bars | Unknown]:
        """Bars of the past, oldest first, stamped with their end.

        Parameters
        ----------
        duration
            As IB writes it: ``"2 D"``, ``"1 W"``, ``"3600 S"``.
        end_ns
            End of the last bar; None for now, when the last bar may still be forming.
        on_refused
            Takes the broker's reason (code and text) before the answer becomes UNKNOWN; called on a session's thread.
        """
        return self._desk.historical_bars(
            symbol,
            bar_size_s=bar_size_s,
            duration=duration,
            end_ns=end_ns,
            regular_hours=regular_hours,
            on_refused=on_refused,
        )

    def contract_details(self, symbol: str) -> Future[ContractInfo | Unknown]:
        """Contract of a stock."""
        return self._desk.contract_details(symbol)

    def current_time(self) -> Future[int | Unknown]:
        """Time of the broker, in seconds since the epoch."""
        return self._desk.current_time()

    # --- subscriptions -----------------------------------------------------------------------------------

    def subscribe_realtime_bars(self, symbols: Iterable[str]) -> None:
        """Five-second bars of these symbols, now and after every reconnect."""
        self._subscriber.want_bars(symbols)

    def subscribe_quotes(self, symbols: Iterable[str]) -> None:
        """Quotes of these symbols, now and after every reconnect."""
        self._subscriber.want_quotes(symbols)

    def subscribe_account(self) -> None:
        """Account values as they change, now and after every reconnect."""
        self._subscriber.want_account()

    def subscribe_pnl(self) -> None:
        """Profit and loss as they change, now and after every reconnect."""
        self._subscriber.want_pnl()

    # --- what the connection and the callbacks tell ------------------------------------------------------

    def begin(self, link: Link) -> Callable[[list[bytes]], None]:
        """Start the API on a new link and read it from now on."""
        self._has_next_id = self._has_accounts = False
        encoder = Encoder(link.server.version)
        encoder.clientId = self._client_id
        dispatcher = Dispatcher(
            self._callbacks,
            link.server.version,
            on_vital_loss=self._on_vital_loss,
            after_batch=self._feeds.flush,
            is_current=lambda: not link.ended,
            counters=self._counters,
            log=self._log,
        )
        self._sender.attach(link, encoder)
        self._sender.send("startApi")
        return dispatcher.run

    def established(self, *, again: bool) -> None:
        """Ask for what may have happened meanwhile, then subscribe."""
        if again:
            self._responder.resync()
        self._subscriber.renew()

    def ended(self) -> None:
        """Drop all that belonged to a link that is gone."""
        self._sender.detach()
        self._desk.end_all()
        self._feeds.unbind_all()

    def tick(self) -> None:
        """Work off deadlines."""
        for name in self._desk.expire():
            self._log.warning("request_timed_out", request=name)
        self._subscriber.tick()
        self._responder.tick()

    def probe(self) -> None:
        """Ask for the time: a full round trip."""
        self._subscriber.probe()

    def on_accounts(self, accounts: tuple[str, ...]) -> None:
        """Note the accounts of the login; one without the account that was worked with before is refused."""
        ours = self._wanted_account
        if self._connection.connects and ours is not None and ours not in accounts:
            self._connection.refuse(f"this login has {', '.join(accounts)}, not {ours}: not ours to trade")
            return
        self._accounts, self._has_accounts = accounts, bool(accounts)
        self._wanted_account = self._wanted_account or self.account
        self._finish_handshake()

    def on_next_valid_id(self, order_id: int) -> None:
        """Note the broker's next order id."""
        self._log.debug("next_valid_id", order_id=order_id)
        self._has_next_id = True
        self._finish_handshake()

    def on_commission_unknown(self, exec_id: str) -> None:
        """Have the cost asked for a little later."""
        self._responder.commission_missing(exec_id)

    def on_code(self, request_id: int, code: int, text: str) -> None:
        """Pass a code on."""
        self._responder.handle(request_id, code, text)

    def _finish_handshake(self) -> None:
        if self._has_next_id and self._has_accounts:  # both of this login, not of the one before
            self._connection.handshake_done()

    def _on_vital_loss(self, reason: str) -> None:
        # During a handshake there is nothing to ask yet; its own deadline decides.
        if self._connection.state in {ConnectionState.READY, ConnectionState.DEGRADED}:
            self._connection.impair(Impairment.FRAMES, reason)
            self._responder.resync_after_loss()
