"""Where faults may take hold of the gateway, and of an order at the exchange. Without ``--faults`` there are none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from paper_gateway.order_rules import Refusal
from paper_gateway.requests import Request
from paper_gateway.types import BarView, BrokerageEvent, CommissionView, Held, OrderTicket, QuoteView
from paper_gateway.working_order import WorkingOrder


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A cancel that nobody answers; the order goes on."""


class Exchange(Protocol):
    """What may happen to orders on their way to the exchange and back."""

    def refusal(self, order: WorkingOrder, /) -> Refusal | None:
        """Why an order that the account could carry is refused."""
        ...

    def hold(self, order: WorkingOrder, /) -> Held | None:
        """Why an order doesn't go on."""
        ...

    def on_cancel(self, order: WorkingOrder, /) -> Refusal | Unanswered | None:
        """Say what becomes of a cancel; None: the order is cancelled."""
        ...

    def twins(self, ticket: OrderTicket, /) -> Iterable[OrderTicket]:
        """Further orders that reach the exchange for the one that was placed."""
        ...


class GoodExchange:
    """Nothing goes wrong."""

    def refusal(self, _order: WorkingOrder, /) -> Refusal | None:
        """Refuse nothing."""
        return None

    def hold(self, _order: WorkingOrder, /) -> Held | None:
        """Hold nothing."""
        return None

    def on_cancel(self, _order: WorkingOrder, /) -> Refusal | Unanswered | None:
        """Let every cancel work."""
        return None

    def twins(self, _ticket: OrderTicket, /) -> Iterable[OrderTicket]:
        """Place each order once."""
        return ()


class Link(Protocol):
    """Stands between a connection's bytes and its session."""

    def received(self, data: bytes) -> None:
        """Take bytes from the client."""
        ...

    def write(self, data: bytes) -> None:
        """Take bytes for the client."""
        ...

    def closed(self) -> None:
        """Hear that the connection is gone."""
        ...


class Wire(Protocol):
    """A connection, as a link sees it."""

    @property
    def client_id(self) -> int:
        """Client id, -1 before the client has told it."""
        ...

    def deliver(self, data: bytes) -> None:
        """Hand bytes to the session."""
        ...

    def put(self, data: bytes) -> None:
        """Hand bytes to the socket."""
        ...

    def read_on(self, *, wanted: bool) -> None:
        """Read from the socket, or leave it unread."""
        ...

    def reset(self) -> None:
        """Reset the connection."""
        ...


class Listener(Protocol):
    """A client's session, as far as news go."""

    client_id: int

    def on_brokerage_event(self, event: BrokerageEvent) -> None:
        """Tell the client of one event that it may see."""
        ...


class Faults(Protocol):
    """What sessions, hub and server ask when faults are scripted."""

    def on_connected(self, client_id: int) -> None:
        """Note a client that has started its session."""
        ...

    def on_order(self, client_id: int) -> None:
        """Note an order that is about to be placed."""
        ...

    def on_session_open(self, day: date) -> None:
        """Note that a session of the market has opened."""
        ...

    def admits(self, client_id: int) -> bool:
        """Whether a client id is free."""
        ...

    def answers(self, client_id: int, request: Request) -> bool:
        """Whether a request is answered at all."""
        ...

    def saw(self, event: BrokerageEvent) -> None:
        """Note an event, whoever is told of it."""
        ...

    def deliver(self, session: Listener, event: BrokerageEvent) -> None:
        """Tell a client of an event: now, later, twice, or not."""
        ...

    def known_commission(self, view: CommissionView) -> CommissionView | None:
        """Commission as the broker knows it by now; None while it knows none."""
        ...

    def shown_quote(self, quote: QuoteView) -> QuoteView | None:
        """Quote as it is shown; None: no news."""
        ...

    def shown_bar(self, bar: BarView) -> BarView | None:
        """Bar as it is shown; None: no bar."""
        ...

    def new_link(self, wire: Wire) -> Link:
        """Stand in a new connection."""
        ...
