"""Parents and children, OCA groups."""

from decimal import Decimal
from typing import Any

from paper_gateway.types import OrderState
from tests.paper_gateway.desk import Desk

QUIET = (100.0, 100.1, 99.9, 100.0, 100_000.0)
THIN = (100.0, 100.1, 99.9, 100.0, 1000.0)
RISE = (100.0, 106.0, 100.0, 106.0, 100_000.0)
FALL = (100.0, 100.0, 94.0, 94.0, 100_000.0)


def bracket(desk: Desk, quantity: int = 100, **entry: Any) -> tuple[int, int, int]:
    parent = desk.place("BUY", quantity, entry.pop("kind", "MKT"), transmit=False, **entry)
    target = desk.place("SELL", quantity, "LMT", limit_price=105, parent_id=parent, transmit=False)
    stop = desk.place("SELL", quantity, "STP", aux_price=95, parent_id=parent)
    return parent, target, stop


def test_nothing_of_a_bracket_works_before_its_last_order_is_transmitted():
    desk = Desk.drawn(QUIET, QUIET).open()
    desk.step()
    parent = desk.place("BUY", 100, "MKT", transmit=False)
    target = desk.place("SELL", 100, "LMT", limit_price=105, parent_id=parent, transmit=False)
    desk.step()
    assert desk.state(parent) is desk.state(target) is OrderState.PENDING_SUBMIT
    assert not desk.fills()
    desk.place("SELL", 100, "STP", aux_price=95, parent_id=parent)
    assert desk.state(parent) is OrderState.FILLED


def test_children_work_once_their_parent_has_filled():
    desk = Desk.drawn(QUIET, QUIET).open()
    desk.step()
    _, target, stop = bracket(desk)
    assert desk.state(target) is OrderState.SUBMITTED
    assert desk.view(stop).why_held == "trigger"


def test_children_of_an_unfilled_parent_wait_and_go_with_it():
    desk = Desk.drawn(QUIET, RISE).open()
    desk.step()
    parent, target, stop = bracket(desk, kind="LMT", limit_price=90)
    assert desk.view(stop).why_held == "child,trigger"
    desk.step()  # the target's price trades, but there is nothing to sell yet
    assert not desk.fills()
    desk.cancel(parent)
    assert desk.state(target) is desk.state(stop) is OrderState.CANCELLED
    assert desk.codes() == [202, 202, 202]


def test_one_exit_of_a_bracket_takes_the_other_away():
    desk = Desk.drawn(QUIET, RISE, FALL).open()
    desk.step()
    _, target, stop = bracket(desk)
    desk.step()
    assert desk.state(target) is OrderState.FILLED
    assert desk.state(stop) is OrderState.CANCELLED
    desk.step()
    assert desk.position() == 0


def test_children_work_for_the_part_of_the_parent_that_has_filled():
    desk = Desk.drawn(THIN, FALL, FALL).open()
    desk.step()
    parent, _, stop = bracket(desk, 5000)
    partly = desk.position()
    assert 0 < partly < 5000
    desk.cancel(parent)
    assert desk.view(stop).ticket.quantity == partly
    desk.step()
    assert sum(fill.quantity for fill in desk.fills(stop)) == partly
    assert desk.position() == 0
    assert not desk.brokerage.open_orders()


def test_an_exit_beside_the_stop_in_one_group_reduces_the_stop():
    desk = Desk.drawn(QUIET, QUIET, FALL).open()
    desk.step()
    group: dict[str, Any] = {"oca_group": "exit-1", "oca_type": 2}
    parent = desk.place("BUY", 300, "MKT", transmit=False)
    stop = desk.place("SELL", 300, "STP", aux_price=95, parent_id=parent, time_in_force="GTC", **group)
    desk.place("SELL", 100, "MKT", **group)
    assert desk.view(stop).ticket.quantity == desk.view(stop).remaining == 200
    desk.place("SELL", 200, "MKT", **group)
    assert desk.state(stop) is OrderState.CANCELLED
    desk.step(2)
    assert desk.position() == 0


