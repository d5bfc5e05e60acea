"""Orders for the close: until when they may come and go, and what they get."""

from datetime import date
from decimal import Decimal

import pytest

from core.vocabulary import OrderType
from paper_gateway.auctions import is_locked_in, is_too_late
from paper_gateway.types import OrderState
from tests.paper_gateway.trading_day import day_desk, pass_until

EARLY = date(2012, 11, 23)  # the day after Thanksgiving closes at 13:00
NYSE, NASDAQ = "IBM", "MSFT"


@pytest.mark.parametrize(
    ("symbol", "kind", "last_moment"),
    [
        (NYSE, "MOC", "15:50:00"),
        (NYSE, "LOC", "15:50:00"),
        (NASDAQ, "MOC", "15:55:00"),
        (NASDAQ, "LOC", "15:58:00"),
    ],
)
def test_an_order_for_the_close_must_come_before_its_exchanges_cut_off(symbol, kind, last_moment):
    desk = day_desk(symbol=symbol)
    pass_until(desk, last_moment)
    in_time = desk.place("BUY", 100, kind, limit_price=150)
    assert desk.state(in_time) is OrderState.PRE_SUBMITTED
    desk.step()
    late = desk.place("BUY", 100, kind, limit_price=150)
    assert desk.state(late) is OrderState.INACTIVE
    assert desk.codes(late) == [201]
    desk.close()
    assert desk.state(in_time) is OrderState.FILLED
    assert not desk.fills(late)


@pytest.mark.parametrize(("symbol", "last_moment"), [(NYSE, "12:50:00"), (NASDAQ, "12:55:00")])
def test_the_cut_off_follows_an_early_close(symbol, last_moment):
    desk = day_desk(symbol=symbol, day=EARLY)
    pass_until(desk, last_moment)
    in_time = desk.place("BUY", 100, "MOC")
    desk.step()
    assert desk.codes(desk.place("BUY", 100, "MOC")) == [201]
    desk.close()
    assert desk.fills(in_time)[0].price == Decimal(100)


@pytest.mark.parametrize("symbol", [NYSE, NASDAQ])
def test_after_the_cut_off_an_order_for_the_close_can_be_neither_cancelled_nor_changed(symbol):
    desk = day_desk(symbol=symbol)
    first, second = desk.place("BUY", 100, "MOC"), desk.place("BUY", 100, "LOC", limit_price=101)
    limit = desk.place("BUY", 100, "LMT", limit_price=50)
    pass_until(desk, "15:50:00")
    desk.cancel(first)
    assert desk.state(first) is OrderState.CANCELLED
    desk.step()
    desk.cancel(second)
    desk.place("BUY", 200, "LOC", order_id=second, limit_price=101)
    desk.events += desk.brokerage.global_cancel()
    assert desk.codes(second) == [161, 161, 161]
    assert desk.state(second) is OrderState.PRE_SUBMITTED
    assert desk.state(limit) is OrderState.CANCELLED, "a global cancel cancels what it can"
    desk.close()
    assert [fill.quantity for fill in desk.fills()] == [Decimal(100)]


def test_an_order_for_the_close_gets_all_its_shares_at_the_official_close_or_none():
    desk = day_desk(symbol=NYSE, bar=(100.0, 102.0, 99.0, 101.37, 2_000_000.0), cash=Decimal(10**9))
    moc = desk.place("BUY", 500_000, "MOC")
    inside, outside = (desk.place("SELL", 300, "LOC", limit_price=price) for price in (101.37, 101.38))
    desk.close()
    assert [(fill.price, fill.quantity) for fill in desk.fills(moc)] == [
        (Decimal("101.37"), Decimal(500_000))
    ]
    assert [fill.price for fill in desk.fills(inside)] == [Decimal("101.37")]
    assert desk.state(outside) is OrderState.CANCELLED
    assert not desk.fills(outside)


def test_other_orders_know_no_cut_off():
    desk = day_desk(symbol=NYSE)
    pass_until(desk, "15:59:00")
    assert not is_too_late(OrderType.LIMIT, desk.market, NYSE)
    assert not is_locked_in(OrderType.LIMIT, desk.market, NYSE)
