"""The clients' own encoders and decoders, brought to bear on single messages."""

import socket
from decimal import Decimal
from typing import Any

from ib_async.decoder import Decoder as AsyncDecoder
from ibapi import comm
from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.decoder import Decoder
from ibapi.order import Order
from ibapi.wrapper import EWrapper

from paper_gateway.codec import SERVER_VERSION, FrameReader
from paper_gateway.place_order import PlaceOrder
from paper_gateway.request_decoder import decode_request
from paper_gateway.types import Instrument, OrderState, OrderView
from tests.log_records import Collected

APPLE = Instrument(symbol="AAPL", con_id=265598, long_name="APPLE INC", primary_exchange="NASDAQ")


class Recorder:
    """Takes every callback of a decoder: ``calls`` holds (name, arguments)."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments: self.calls.append((name, arguments))

    def named(self, name):
        return [arguments for called, arguments in self.calls if called == name]


class OfficialRecorder(EWrapper):  # type: ignore[misc]  # ibapi has no types
    """An EWrapper whose callbacks are recorded."""

    def __init__(self):
        super().__init__()
        self.__dict__["recorder"] = Recorder()

    def __getattribute__(self, name):
        if not name.startswith("_") and callable(getattr(EWrapper, name, None)):
            return getattr(object.__getattribute__(self, "recorder"), name)
        return object.__getattribute__(self, name)


def payloads(block):
    """Cut a block of messages into payloads."""
    reader = FrameReader(max_frame=2**24)
    reader.feed(block)
    found = []
    while (payload := reader.next()) is not None:
        found.append(payload)
    assert reader.pending == 0
    return found


def decode_officially(block):
    """Decode a block with ibapi; returns the recorded callbacks."""
    wrapper = OfficialRecorder()
    decoder = Decoder(wrapper, SERVER_VERSION)
    for payload in payloads(block):
        before = len(wrapper.recorder.calls)
        decoder.interpret(comm.read_fields(payload))
        assert len(wrapper.recorder.calls) > before, f"ibapi dropped {payload!r}"
    return wrapper.recorder


def decode_with_ib_async(block, caplog=None):
    """Decode a block with ib_async; it logs what it can't read, which fails here."""
    recorder: Any = Recorder()
    recorder.ib = type("Zone", (), {"TimezoneTWS": "US/Eastern"})
    recorder.defaultTimezone = None
    decoder = AsyncDecoder(recorder, SERVER_VERSION)
    handler = Collected()
    decoder.logger.addHandler(handler)
    try:
        for payload in payloads(block):
            decoder.interpret(payload.decode().split("\0")[:-1])
    finally:
        decoder.logger.removeHandler(handler)
    assert not handler.records, handler.records[0].getMessage()
    return recorder


def sent_by_official_client(act):
    """Bytes that ibapi sends when ``act(client)`` is called."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = EClient(EWrapper())
        client.conn = type("Conn", (), {"sendMsg": staticmethod(theirs.sendall), "isConnected": lambda: True})
        client.serverVersion_ = SERVER_VERSION
        client.setConnState(EClient.CONNECTED)
        act(client)
        theirs.shutdown(socket.SHUT_WR)
        block = b""
        while data := ours.recv(65536):
            block += data
        return block


def requests_of_official_client(act):
    """Requests that we read when ibapi does ``act(client)``."""
    return [decode_request(payload) for payload in payloads(sent_by_official_client(act))]


def stock(symbol="AAPL"):
    contract = Contract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = symbol, "STK", "SMART", "USD"
    return contract


def official_order(**fields):
    order = Order()
    defaults = {"action": "BUY", "totalQuantity": 100, "orderType": "LMT", "lmtPrice": 10.25}
    for name, value in (defaults | fields).items():
        assert hasattr(order, name)
        setattr(order, name, value)
    return order


def placed(order_id=7, **fields):
    """The request that results from an order of the official client."""
    (request,) = requests_of_official_client(
        lambda client: client.placeOrder(order_id, stock(), official_order(**fields))
    )
    assert isinstance(request, PlaceOrder)
    return request


def view_of(request, state=OrderState.SUBMITTED, **changes):
    """The brokerage's view of a request, nothing filled."""
    ticket = request.ticket(1, "AAPL", "DU1234567")
    fields = {
        "ticket": ticket,
        "perm_id": 123456,
        "state": state,
        "filled": Decimal(0),
        "remaining": ticket.quantity,
        "average_fill_price": Decimal(0),
        "last_fill_price": Decimal(0),
    }
    return OrderView(**(fields | changes))
