"""Carries out a scenario: asked by hub, sessions and server (``hooks.Faults``), and acting by itself on time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from paper_gateway import responses
from paper_gateway.faults.feed import FaultyFeed
from paper_gateway.faults.interventions import Interventions
from paper_gateway.faults.links import FaultyLink
from paper_gateway.faults.news import News
from paper_gateway.faults.orders import FaultyExchange
from paper_gateway.faults.scenario import (
    Corrections,
    Fault,
    Feed,
    Foreign,
    Garbage,
    HalfOpen,
    Hold,
    LockedId,
    Reset,
    Restart,
    Scenario,
    ServersLost,
    Silence,
)
from paper_gateway.faults.schedule import Schedule
from paper_gateway.hooks import Listener, Wire
from paper_gateway.place_order import plain_fields
from paper_gateway.requests import (
    AccountRequest,
    AccountUpdatesRequest,
    ExecutionsRequest,
    HistoricalDataRequest,
    Incoming,
    Request,
    Simple,
)
from paper_gateway.server import GatewayServer
from paper_gateway.types import (
    BarView,
    BrokerageEvent,
    CommissionView,
    Executed,
    ExecutionView,
    OrderTicket,
    QuoteView,
)
from paper_gateway.working_order import WorkingOrder

_TICK_S: Final = 0.01
_MANUAL_CLIENT: Final = 0
_FIRST_CORRECTION: Final = ".01"
_SIMPLE: Final = {
    Incoming.REQ_POSITIONS: "positions",
    Incoming.REQ_OPEN_ORDERS: "open_orders",
    Incoming.REQ_ALL_OPEN_ORDERS: "open_orders",
    Incoming.REQ_CURRENT_TIME: "time",
}
_NOTICES: Final = {
    "farm": (2103, "Market data farm connection is broken:usfarm"),
    "competing": (10197, "No market data during competing live session"),
}


class Director:
    """One scenario on one gateway.

    Parameters
    ----------
    scenario, seed
        What happens, and which of its chances.
    server
        The gateway; its hub and brokerage are taken hold of here.
    control
        Folder of control files; None: there are none.
    """

    def __init__(self, scenario: Scenario, server: GatewayServer, *, seed: int, control: Path | None) -> None:
        self._server = server
        self._hub = server.hub
        self._schedule = Schedule(
            scenario.faults,
            seed=seed,
            stands=lambda name: control is not None and (control / name).exists(),
        )
        self._news = News(self._schedule, time.monotonic)
        self._feed = FaultyFeed(self._schedule)
        self._exchange = FaultyExchange(self._schedule, self._fill_later)
        self._interventions = Interventions(self._hub.brokerage.internals)
        self._splits = tuple(scenario.splits)
        self._links: list[FaultyLink] = []
        self._login_until = 0.0
        self._restarting: set[asyncio.Task[None]] = set()
        self._manual_id = 0
        self._log = structlog.get_logger("paper_gateway")
        self._hub.faults = self
        self._hub.brokerage.exchange = self._exchange

    async def run(self) -> None:
        """Follow the schedule until cancelled."""
        while True:
            self._tick()
            await asyncio.sleep(_TICK_S)

    def _tick(self) -> None:
        changes = self._schedule.advance(time.monotonic())
        for change in changes:
            self._log.info("fault", kind=_name(change.fault), began=change.began)
            (self._begin if change.began else self._end)(change.fault)
        for link in self._links:
            link.follow()

    # --- hooks.Faults ------------------------------------------------------------------------------------

    def on_connected(self, client_id: int) -> None:
        """Note a client that has started its session."""
        del client_id
        self._schedule.connected(time.monotonic())

    def on_order(self, client_id: int) -> None:
        """Note an order that is about to be placed; what begins with it begins before it."""
        self._schedule.ordered(client_id)
        self._tick()

    def on_session_open(self, day: date) -> None:
        """Split what is split today."""
        for split in self._splits:
            if split.on == day:
                self._hub.publish(self._interventions.split(split.symbol, split.ratio))

    def admits(self, client_id: int) -> bool:
        """Whether a client id is free."""
        return not self._schedule.active(LockedId, client_id)

    def answers(self, client_id: int, request: Request) -> bool:
        """Whether a request is answered at all."""
        kind = _kind_of(request)
        return not any(
            kind in fault.requests and chance.random() < fault.chance
            for fault, chance in self._schedule.active(Silence, client_id)
        )

    def saw(self, event: BrokerageEvent) -> None:
        """Correct an execution later, when that is called for."""
        if not isinstance(event, Executed) or not event.execution.exec_id.endswith(_FIRST_CORRECTION):
            return
        for fault, chance in self._schedule.active(Corrections, event.execution.client_id):
            if chance.random() < fault.chance:
                self._correct_later(event.execution, fault, fault.delay_s.draw(chance))

    def deliver(self, session: Listener, event: BrokerageEvent) -> None:
        """Tell a client of an event: now, later, twice, or not."""
        for delay_s, news in self._news.deliveries(session.client_id, event):
            if delay_s <= 0:
                session.on_brokerage_event(news)
            else:
                self._later(delay_s, partial(self._tell, session, news))

    def known_commission(self, view: CommissionView) -> CommissionView | None:
        """Commission as the broker knows it by now."""
        return self._news.known_commission(view)

    def shown_quote(self, quote: QuoteView) -> QuoteView | None:
        """Quote as it is shown."""
        return self._feed.shown_quote(quote)

    def shown_bar(self, bar: BarView) -> BarView | None:
        """Bar as it is shown."""
        return self._feed.shown_bar(bar)

    def new_link(self, wire: Wire) -> FaultyLink:
        """Stand in a new connection."""
        link = FaultyLink(
            wire, self._schedule, later=self._later, now=time.monotonic, on_closed=self._links.remove
        )
        link.answers_from_s = self._login_until
        self._links.append(link)
        return link

    # --- what begins and ends ----------------------------------------------------------------------------

    def _begin(self, fault: Fault) -> None:
        notice = _notice_of(fault)
        if notice is not None:
            self._notify(fault, *notice)
        match fault:
            case Foreign():
                self._place_by_hand(fault)
            case HalfOpen() | Reset() | Garbage():
                for link in self._concerned(fault):
                    link.suffer(fault, self._schedule.chance(fault))
            case Restart():
                task = asyncio.get_running_loop().create_task(self._restart(fault))
                self._restarting.add(task)
                task.add_done_callback(self._restarting.discard)
            case _:
                pass

    def _end(self, fault: Fault) -> None:
        match fault:
            case Hold():
                self._hub.publish(self._interventions.release(self._exchange.still_holds))
            case Feed(mode="farm"):
                self._notify(fault, 2104, "Market data farm connection is OK:usfarm")
            case ServersLost():
                self._servers_are_back(fault)
            case _:
                pass

    def _servers_are_back(self, fault: ServersLost) -> None:
        how = "data lost" if fault.back == 1101 else "data maintained"
        for client_id, session in list(self._hub.sessions.items()):
            if fault.concerns(client_id) and fault.back == 1101:
                session.drop_streams()
        self._notify(
            fault, fault.back, f"Connectivity between IB and Trader Workstation has been restored- {how}."
        )

    async def _restart(self, fault: Restart) -> None:
        chance = self._schedule.chance(fault)
        down_s, login_s = fault.down_s.draw(chance), fault.login_s.draw(chance)
        self._login_until = time.monotonic() + down_s + login_s
        if fault.forget_s:
            self._forget(time.monotonic() - fault.forget_s)
        if fault.next_id == "reset":
            self._hub.forget_order_ids()
        await self._server.restart(down_s)

    def _forget(self, since_s: float) -> None:
        young = [order for order in self._interventions.live() if order.placed_s >= since_s]
        for order in self._interventions.forget(young):
            self._log.info("order_forgotten", order_ref=order.ticket.order_ref)
            if self._hub.audit is not None:
                self._hub.audit.write("forgotten", perm_id=order.perm_id, order_ref=order.ticket.order_ref)

    def _place_by_hand(self, fault: Foreign) -> None:
        self._manual_id += 1
        kind, limit = ("MKT", "") if fault.limit is None else ("LMT", str(fault.limit))
        raw = plain_fields(
            symbol=fault.symbol,
            sec_type="STK",
            exchange="SMART",
            currency="USD",
            action=fault.action,
            total_quantity=str(fault.quantity),
            order_type=kind,
            limit_price=limit,
            tif="DAY",
            order_ref=fault.order_ref,
            transmit="1",
        )
        ticket = OrderTicket(
            client_id=_MANUAL_CLIENT,
            order_id=self._manual_id,
            symbol=fault.symbol,
            action=fault.action,
            quantity=Decimal(fault.quantity),
            order_type=kind,
            limit_price=fault.limit,
            order_ref=fault.order_ref,
            raw=raw,
        )
        self._hub.publish(self._hub.brokerage.place(ticket))

    # --- later -------------------------------------------------------------------------------------------

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(delay_s, act)

    def _tell(self, session: Listener, event: BrokerageEvent) -> None:
        if self._hub.sessions.get(session.client_id) is session:
            session.on_brokerage_event(event)

    def _fill_later(self, order: WorkingOrder, shares: int, delay_s: float) -> None:
        def fill() -> None:
            self._hub.publish(self._interventions.fill_after_end(order, shares))

        self._later(delay_s, fill)

    def _correct_later(self, execution: ExecutionView, fault: Corrections, delay_s: float) -> None:
        def correct() -> None:
            self._hub.publish(self._interventions.correct(execution, fault.by))

        self._later(delay_s, correct)

    # --- to clients --------------------------------------------------------------------------------------

    def _notify(self, fault: Fault, code: int, text: str) -> None:
        for client_id, session in list(self._hub.sessions.items()):
            if fault.concerns(client_id):
                session.send(responses.error(-1, code, text))

    def _concerned(self, fault: Fault) -> list[FaultyLink]:
        return [link for link in self._links if fault.concerns(link.wire.client_id)]


def _notice_of(fault: Fault) -> tuple[int, str] | None:
    if isinstance(fault, ServersLost):
        return 1100, "Connectivity between IB and Trader Workstation has been lost."
    return _NOTICES.get(fault.mode) if isinstance(fault, Feed) else None


def _kind_of(request: Request) -> str:
    match request:
        case Simple():
            return _SIMPLE.get(request.kind, "")
        case ExecutionsRequest():
            return "executions"
        case AccountRequest() | AccountUpdatesRequest():
            return "account"
        case HistoricalDataRequest():
            return "history"
        case _:
            return ""


def _name(fault: Fault) -> str:
    return str(getattr(fault, "kind", type(fault).__name__))