def test_an_exit_of_a_partly_filled_entry_leaves_no_stop_behind():
    desk = Desk.drawn(THIN, THIN, FALL, FALL).open()
    desk.step()
    group: dict[str, Any] = {"oca_group": "exit-1", "oca_type": 2}
    parent = desk.place("BUY", 5000, "MKT", transmit=False)
    stop = desk.place("SELL", 5000, "STP", aux_price=95, parent_id=parent, **group)
    held = desk.position()
    desk.cancel(parent)
    desk.place("SELL", held, "MKT", **group)
    desk.step(3)
    assert desk.position() == 0
    assert desk.state(stop) is OrderState.CANCELLED


def test_a_fill_in_a_group_of_type_one_cancels_the_others():
    desk = Desk.drawn(QUIET, QUIET).open()
    desk.step()
    other = desk.place("BUY", 500, "LMT", limit_price=90, oca_group="g", oca_type=1)
    stranger = desk.place("BUY", 500, "LMT", limit_price=90, oca_group="g", oca_type=1, client_id=2)
    desk.place("BUY", 100, "MKT", oca_group="g", oca_type=1)
    assert desk.state(other) is OrderState.CANCELLED
    assert desk.view(stranger, client_id=2).state is OrderState.SUBMITTED


def test_a_trailing_child_trails_from_the_moment_its_parent_fills():
    desk = Desk.drawn(
        QUIET, (100.0, 104.0, 100.0, 104.0, 1e5), (104.0, 104.0, 102.5, 102.5, 1e5), QUIET
    ).open()
    desk.step()
    parent = desk.place("BUY", 100, "STP", aux_price=103, transmit=False)
    trail = desk.place("SELL", 100, "TRAIL", aux_price=1, parent_id=parent)
    desk.step()
    (view,) = [order for order in desk.brokerage.open_orders() if order.ticket.order_id == trail]
    assert view.ticket.trail_stop_price == Decimal(103)
    desk.step()
    assert Decimal("102.5") <= desk.fills(trail)[0].price <= Decimal(103)


def test_a_child_without_its_parent_is_refused():
    desk = Desk.drawn(QUIET).open()
    order = desk.place("SELL", 100, "STP", aux_price=95, parent_id=77)
    assert desk.codes(order) == [10006]
    assert not desk.brokerage.open_orders()


def test_a_child_may_follow_a_parent_that_has_filled():
    desk = Desk.drawn(QUIET, FALL).open()
    desk.step()
    parent = desk.place("BUY", 100, "MKT")
    stop = desk.place("SELL", 100, "STP", aux_price=95, parent_id=parent)
    desk.step()
    assert desk.state(stop) is OrderState.FILLED


def test_a_working_parent_must_be_repeated_and_a_finished_one_can_no_longer_be_named():
    desk = Desk.drawn((100.0, 100.1, 99.9, 100.0, 1000.0)).open()
    desk.step()
    parent = desk.place("BUY", 100, "LMT", limit_price=90, transmit=False)
    stop = desk.place("SELL", 100, "STP", aux_price=80, parent_id=parent, time_in_force="GTC")
    amend: dict[str, Any] = {"aux_price": 80, "order_id": stop, "time_in_force": "GTC"}
    desk.place("SELL", 60, "STP", **amend)
    assert desk.codes(stop)[-1] == 105
    desk.place("BUY", 100, "LMT", limit_price=101, order_id=parent)
    assert desk.state(parent) is OrderState.FILLED
    desk.place("SELL", 60, "STP", parent_id=parent, **amend)
    assert desk.codes(stop)[-1] == 135
    assert desk.view(stop).remaining == 100
    desk.place("SELL", 60, "STP", **amend)
    desk.place("SELL", 50, "STP", **amend)
    assert desk.codes(stop) == [105, 135]
    assert desk.view(stop).remaining == 50


def test_a_group_is_for_life():
    desk = Desk.drawn((100.0, 100.1, 99.9, 100.0, 1000.0)).open()
    desk.step()
    order = desk.place("BUY", 100, "LMT", limit_price=90, oca_group="g", oca_type=2)
    changed = {"limit_price": 91, "order_id": order}
    desk.place("BUY", 100, "LMT", oca_group="h", oca_type=2, **changed)
    desk.place("BUY", 100, "LMT", oca_group="g", oca_type=1, **changed)
    desk.place("BUY", 100, "LMT", oca_group="g", oca_type=2, **changed)
    assert desk.codes(order) == [10326, 10327]
