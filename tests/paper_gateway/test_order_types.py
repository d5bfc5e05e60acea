"""Hand-drawn bars and the fills that must follow from them."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from data.bar_table import BarTable
from paper_gateway.types import OrderState
from tests.paper_gateway.desk import NEXT_DAY, Desk, drawn_table, session_of

QUIET = (100.0, 100.1, 99.9, 100.0, 100_000.0)


def joined(first, second):
    names = ("end_ns", "open", "high", "low", "close", "volume")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names
    }
    return BarTable(symbol=first.symbol, size_s=first.size_s, **columns)


def candle(low: float, high: float, *, opened: float | None = None, close: float | None = None):
    return (opened or low, high, low, close or high, 100_000.0)


def test_a_market_order_fills_at_once_at_the_touch():
    desk = Desk.drawn(QUIET, QUIET).open()
    desk.step()
    _, ask = desk.bid_ask()
    order = desk.place("BUY", 100, "MKT")
    assert [each.state for each in desk.views(order)] == [OrderState.SUBMITTED, OrderState.FILLED]
    (fill,) = desk.fills(order)
    assert (fill.quantity, fill.price, fill.side) == (Decimal(100), min(ask, Decimal("100.1")), "BOT")
    assert desk.position() == 100


def test_a_market_order_larger_than_the_market_fills_in_parts_over_steps():
    desk = Desk.drawn(*[(100.0, 100.1, 99.9, 100.0, 1000.0)] * 20).open()
    desk.step()
    order = desk.place("BUY", 2500, "MKT")
    assert desk.state(order) is OrderState.SUBMITTED
    assert 0 < desk.position() < 2500
    desk.step(15)
    assert desk.state(order) is OrderState.FILLED
    fills = desk.fills(order)
    assert len(fills) > 2
    assert sum(fill.quantity for fill in fills) == 2500
    assert len({fill.exec_id for fill in fills}) == len(fills)
    assert [fill.cumulative_quantity for fill in fills] == sorted(fill.cumulative_quantity for fill in fills)


def test_a_limit_order_rests_until_the_price_trades_through_it():
    desk = Desk.drawn(QUIET, candle(99.5, 100.0), candle(99.0, 99.5)).open()
    desk.step()
    order = desk.place("BUY", 100, "LMT", limit_price=99.3)
    assert desk.state(order) is OrderState.SUBMITTED
    desk.step()
    assert not desk.fills(order)
    desk.step()
    (fill,) = desk.fills(order)
    assert fill.price <= Decimal("99.3")


def test_a_limit_that_is_only_touched_gets_a_part_of_the_shares():
    desk = Desk.drawn(QUIET, (100.0, 100.0, 99.5, 100.0, 1000.0), QUIET).open()
    desk.step()
    order = desk.place("BUY", 1000, "LMT", limit_price=99.5)
    desk.step()
    assert 0 < desk.position() < 500
    assert desk.fills(order)[0].price == Decimal("99.5")
    assert desk.fills(order)[0].last_liquidity == 1


def test_a_limit_order_beyond_the_touch_takes_the_touch():
    desk = Desk.drawn(QUIET, QUIET).open()
    desk.step()
    order = desk.place("SELL", 100, "LMT", limit_price=98)
    (fill,) = desk.fills(order)
    assert Decimal("99.9") <= fill.price <= Decimal("100.1")


def test_a_gap_through_a_limit_fills_at_the_better_price():
    desk = Desk.drawn(QUIET, candle(95.0, 96.0)).open()
    desk.step()
    order = desk.place("BUY", 100, "LMT", limit_price=99)
    desk.step()
    assert Decimal("95.0") <= desk.fills(order)[0].price <= Decimal("95.1")


def test_a_stop_is_held_and_fills_when_its_price_is_reached():
    desk = Desk.drawn(QUIET, candle(99.5, 100.0), candle(98.9, 99.5, opened=99.5, close=98.9)).open()
    desk.step()
    desk.place("BUY", 100, "MKT")
    stop = desk.place("SELL", 100, "STP", aux_price=99.0)
    assert desk.view(stop).state is OrderState.PRE_SUBMITTED
    assert desk.view(stop).why_held == "trigger"
    desk.step()
    assert not desk.fills(stop)
    desk.step()
    assert [each.state for each in desk.views(stop)][-2:] == [OrderState.SUBMITTED, OrderState.FILLED]
    assert Decimal("98.9") <= desk.fills(stop)[0].price <= Decimal("99.0")
    assert desk.position() == 0


def test_a_gap_through_a_stop_fills_at_the_open_and_not_at_the_stop():
    desk = Desk.drawn(QUIET, candle(94.0, 95.0, opened=95.0, close=94.0)).open()
    desk.step()
    stop = desk.place("SELL", 100, "STP", aux_price=99.0)
    desk.step()
    assert Decimal("94.9") <= desk.fills(stop)[0].price <= Decimal("95.0")


def test_a_stop_that_the_price_has_passed_already_is_elected_at_once():
    desk = Desk.drawn(QUIET, QUIET).open()
    desk.step()
    stop = desk.place("BUY", 100, "STP", aux_price=99)
    assert desk.state(stop) is OrderState.FILLED


def test_a_stop_limit_becomes_a_limit_order_that_may_stay_unfilled():
    falling = [candle(98.0, 99.5, opened=99.5, close=98.0), candle(96.0, 98.0, opened=98.0, close=96.0)]
    desk = Desk.drawn(QUIET, *falling, candle(98.5, 99.2)).open()
    desk.step()
    order = desk.place("SELL", 100, "STP LMT", aux_price=99.0, limit_price=99.0)
    desk.step(2)
    assert desk.state(order) is OrderState.SUBMITTED
    assert not desk.fills(order)
    desk.step()
    assert desk.fills(order)[0].price == Decimal("99.0")


@pytest.mark.parametrize("terms", [{"aux_price": 1}, {"trailing_percent": 1}])
def test_a_trailing_stop_follows_the_price_and_fills_when_it_turns(terms):
    desk = Desk.drawn(
        QUIET, candle(100, 103), candle(102.5, 103), candle(101.0, 102.5, opened=102.5, close=101.0)
    ).open()
    desk.step()
    order = desk.place("SELL", 100, "TRAIL", **terms)
    assert desk.view(order).ticket.trail_stop_price == Decimal(99)
    desk.step()
    (order_view,) = desk.brokerage.open_orders()
    stop = order_view.ticket.trail_stop_price
    assert stop is not None
    assert Decimal("101.9") <= stop <= Decimal(102)
    desk.step()
    assert not desk.fills(order)
    desk.step()
    assert Decimal("101.8") <= desk.fills(order)[0].price <= Decimal(102)


def test_amending_a_trailing_stop_keeps_what_it_has_gained():
    desk = Desk.drawn(QUIET, candle(100, 103), *[candle(102.5, 103)] * 5).open()
    desk.step()
    named: dict[str, Any] = {"aux_price": 1, "trail_stop_price": 98.5}
    silent, repeated = (
        desk.place("SELL", 100, "TRAIL", aux_price=1),
        desk.place("SELL", 100, "TRAIL", **named),
    )
    desk.step()
    gained = {view.ticket.order_id: view.ticket.trail_stop_price for view in desk.brokerage.open_orders()}
    assert gained == {silent: Decimal(102), repeated: Decimal(102)}

    desk.place("SELL", 60, "TRAIL", order_id=silent, aux_price=1)
    desk.place("SELL", 60, "TRAIL", order_id=repeated, **named)
    assert (
        desk.view(silent).ticket.trail_stop_price
        == desk.view(repeated).ticket.trail_stop_price
        == Decimal(102)
    )

    desk.place("SELL", 60, "TRAIL", order_id=silent, aux_price=5)
    desk.step()
    assert desk.brokerage.open_orders()[0].ticket.trail_stop_price == Decimal(102), "wider, but never back"

    desk.place("SELL", 60, "TRAIL", order_id=repeated, aux_price=5, trail_stop_price=101.25)
    assert desk.view(repeated).ticket.trail_stop_price == Decimal("101.25"), "what the client names is obeyed"
    desk.step()
    assert not desk.fills()


@pytest.mark.parametrize("terms", [{"aux_price": 1}, {"trailing_percent": 1}])
def test_a_trailing_stop_to_buy_follows_the_price_down(terms):
    desk = Desk.drawn(
        QUIET, candle(97, 100, opened=100, close=97), candle(97, 97.5), candle(97.5, 99.0)
    ).open()
    desk.step()
    order = desk.place("BUY", 100, "TRAIL", **terms)
    desk.step(2)
    assert not desk.fills(order)
    desk.step()
    assert Decimal("97.9") <= desk.fills(order)[0].price <= Decimal("98.1")


def test_orders_for_the_close_fill_at_the_official_close():
    desk = Desk.drawn(QUIET, candle(100.0, 101.0)).open()
    desk.step()
    moc = desk.place("BUY", 100, "MOC")
    inside = desk.place("BUY", 100, "LOC", limit_price=101)
    outside = desk.place("BUY", 100, "LOC", limit_price=100.99)
    assert desk.state(moc) is OrderState.PRE_SUBMITTED
    desk.step(4000)
    assert not desk.fills()
    desk.close()
    assert [fill.price for fill in desk.fills()] == [Decimal(101), Decimal(101)]
    assert desk.state(inside) is OrderState.FILLED
    assert desk.state(outside) is OrderState.CANCELLED
    assert desk.fills(moc)[0].time_ns == desk.session.close_ns


def test_day_orders_end_with_the_session_and_gtc_orders_go_on():
    tables = {"AAA": drawn_table("AAA", [QUIET])}
    desk = Desk(tables).open()
    desk.step()
    day = desk.place("BUY", 100, "LMT", limit_price=90)
    gtc = desk.place("BUY", 100, "LMT", limit_price=90, time_in_force="GTC")
    desk.close()
    assert desk.state(day) is OrderState.CANCELLED
    assert [order.ticket.order_id for order in desk.brokerage.open_orders()] == [gtc]


def test_an_order_placed_while_the_market_is_closed_waits_for_the_opening():
    desk = Desk.drawn(QUIET)
    order = desk.place("BUY", 100, "MKT")
    assert desk.state(order) is OrderState.PRE_SUBMITTED
    assert desk.codes(order) == [399]
    desk.open()
    assert desk.state(order) is OrderState.FILLED
    assert desk.fills(order)[0].time_ns == desk.session.open_ns


def test_an_order_placed_after_the_close_waits_for_the_next_session():
    session_two = drawn_table("AAA", [QUIET], day=NEXT_DAY)
    desk = Desk({"AAA": drawn_table("AAA", [QUIET]), "BBB": session_two}).open()
    desk.close()
    order = desk.place("BUY", 100, "MKT", symbol="BBB")
    assert desk.state(order) is OrderState.PRE_SUBMITTED
    assert not desk.fills()
    desk.next_day()
    assert desk.state(order) is OrderState.FILLED


def test_a_gtc_stop_that_the_opening_jumps_over_fills_at_the_opening():
    first = drawn_table("AAA", [QUIET])
    second = drawn_table("AAA", [candle(90, 91, opened=90.5)], day=NEXT_DAY)
    desk = Desk({"AAA": joined(first, second)}).open()
    desk.step()
    desk.place("BUY", 100, "MKT")
    stop = desk.place("SELL", 100, "STP", aux_price=95, time_in_force="GTC")
    desk.close()
    desk.next_day()
    assert Decimal(90) <= desk.fills(stop)[0].price <= Decimal("90.5")
    assert desk.position() == 0


def test_a_symbol_that_does_not_trade_today_keeps_its_orders_waiting():
    tables = {"AAA": drawn_table("AAA", [QUIET]), "BBB": drawn_table("BBB", [QUIET], day=NEXT_DAY)}
    desk = Desk(tables).open()
    order = desk.place("BUY", 100, "MKT", symbol="BBB", time_in_force="GTC")
    desk.step(10)
    assert desk.state(order) is OrderState.PRE_SUBMITTED
    desk.close()
    desk.next_day()
    assert desk.state(order) is OrderState.FILLED


def test_an_early_close_ends_the_session_early():
    table = drawn_table("AAA", [QUIET] * 10, day=date(2012, 11, 23))
    desk = Desk({"AAA": table})
    session = session_of(date(2012, 11, 23))
    desk.session = session
    desk.market.set_time(session.open_ns)
    desk.open()
    moc = desk.place("BUY", 100, "MOC")
    desk.close()
    assert desk.market.step_index == 2519
    assert desk.fills(moc)[0].time_ns == session.open_ns + int(3.5 * 3600) * 10**9
