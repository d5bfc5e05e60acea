"""What is admissible, the paper gateway takes; what its exchanges refuse, isn't: our bytes, its decoder, its rules."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.events import Order
from core.ib_wrapper.encoder import Encoder
from core.ib_wrapper.translate import ib_order, stock
from core.vocabulary import ExecutionMethod, Purpose, Side
from execution.methods import Instruction, SessionTimes, Situation, instruction_for
from execution.methods.admissibility import admit
from paper_gateway.codec import SERVER_VERSION
from paper_gateway.place_order import PlaceOrder
from paper_gateway.request_decoder import decode_request
from paper_gateway.types import OrderState
from tests.execution.methods.cases import HALF_DAY, settings, tools
from tests.paper_gateway.desk import DAY, Desk, session_of
from tests.paper_gateway.trading_day import daily_table, day_desk, pass_until
from tests.paper_gateway.wire import payloads

M = ExecutionMethod
NYSE, NASDAQ = "IBM", "MSFT"
AUCTION = {M.MOC, M.LOC}
SLICED = {M.TWAP, M.VWAP}
TOO_LATE, NO_SUCH_SIZE = 201, 441


class Wire:
    """Our orders to a desk of the gateway, through ibapi's encoder and the gateway's decoder."""

    def __init__(self, desk: Desk, symbol: str) -> None:
        self.desk, self.symbol = desk, symbol
        self._encoder, self._last = Encoder(SERVER_VERSION), 0

    def situation(
        self,
        side: Side,
        quantity: int,
        *,
        purpose: Purpose = Purpose.ENTRY,
        is_short_restricted: bool = False,
    ) -> Situation:
        """What we would know at this moment of the gateway's market."""
        market = self.desk.market
        bid, ask = (float(price) for price in self.desk.bid_ask(self.symbol))
        session = self.desk.session if market.is_open else None
        return Situation(
            symbol=self.symbol,
            side=side,
            quantity=Decimal(quantity),
            purpose=purpose,
            reference=(bid + ask) / 2,
            bid=bid,
            ask=ask,
            now_ns=market.now_ns,
            session=None
            if session is None
            else SessionTimes(open_ns=session.open_ns, close_ns=session.close_ns),
            exchange=market.listings[self.symbol].instrument.primary_exchange,
            is_short_restricted=is_short_restricted,
        )

    def send(self, method: M, told: Instruction, side: Side, quantity: int) -> int:
        """Send an order as ``core.ib_wrapper`` does; return its id."""
        self._last += 1
        order = Order(
            order_ref=f"BS-wire-{self._last:06d}-E",
            strategy="momentum",
            symbol=self.symbol,
            side=side,
            quantity=Decimal(quantity),
            order_type=told.order_type,
            purpose=Purpose.ENTRY,
            reason="test",
            created_ns=0,
            limit_price=told.limit_price,
            method=method,
            algo=told.algo,
            algo_params=told.algo_params,
            peg_offset=told.peg_offset,
        )
        wanted = ib_order(order, order_id=self._last, account="", parent_id=None, transmit=True)
        contract = stock(self.symbol, con_id=0, exchange="SMART", primary_exchange="", currency="USD")
        (payload,) = payloads(self._encoder.encode("placeOrder", self._last, contract, wanted))
        request = decode_request(payload)
        assert isinstance(request, PlaceOrder)
        self.desk.send(request.ticket(1, self.symbol, ""))
        return self._last

    def is_taken(self, order_id: int) -> bool:
        return self.desk.state(order_id) is not OrderState.INACTIVE


@pytest.mark.parametrize(
    ("symbol", "clock", "day", "side", "quantity", "refusals"),
    [
        pytest.param(NYSE, "10:00:00", DAY, Side.BUY, 500, {}, id="1 a morning like any other"),
        pytest.param(NYSE, "15:49:50", DAY, Side.BUY, 500, {}, id="2 NYSE, before the cut-off"),
        pytest.param(NYSE, "15:50:05", DAY, Side.BUY, 500, dict.fromkeys(AUCTION, TOO_LATE), id="3 NYSE, after it"),
        pytest.param(NASDAQ, "15:50:05", DAY, Side.SELL, 500, {}, id="4 Nasdaq is later"),
        pytest.param(NASDAQ, "15:54:50", DAY, Side.BUY, 500, {}, id="5 Nasdaq, before the cut-off of MOC"),
        pytest.param(NASDAQ, "15:55:05", DAY, Side.BUY, 500, {M.MOC: TOO_LATE}, id="6 Nasdaq, LOC later than MOC"),
        pytest.param(NASDAQ, "15:58:05", DAY, Side.BUY, 500, dict.fromkeys(AUCTION, TOO_LATE), id="7 Nasdaq, too late for both"),
        pytest.param(NYSE, "12:49:50", HALF_DAY, Side.BUY, 500, {}, id="8 early close, before the cut-off"),
        pytest.param(NYSE, "12:50:05", HALF_DAY, Side.BUY, 500, dict.fromkeys(AUCTION, TOO_LATE), id="9 early close, after it"),
        pytest.param(NASDAQ, "12:55:05", HALF_DAY, Side.BUY, 500, {M.MOC: TOO_LATE}, id="10 early close, Nasdaq"),
        pytest.param(NYSE, "12:40:00", HALF_DAY, Side.BUY, 500, {}, id="11 half day, room for a short schedule"),
        pytest.param(NYSE, "10:00:00", DAY, Side.BUY, 99, dict.fromkeys(SLICED, NO_SUCH_SIZE), id="12 odd lot"),
        pytest.param(NYSE, "10:00:00", DAY, Side.BUY, 1, dict.fromkeys(SLICED, NO_SUCH_SIZE), id="13 a single share"),
        pytest.param(NYSE, "10:00:00", DAY, Side.BUY, 100, {}, id="14 a round lot"),
        pytest.param(NYSE, "10:00:00", DAY, Side.SELL, 500, {}, id="15 short sale of a stock that didn't fall"),
    ],
)  # fmt: skip
def test_the_gateway_takes_what_is_admissible_and_refuses_what_its_exchanges_do(
    symbol: str, clock: str, day: date, side: Side, quantity: int, refusals: dict[M, int]
) -> None:
    wire = Wire(day_desk(symbol=symbol, day=day, cash=Decimal(10_000_000)), symbol)
    pass_until(wire.desk, clock)
    now = wire.situation(side, quantity)
    admission = admit(now, settings(), prudent=False)
    assert not set(refusals) & set(admission.methods)
    for method in admission.methods:
        order = wire.send(method, instruction_for(method, now, tools()), side, quantity)
        assert wire.is_taken(order), (method, wire.desk.codes(order))
    for method, code in refusals.items():
        order = wire.send(method, instruction_for(method, now, tools()), side, quantity)
        assert wire.desk.codes(order) == [code], method
        assert admission.reason(method)


