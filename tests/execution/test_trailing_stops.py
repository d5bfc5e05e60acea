"""Trailing stops: what is sent, what is known of them, and that no message of ours lets one fall back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.events import Bar, OpenOrderReport
from core.payloads import intent_payload, order_of
from core.vocabulary import BrokerStatus, OrderType, Purpose, Side
from execution.order_state import OrderState
from execution.ticks import PriceGrid
from execution.trailing_stops import TrailingStops
from tests.execution.desk import OPEN, Desk
from tests.execution.orders import D, make_order, make_stop, open_report, sent


def report(
    state: OrderState, stop_price: str, *, amount: str | None = None, quantity: int | None = None
) -> OpenOrderReport:
    told = open_report(state.order, state.order_id, BrokerStatus.PRE_SUBMITTED, perm_id=900 + state.order_id)
    distance = state.order.trailing_amount if amount is None else D(amount)
    shares = told.quantity if quantity is None else D(quantity)
    return replace(told, stop_price=D(stop_price), trailing_amount=distance, quantity=shares)


def bar(high: float, low: float, close: float, symbol: str = "IBM") -> dict[str, Bar]:
    one = Bar(symbol=symbol, end_ns=1, open=close, high=high, low=low, close=close, volume=1.0)
    return {symbol: one}


class Trailed(Desk):
    """A desk whose position has a stop that trails by 9.99: from 180.01 on, as far as 10 - 0.004 asks for."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.entered, self.stop = self.open_position(trail_distance=9.996)
        self.watch = TrailingStops(self.manager, self.journal, PriceGrid({}))

    def known(self) -> Decimal | None:
        return self.state(self.stop.order_ref).stop_price


def test_the_stop_of_a_bracket_trails_by_whole_cents_from_the_price_of_the_decision() -> None:
    desk = Trailed()
    order = desk.broker.placed[1].order
    assert (order.order_type, order.stop_price, order.trailing_amount) == (
        OrderType.TRAIL,
        D("180.01"),
        D("9.99"),
    )
    assert desk.broker.placed[0].order.trailing_amount is None


@pytest.mark.parametrize(
    ("price", "distance", "expected"), [(50.0, 0.004, "0.01"), (50.0, 1.0, "1.00"), (50.0, 0.3 * 3, "0.90")]
)
def test_a_distance_is_rounded_down_to_cents_and_is_never_nothing(price, distance, expected) -> None:
    assert PriceGrid({}).distance("IBM", price, distance) == D(expected)


def test_a_distance_has_the_ticks_of_its_price() -> None:
    grid = PriceGrid({"IBM": D("0.0001")})
    assert grid.distance("IBM", 0.8, 0.12345) == D("0.1234")
    assert grid.distance("IBM", 1.8, 0.12345) == D("0.12")


def test_the_brokers_word_moves_what_is_known_and_never_back() -> None:
    desk = Trailed()
    desk.manager.on_open_order(report(desk.stop, "183.50"))
    desk.manager.on_open_order(report(desk.stop, "182.00"))  # an older answer
    assert desk.known() == D("183.50")
    assert desk.journal.kinds().count("order_trailed") == 1
    assert desk.journal.fold().get(desk.stop.order_ref) == desk.state(desk.stop.order_ref)


def test_a_reduction_carries_what_the_stop_has_gained() -> None:
    desk = Trailed()
    desk.manager.on_open_order(report(desk.stop, "183.50"))
    desk.executor.submit([desk.exit(100, 40)], OPEN)
    amendment, exit_ = desk.broker.placed[-2:]
    assert (amendment.order_id, amendment.order.quantity, amendment.order.stop_price) == (
        desk.stop.order_id,
        D(60),
        D("183.50"),
    )
    assert (amendment.order.order_type, amendment.order.trailing_amount) == (OrderType.TRAIL, D("9.99"))
    assert exit_.order.purpose is Purpose.EXIT


def test_a_stop_that_stands_between_two_ticks_is_named_at_the_nearer_one() -> None:
    desk = Trailed()
    desk.manager.on_open_order(report(desk.stop, "183.5049"))
    desk.executor.submit([desk.exit(100, 40)], OPEN)
    assert desk.broker.placed[-2].order.stop_price == D("183.51"), "any other price is refused (110)"
    desk.tell(desk.stop, BrokerStatus.CANCELLED)
    desk.fill(desk.state(desk.broker.placed[-1].order.order_ref), 40)
    desk.look_after()
    assert desk.broker.placed[-1].order.stop_price == D("183.51")


def test_bars_tell_where_the_stop_stands_at_least() -> None:
    desk = Trailed()
    desk.watch.on_bars(bar(195.0, 189.0, 194.0))
    assert desk.known() == D("185.01")
    desk.watch.on_bars(bar(194.0, 193.0, 193.5))
    assert desk.known() == D("185.01")
    desk.watch.on_bars(bar(197.005, 193.0, 193.5))
    assert desk.known() == D("187.01"), "a price between two cents counts as the lower one"
    assert desk.journal.fold().get(desk.stop.order_ref) == desk.state(desk.stop.order_ref)


def test_bars_of_a_short_position_tell_the_mirror_image() -> None:
    desk = Desk()
    entry = replace(desk.entry(trail_distance=10.0), side=Side.SELL, stop_price=200.0)
    desk.executor.submit([entry], OPEN)
    parent, stop = (desk.state(one.order.order_ref) for one in desk.broker.placed)
    desk.fill(parent, 100)
    watch = TrailingStops(desk.manager, desk.journal, PriceGrid({}))
    watch.on_bars(bar(191.0, 185.0, 186.0))
    assert desk.state(stop.order_ref).stop_price == D("195.00")
    watch.on_bars(bar(191.0, 186.0, 190.0))
    assert desk.state(stop.order_ref).stop_price == D("195.00")


