"""The order side of one session: placing, cancelling, asking what there is, hearing what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from paper_gateway import responses, times, visibility
from paper_gateway.codec import Field, MalformedMessage
from paper_gateway.hub import Hub
from paper_gateway.open_order import completed_order, open_order
from paper_gateway.place_order import PlaceOrder, parse_order_fields
from paper_gateway.requests import ContractSpec, ExecutionsRequest, Simple
from paper_gateway.types import CommissionCharged, Executed, ExecutionView, OrderChanged, OrderView

Send = Callable[[bytes], None]


class OrderService:
    """Orders of one client. ``send`` takes bytes ready for the socket."""

    def __init__(self, hub: Hub, send: Send, client_id: int) -> None:
        self._hub = hub
        self._send = send
        self._client_id = client_id

    # --- instructions ------------------------------------------------------------------------------------

    def place(self, request: PlaceOrder) -> None:
        """Place or modify an order, or say why not."""
        refusal = self._refusal(request)
        if refusal is not None:
            self._send(responses.error(request.order_id, *refusal))
            return
        instrument = self._hub.resolve(_contract_of(request))
        if instrument is None:
            text = "No security definition has been found for the request"
            self._send(responses.error(request.order_id, 200, text))
            return
        try:
            ticket = request.ticket(self._client_id, instrument.symbol, self._hub.settings.account)
        except MalformedMessage as problem:
            self._send(responses.error(request.order_id, 320, f"Error reading request: {problem}"))
            return
        self._hub.note_order_id(self._client_id, request.order_id)
        if self._hub.faults is not None:
            self._hub.faults.on_order(self._client_id)
        self._hub.publish(self._hub.brokerage.place(ticket))

    def _refusal(self, request: PlaceOrder) -> tuple[int, str] | None:
        """Return what the gateway itself refuses, which the brokerage never sees."""
        fields = parse_order_fields(request.raw)
        if not 0 < request.order_id < 2**31:
            return 103, "Duplicate order id"
        if fields.unsupported:
            return 201, f"Order rejected - reason:The paper gateway doesn't simulate {fields.unsupported}"
        if fields["account"] not in {"", self._hub.settings.account}:
            return 201, "Order rejected - reason:Invalid account code"
        return None

    def cancel(self, request: Simple) -> None:
        """Cancel one order of this client."""
        self._hub.publish(self._hub.brokerage.cancel(self._client_id, request.number))

    def global_cancel(self, _request: Simple) -> None:
        """Cancel every order of the account, whoever placed it."""
        self._hub.publish(self._hub.brokerage.global_cancel())

    # --- questions ---------------------------------------------------------------------------------------

    def own_open_orders(self, _request: Simple) -> None:
        """Send this client's open orders."""
        self._send_orders(visibility.own_orders(self._hub.brokerage.open_orders(), self._client_id))

    def all_open_orders(self, _request: Simple) -> None:
        """Send every client's open orders."""
        self._send_orders(self._hub.brokerage.open_orders())

    def auto_open_orders(self, request: Simple) -> None:
        """Bind manual orders to client 0. Nobody trades by hand here, so there is nothing to send."""
        if self._client_id != 0:
            text = "Error validating request.-'bw' : cause - Only the default client (i.e 0) can auto bind orders"
            self._send(responses.error(-1, 321, text))
            return
        if request.number:
            self.own_open_orders(request)

    def _send_orders(self, orders: Iterable[OrderView]) -> None:
        for order in orders:
            self._send_order(order, announce=True)
        self._send(responses.open_order_end())

    def completed_orders(self, _request: Simple) -> None:
        """Send orders that ended."""
        ended = f"{times.local(self._hub.market.now_ns):%Y%m%d-%H:%M:%S} US/Eastern"
        for order in self._hub.brokerage.completed_orders():
            instrument = self._hub.instrument(order.ticket.symbol)
            self._send(completed_order(order, instrument, ended))
        self._send(responses.completed_orders_end())

    def executions(self, request: ExecutionsRequest) -> None:
        """Send executions that pass the filter, each followed by its commission."""
        try:
            found = visibility.matching_executions(self._hub.brokerage.executions(), request)
        except ValueError as problem:
            text = f"Error validating request.-'b' : cause - Invalid filter time: {problem}"
            self._send(responses.error(request.request_id, 321, text))
            return
        for one in found:
            self._send_execution(request.request_id, one)
            cost = self._hub.commission_of(one.exec_id)
            if cost is not None:
                self._send(responses.commission(cost))
        self._send(responses.executions_end(request.request_id))

    # --- news --------------------------------------------------------------------------------------------

    def on_event(self, event: OrderChanged | Executed | CommissionCharged) -> None:
        """Tell the client what happened to an order."""
        if isinstance(event, OrderChanged):
            self._send_order(event.order, announce=event.announce)
        elif isinstance(event, Executed):
            self._send_execution(-1, event.execution)
        else:
            self._send(responses.commission(event.commission))

    def _send_order(self, order: OrderView, *, announce: bool) -> None:
        if announce or order.ticket.what_if:
            self._send(open_order(order, self._hub.instrument(order.ticket.symbol), *_what_if(order)))
        if not order.ticket.what_if:
            self._send(responses.order_status(order))

    def _send_execution(self, request_id: int, view: ExecutionView) -> None:
        instrument = self._hub.instrument(view.symbol)
        self._send(responses.execution(request_id, view, instrument, times.date_and_time(view.time_ns)))


def _contract_of(request: PlaceOrder) -> ContractSpec:
    return ContractSpec(
        con_id=request.con_id,
        symbol=request.symbol,
        sec_type=request.sec_type,
        exchange=request.exchange,
        currency=request.currency,
    )


def _what_if(order: OrderView) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """Margins and costs of a what-if order, in the order of openOrder; nothing for a real one."""
    margin = order.margin
    if margin is None:
        return (), ()
    before = (margin.initial_before, margin.maintenance_before, margin.equity_before)
    after = (margin.initial_after, margin.maintenance_after, margin.equity_after)
    change = tuple(new - old for new, old in zip(after, before, strict=True))
    return (*before, *change, *after), (margin.commission, "", "", margin.currency)