def fallen() -> Desk:
    """A desk on the day after a fall by fifteen percent."""
    days = {
        date(2012, 11, 8): (100.0, 101.0, 99.0, 100.0, 5e6),
        date(2012, 11, 9): (100.0, 100.5, 84.0, 85.0, 5e6),
        DAY: (85.0, 86.0, 84.5, 85.0, 5e6),
    }
    desk = Desk({NYSE: daily_table(NYSE, days)}, cash=Decimal(10_000_000))
    desk.session = session_of(date(2012, 11, 9))
    desk.market.set_time(desk.session.open_ns)
    desk.open()
    desk.close()
    return desk.next_day()


def test_16_short_sales_of_a_fallen_stock_are_left_to_what_rests_above_the_bid() -> None:
    wire = Wire(fallen(), NYSE)
    pass_until(wire.desk, "10:00:00")
    now = wire.situation(Side.SELL, 300, is_short_restricted=True)
    admission = admit(now, settings(), prudent=False)
    assert M.MKT not in admission.methods
    assert admission.methods
    market = wire.send(M.MKT, instruction_for(M.MKT, now, tools()), Side.SELL, 300)
    wire.desk.step(3)
    assert not any(fill.price <= wire.desk.bid_ask(NYSE)[0] for fill in wire.desk.fills(market))
    for method in admission.methods:
        assert wire.is_taken(wire.send(method, instruction_for(method, now, tools()), Side.SELL, 300)), method


def test_17_selling_what_is_held_is_no_short_sale() -> None:
    wire = Wire(fallen(), NYSE)
    wire.desk.place("BUY", 5000, "MKT", symbol=NYSE)
    pass_until(wire.desk, "10:00:00")
    now = wire.situation(Side.SELL, 300, purpose=Purpose.EXIT, is_short_restricted=True)
    admission = admit(now, settings(), prudent=False)
    assert M.MKT in admission.methods
    order = wire.send(M.MKT, instruction_for(M.MKT, now, tools()), Side.SELL, 300)
    wire.desk.step(3)
    assert wire.desk.state(order) is OrderState.FILLED


def test_18_what_can_not_be_borrowed_is_refused_by_the_broker_whatever_the_method() -> None:
    wire = Wire(day_desk(symbol=NYSE, not_shortable=(NYSE,)), NYSE)
    pass_until(wire.desk, "10:00:00")
    now = wire.situation(Side.SELL, 300)
    for method in (M.MKT, M.TWAP, M.MOC):
        assert wire.desk.codes(wire.send(method, instruction_for(method, now, tools()), Side.SELL, 300)) == [
            201
        ]


def test_19_after_the_close_only_a_market_order_waits_for_the_next_session() -> None:
    wire = Wire(day_desk(symbol=NYSE), NYSE)
    wire.desk.close()
    now = wire.situation(Side.BUY, 500)
    assert admit(now, settings(), prudent=False).methods == (M.MKT,)
    order = wire.send(M.MKT, instruction_for(M.MKT, now, tools()), Side.BUY, 500)
    assert wire.desk.codes(order) == [399]
    assert wire.is_taken(order)


def test_20_an_auction_order_can_not_be_withdrawn_in_the_last_ten_minutes() -> None:
    wire = Wire(day_desk(symbol=NASDAQ), NASDAQ)
    pass_until(wire.desk, "15:52:00")
    now = wire.situation(Side.BUY, 500)
    order = wire.send(M.MOC, instruction_for(M.MOC, now, tools()), Side.BUY, 500)
    assert wire.is_taken(order)
    wire.desk.cancel(order)
    assert wire.desk.codes(order) == [161]
    wire.desk.close()
    assert wire.desk.state(order) is OrderState.FILLED


def test_a_limit_or_an_offset_off_the_price_grid_never_leaves_us() -> None:
    wire = Wire(day_desk(symbol=NYSE), NYSE)
    pass_until(wire.desk, "10:00:00")
    for side in Side:
        now = wire.situation(side, 300)
        for method in (M.LMT, M.REL, M.PEG_MID, M.LOC):
            told = instruction_for(
                method, now, tools(relative_offset_ticks=3, loc_offset_bps=13, limit_placement="touch")
            )
            order = wire.send(method, told, side, 300)
            assert wire.is_taken(order), (method, side, wire.desk.codes(order))