def test_an_entry_that_need_not_have_filled_at_once_lets_only_the_close_count() -> None:
    desk = Trailed(method="LMT")
    desk.watch.on_bars(bar(195.0, 189.0, 191.0))
    assert desk.known() == D("181.01")
    desk.watch.on_bars(bar(195.0, 189.0, 191.0))
    assert desk.known() == D("185.01"), "the stop has worked through all of the second bar"


def test_a_bar_that_should_have_hit_the_stop_is_left_to_the_broker() -> None:
    desk = Trailed()
    desk.watch.on_bars(bar(199.0, 180.5, 185.0))
    assert desk.known() == D("180.01")


def test_bars_before_the_entry_has_filled_tell_nothing() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry(trail_distance=10.0)], OPEN)
    stop = desk.broker.placed[1].order
    TrailingStops(desk.manager, desk.journal, PriceGrid({})).on_bars(bar(195.0, 189.0, 194.0))
    assert desk.state(stop.order_ref).stop_price == stop.stop_price


def test_a_fixed_stop_follows_nothing() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    TrailingStops(desk.manager, desk.journal, PriceGrid({})).on_bars(bar(195.0, 189.0, 194.0))
    desk.manager.on_open_order(
        replace(open_report(stop.order, stop.order_id, perm_id=900 + stop.order_id), stop_price=D(185))
    )
    assert desk.state(stop.order_ref).stop_price == stop.order.stop_price
    assert "order_trailed" not in desk.journal.kinds()


def test_other_terms_at_the_broker_are_taken_as_they_are() -> None:
    """After a split of two for one the broker has twice the shares, half the price and half the distance."""
    desk = Trailed()
    desk.watch.on_bars(bar(195.0, 189.0, 194.0))
    desk.manager.on_open_order(report(desk.stop, "92.50", amount="4.99", quantity=200))
    state = desk.state(desk.stop.order_ref)
    assert (state.stop_price, state.order.trailing_amount, state.order.quantity) == (
        D("92.50"),
        D("4.99"),
        D(200),
    )
    assert desk.journal.fold().get(desk.stop.order_ref) == state


def test_a_lost_stop_is_replaced_by_one_that_trails_from_where_it_stood() -> None:
    desk = Trailed()
    desk.watch.on_bars(bar(195.0, 189.0, 194.0))
    desk.tell(desk.stop, BrokerStatus.CANCELLED)
    desk.look_after()
    new = desk.broker.placed[-1].order
    assert (new.order_type, new.stop_price, new.trailing_amount) == (OrderType.TRAIL, D("185.01"), D("9.99"))
    assert (new.quantity, new.parent_ref) == (D(100), None)


def test_upkeep_asks_where_a_trailing_stop_stands_before_it_amends_it() -> None:
    desk = Trailed()
    desk.manager.on_open_order(report(desk.stop, "183.50"))
    desk.clock.advance(60)
    desk.executor.submit([desk.exit(100, 40)], OPEN)  # the broker refuses the amendment and fills the exit
    desk.fill(desk.state(desk.broker.placed[-1].order.order_ref), 40)
    before = len(desk.broker.placed)
    desk.manager.on_open_order(report(desk.stop, "183.50"))  # still a hundred shares
    desk.clock.advance(0.1)
    desk.look_after()
    assert len(desk.broker.placed) == before, "the broker is asked first"
    desk.upkeep.run(desk.positions(), OPEN, 7)
    assert len(desk.broker.queries) == 1
    desk.broker.queries[0].set_result(
        desk.snapshot(open_orders=(report(desk.state(desk.stop.order_ref), "184.25"),))
    )
    desk.look_after()
    amendment = desk.broker.placed[-1].order
    assert (amendment.quantity, amendment.stop_price) == (D(60), D("184.25"))


def test_a_broker_without_an_answer_does_not_hold_the_amendment_up_for_ever() -> None:
    desk = Trailed()
    desk.executor.submit([desk.exit(100, 40)], OPEN)
    desk.fill(desk.state(desk.broker.placed[-1].order.order_ref), 40)
    desk.manager.on_open_order(report(desk.stop, "183.50"))
    desk.clock.advance(0.1)
    before = len(desk.broker.placed)
    desk.look_after()
    assert len(desk.broker.placed) == before
    desk.look_after(seconds=16.0)
    assert (desk.broker.placed[-1].order.quantity, desk.broker.placed[-1].order.stop_price) == (
        D(60),
        D("183.50"),
    )


def test_a_journal_from_before_there_were_trailing_stops_still_folds() -> None:
    desk = Desk()
    entry, stop = make_order(), make_stop(make_order())
    for number, order in enumerate((entry, stop), 1):
        sent(desk.manager, order, number)
    for _kind, payload in desk.journal.records:
        payload.pop("trailing_amount", None)
    state = desk.journal.fold().get(stop.order_ref)
    assert state is not None
    assert (state.stop_price, state.trailed_to) == (stop.stop_price, None)


def test_a_trailing_stop_survives_the_journal() -> None:
    order = make_stop(make_order(), order_type=OrderType.TRAIL, trailing_amount=D("1.25"))
    assert order_of(intent_payload(order, 7)) == order
