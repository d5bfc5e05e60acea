"""Short sales: what can't be borrowed, and the price test after a fall of ten percent."""

from datetime import date
from decimal import Decimal

from paper_gateway.types import OrderState
from tests.paper_gateway.desk import DAY, NEXT_DAY, Desk
from tests.paper_gateway.trading_day import daily_table, day_desk, pass_until

FALL = (100.0, 100.0, 85.0, 86.0, 5_000_000.0)
FLAT = (86.0, 87.0, 85.0, 86.0, 5_000_000.0)
BEFORE = date(2012, 11, 9)


def test_a_short_sale_of_what_can_not_be_borrowed_is_rejected_and_a_sale_of_what_is_held_is_not():
    desk = day_desk(not_shortable=("AAA",))
    short = desk.place("SELL", 100, "MKT")
    assert desk.state(short) is OrderState.INACTIVE
    assert desk.codes(short) == [201]
    assert "not available for short sale" in desk.view(short).warning
    desk.place("BUY", 100, "MKT")
    assert desk.state(desk.place("SELL", 100, "MKT")) is OrderState.FILLED
    assert desk.codes(desk.place("SELL", 1, "LMT", limit_price=120)) == [201]


def fallen() -> Desk:
    days = {BEFORE: (100.0, 101.0, 99.0, 100.0, 5_000_000.0), DAY: FALL, NEXT_DAY: FLAT}
    later = date(2012, 11, 14)
    desk = Desk({"AAA": daily_table("AAA", {**days, later: FLAT})})
    return desk.open()


def sells_at_the_bid(desk: Desk) -> bool:
    """Whether a short sale at the market takes the bid at once; it ends in any case."""
    order = desk.place("SELL", 100, "MKT")
    took = bool(desk.fills(order))
    for _ in range(400):
        if desk.fills(order):
            break
        bid, _ = desk.bid_ask()
        desk.step()
        assert all(fill.price > bid for fill in desk.fills(order)), "never at or below the best bid"
    else:
        desk.cancel(order)
    cover = desk.place("BUY", 100, "MKT")
    assert desk.fills(cover)
    return took


def test_after_a_fall_of_ten_percent_short_sales_wait_above_the_bid_until_the_day_after_next():
    desk = fallen()
    assert sells_at_the_bid(desk)
    low = Decimal(90)
    while desk.market.quote("AAA").day_low > low:
        desk.step()
    assert not sells_at_the_bid(desk)
    desk.close()
    desk.next_day()
    desk.step()
    assert not sells_at_the_bid(desk)
    desk.close()
    desk.next_day()
    desk.step()
    assert sells_at_the_bid(desk)


def test_sales_of_what_is_held_are_free_of_the_price_test():
    desk = fallen()
    desk.place("BUY", 100, "MKT")
    pass_until(desk, "15:30:00")
    assert desk.market.quote("AAA").day_low <= 90
    assert desk.state(desk.place("SELL", 100, "MKT")) is OrderState.FILLED
