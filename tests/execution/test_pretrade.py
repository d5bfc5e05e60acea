"""Each pre-trade check, one row a case; exits pass what they must."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config_schema import PretradeSettings
from core.events import Quote
from core.reasons import Reason
from core.vocabulary import OrderType, Purpose, Side
from execution.pretrade import PretradeContext, reference_price, verdict_on
from execution.throttle import MINUTE_NS, OrderThrottle, SlidingWindow
from execution.ticks import PriceGrid
from tests.execution.orders import D, make_manager, make_order, make_stop, sent

NOW = 10**12
SETTINGS = PretradeSettings(max_order_quantity=1000, max_order_notional=D(50_000), max_orders_per_minute=10)
QUOTE = Quote(
    symbol="IBM", bid=189.9, ask=190.1, last=190.0, bid_size=1, ask_size=1, received_monotonic_ns=NOW
)
GOOD = PretradeContext(
    order=make_order(arrival_price=190.0),
    settings=SETTINGS,
    symbols=frozenset({"IBM"}),
    position=D(0),
    quote=QUOTE,
    now_monotonic_ns=NOW,
    pending=(),
    orders_last_minute=0,
    repeats=0,
    stop_price=D("180.00"),
)


def reason_of(context: PretradeContext) -> Reason:
    verdict = verdict_on(context)
    return Reason.NONE if verdict is None else verdict[0]


def quoted(**changes: Any) -> PretradeContext:
    return replace(GOOD, quote=replace(QUOTE, **changes))


def ordered(**changes: object) -> PretradeContext:
    return replace(GOOD, order=make_order(**({"arrival_price": 190.0} | changes)))


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (GOOD, Reason.NONE),
        (ordered(symbol="TSLA"), Reason.SYMBOL_NOT_ALLOWED),
        (ordered(quantity=D(0)), Reason.BAD_QUANTITY),
        (ordered(quantity=D(-5)), Reason.BAD_QUANTITY),
        (ordered(quantity=D("1.5")), Reason.BAD_QUANTITY),
        (ordered(quantity=D("NaN")), Reason.BAD_QUANTITY),
        (ordered(quantity=D("Infinity")), Reason.BAD_QUANTITY),
        (ordered(quantity=D(1001)), Reason.MAX_QUANTITY),
        (ordered(quantity=D(264)), Reason.MAX_NOTIONAL),
        (ordered(quantity=D(263)), Reason.NONE),
        (replace(GOOD, quote=None), Reason.STALE_PRICE),
        (replace(GOOD, now_monotonic_ns=NOW + 16 * 10**9), Reason.STALE_PRICE),
        (quoted(bid=math.nan, last=math.nan), Reason.STALE_PRICE),
        (quoted(bid=math.nan), Reason.NONE),
        (quoted(bid=0.0, ask=0.0, last=-1.0), Reason.STALE_PRICE),
        (quoted(bid=190.2), Reason.STALE_PRICE),  # crossed
        (quoted(bid=1899.0, ask=1901.0), Reason.PRICE_COLLAR),  # ten times
        (ordered(arrival_price=1900.0), Reason.PRICE_COLLAR),
        (ordered(arrival_price=math.nan), Reason.PRICE_COLLAR),
        (ordered(arrival_price=None), Reason.PRICE_COLLAR),
        (ordered(order_type=OrderType.LIMIT, limit_price=D(210)), Reason.PRICE_COLLAR),
        (ordered(order_type=OrderType.LIMIT, limit_price=D(191)), Reason.NONE),
        (replace(GOOD, stop_price=None), Reason.PRICE_COLLAR),
        (replace(GOOD, stop_price=D(191)), Reason.PRICE_COLLAR),
        (replace(GOOD, stop_price=D(-1)), Reason.PRICE_COLLAR),
        (replace(ordered(side=Side.SELL), stop_price=D(180)), Reason.PRICE_COLLAR),
        (replace(ordered(side=Side.SELL), stop_price=D(200)), Reason.NONE),
        (replace(GOOD, orders_last_minute=9), Reason.ORDER_RATE),
        (replace(GOOD, orders_last_minute=8), Reason.NONE),
        (replace(GOOD, repeats=20), Reason.REPEAT_THROTTLE),
    ],
)
def test_an_entry_passes_every_check(context: PretradeContext, reason: Reason) -> None:
    assert reason_of(context) is reason


@pytest.mark.parametrize(
    ("position", "changes", "reason"),
    [
        (100, {}, Reason.NONE),
        (100, {"quantity": D(101)}, Reason.BAD_QUANTITY),
        (100, {"side": Side.BUY}, Reason.BAD_QUANTITY),
        (-100, {"side": Side.BUY}, Reason.NONE),
        (0, {}, Reason.BAD_QUANTITY),
        (5000, {"quantity": D(5000)}, Reason.NONE),  # over every size limit
    ],
)
def test_an_exit_only_has_to_be_one(position: int, changes: dict[str, object], reason: Reason) -> None:
    order = make_order(**({"purpose": Purpose.EXIT, "side": Side.SELL, "symbol": "GONE"} | changes))
    in_trouble = replace(
        GOOD, order=order, position=D(position), quote=None, orders_last_minute=10_000, stop_price=None
    )
    assert reason_of(in_trouble) is reason


def test_even_an_exit_is_not_repeated_for_ever() -> None:
    order = make_order(purpose=Purpose.EXIT, side=Side.SELL)
    assert reason_of(replace(GOOD, order=order, position=D(100), repeats=20)) is Reason.REPEAT_THROTTLE


def test_a_resting_stop_of_another_strategy_is_no_self_cross_but_its_exit_is() -> None:
    manager, _ = make_manager()
    other = make_order(strategy="mean_reversion")
    stop = sent(manager, make_stop(other), 3)
    assert reason_of(replace(GOOD, pending=manager.book.pending(symbol="IBM"))) is Reason.NONE
    sent(
        manager,
        make_order(
            order_ref="BS-run00001-000009-X", strategy="mean_reversion", side=Side.SELL, purpose=Purpose.EXIT
        ),
        4,
    )
    assert reason_of(replace(GOOD, pending=manager.book.pending(symbol="IBM"))) is Reason.SELF_CROSS
    assert stop.side is Side.SELL


def test_anything_pending_of_the_same_strategy_is_a_duplicate() -> None:
    manager, _ = make_manager()
    sent(manager, make_stop(make_order()), 3)
    assert reason_of(replace(GOOD, pending=manager.book.pending(symbol="IBM"))) is Reason.DUPLICATE


@given(st.lists(st.integers(0, 20 * 10**9), max_size=60))
def test_a_sliding_window_counts_what_is_younger_than_it(gaps: list[int]) -> None:
    window, times, now = SlidingWindow(MINUTE_NS), [], 0
    for gap in gaps:
        now += gap
        window.add(now)
        times.append(now)
        assert window.count(now) == sum(1 for time in times if now - time < MINUTE_NS)


def test_repeats_are_counted_by_kind_of_order() -> None:
    throttle = OrderThrottle(repeat_window_s=10.0)
    throttle.sent(("momentum", "IBM", "BUY", "entry"), 0)
    throttle.sent(("momentum", "IBM", "SELL", "exit"), 0)
    assert throttle.last_minute(5) == 2
    assert throttle.repeats(("momentum", "IBM", "BUY", "entry"), 9 * 10**9) == 1
    assert throttle.repeats(("momentum", "IBM", "BUY", "entry"), 10 * 10**9) == 0


@given(st.floats(0.5, 5000), st.sampled_from(list(Side)), st.sampled_from(["0.01", "0.05", "0.0001"]))
def test_rounded_prices_lie_on_the_grid_and_never_on_the_worse_side(
    price: float, side: Side, tick: str
) -> None:
    grid = PriceGrid({"IBM": D(tick)})
    limit, stop = grid.limit("IBM", side, price), grid.stop("IBM", side, price)
    exact, tolerance = D(price), D("1e-8")
    step = max(D(tick), D("0.01")) if price >= 1 else D(tick)
    assert limit % step == 0
    assert stop % step == 0
    assert abs(limit - exact) < step
    assert abs(stop - exact) < step
    better = exact - limit if side is Side.BUY else limit - exact
    earlier = exact - stop if side is Side.BUY else stop - exact
    assert better >= -tolerance
    assert earlier >= -tolerance


def test_binary_noise_does_not_move_a_price_by_a_tick() -> None:
    grid = PriceGrid({})
    assert grid.limit("IBM", Side.BUY, 10.1) == D("10.10")
    assert grid.stop("IBM", Side.SELL, 0.1 + 0.2) == D("0.30")


def test_a_reference_price_is_the_midpoint_then_the_last_then_nothing() -> None:
    assert reference_price(QUOTE) == pytest.approx(190.0)
    assert reference_price(replace(QUOTE, ask=math.nan)) == 190.0
    assert math.isnan(reference_price(replace(QUOTE, ask=math.nan, last=0.0)))
    assert math.isnan(reference_price(None))
    assert isinstance(SETTINGS.max_order_notional, Decimal)
