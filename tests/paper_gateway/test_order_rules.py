"""What the brokerage refuses, modifies and cancels, with IB's codes."""

from decimal import Decimal

import pytest

from paper_gateway.account import AccountType
from paper_gateway.types import OrderChanged, OrderState
from tests.paper_gateway.desk import Desk

QUIET = (100.0, 100.1, 99.9, 100.0, 100_000.0)


@pytest.mark.parametrize(
    ("action", "quantity", "kind", "fields", "code"),
    [
        ("BUY", 100, "LMT", {"limit_price": 100, "symbol": "ZZZ"}, 200),
        ("BUY", 100, "LMT", {"limit_price": 100.001}, 110),
        ("BUY", 100, "STP", {"aux_price": 100.005}, 110),
        ("BUY", 100, "LMT", {}, 321),
        ("BUY", 100, "LMT", {"limit_price": -1}, 321),
        ("BUY", 100, "STP", {}, 321),
        ("BUY", 100, "TRAIL", {}, 321),
        ("BUY", 100, "TRAIL", {"trailing_percent": 100}, 321),
        ("BUY", 0, "MKT", {}, 321),
        ("BUY", -5, "MKT", {}, 321),
        ("BUY", 10**9, "MKT", {}, 321),
        ("HOLD", 100, "MKT", {}, 321),
        ("BUY", 100, "MKT", {"account": "DU7654321"}, 321),
        ("BUY", 1.5, "MKT", {}, 10243),
        ("BUY", 100, "PEG BENCH", {}, 387),
        ("BUY", 100, "MKT", {"time_in_force": "GTD"}, 111),
        ("BUY", 100, "MOC", {"time_in_force": "GTC"}, 113),
        ("BUY", 100, "LOC", {"time_in_force": "GTC", "limit_price": 100}, 113),
    ],
)
def test_an_unacceptable_order_is_refused_with_ibs_code(action, quantity, kind, fields, code):
    desk = Desk.drawn(QUIET).open()
    order = desk.place(action, quantity, kind, **fields)
    assert desk.codes(order) == [code]
    assert not desk.brokerage.open_orders()
    assert not desk.brokerage.completed_orders()


def test_a_modified_limit_takes_effect_at_once():
    desk = Desk.drawn(QUIET, QUIET).open()
    desk.step()
    order = desk.place("BUY", 100, "LMT", limit_price=90)
    perm_id = desk.view(order).perm_id
    desk.place("BUY", 150, "LMT", limit_price=101, order_id=order)
    assert desk.state(order) is OrderState.FILLED
    assert desk.view(order).perm_id == perm_id
    assert desk.position() == 150


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"action": "SELL"}, 105),
        ({"parent_id": 5}, 105),
        ({"oca_group": "g"}, 10326),
        ({"what_if": True}, 105),
        ({"quantity": 10}, 201),
        ({"limit_price": 100.001}, 110),
    ],
)
def test_a_modification_that_does_not_fit_is_refused_and_changes_nothing(fields, code):
    desk = Desk.drawn((100.0, 100.1, 99.9, 100.0, 1000.0)).open()
    desk.step()
    order = desk.place("BUY", 5000, "LMT", limit_price=101)
    before = desk.brokerage.open_orders()
    assert before[0].filled > 10
    terms = {"action": "BUY", "quantity": 5000, "limit_price": 101} | fields
    desk.place(terms.pop("action"), terms.pop("quantity"), "LMT", order_id=order, **terms)
    assert desk.codes(order) == [code]
    assert desk.brokerage.open_orders() == before


def test_an_id_can_not_be_used_again():
    desk = Desk.drawn(QUIET, QUIET).open()
    desk.step()
    filled = desk.place("BUY", 100, "MKT")
    cancelled = desk.place("BUY", 100, "LMT", limit_price=90)
    desk.cancel(cancelled)
    desk.place("BUY", 100, "MKT", order_id=filled)
    desk.place("BUY", 100, "MKT", order_id=cancelled)
    assert desk.codes(filled) == [104]
    assert desk.codes(cancelled) == [202, 103]
    assert desk.position() == 100


def test_an_order_id_belongs_to_its_client():
    desk = Desk.drawn(QUIET, QUIET).open()
    desk.step()
    desk.place("BUY", 100, "LMT", limit_price=90, order_id=7)
    desk.place("BUY", 200, "LMT", limit_price=91, order_id=7, client_id=2)
    assert [order.ticket.quantity for order in desk.brokerage.open_orders()] == [100, 200]
    desk.cancel(7, client_id=3)
    assert desk.codes(7) == [10147]
    assert len(desk.brokerage.open_orders()) == 2


def test_cancelling_ends_an_order_and_says_so():
    desk = Desk.drawn(QUIET).open()
    order = desk.place("BUY", 100, "LMT", limit_price=90)
    desk.cancel(order)
    assert desk.state(order) is OrderState.CANCELLED
    assert desk.codes(order) == [202]
    desk.cancel(order)
    assert desk.codes(order) == [202, 10148]


def test_a_global_cancel_ends_every_clients_orders():
    desk = Desk.drawn(QUIET).open()
    for client_id in (1, 2, 3):
        for number in (1, 2):
            desk.place("BUY", 100, "LMT", limit_price=90, order_id=number, client_id=client_id)
    parent = desk.place("BUY", 100, "LMT", limit_price=90, transmit=False)
    desk.place("SELL", 100, "STP", aux_price=80, parent_id=parent)
    events = desk.brokerage.global_cancel()
    assert not desk.brokerage.open_orders()
    ended = [event.order.perm_id for event in events if isinstance(event, OrderChanged)]
    assert len(ended) == len(set(ended)) == 8


def test_an_order_beyond_the_accounts_margin_is_rejected_and_inactive():
    desk = Desk.drawn(QUIET, cash=Decimal(10_000)).open()
    desk.step()
    order = desk.place("BUY", 201, "MKT")
    assert desk.state(order) is OrderState.INACTIVE
    assert desk.codes(order) == [201]
    assert desk.state(desk.place("BUY", 199, "MKT")) is OrderState.FILLED


def test_working_orders_count_towards_margin():
    desk = Desk.drawn(QUIET, cash=Decimal(10_000)).open()
    desk.step()
    assert desk.state(desk.place("BUY", 150, "LMT", limit_price=99)) is OrderState.SUBMITTED
    assert desk.state(desk.place("BUY", 100, "LMT", limit_price=99)) is OrderState.INACTIVE


def test_an_order_that_reduces_a_position_is_never_rejected_for_margin():
    desk = Desk.drawn(QUIET, (100.0, 100.0, 50.0, 50.0, 100_000.0), QUIET, cash=Decimal(10_000)).open()
    desk.step()
    desk.place("BUY", 199, "MKT")
    desk.place("SELL", 199, "STP", aux_price=20)
    desk.step()
    assert Decimal(desk.brokerage.account_values()["NetLiquidation"]) < 100
    assert desk.state(desk.place("SELL", 199, "MKT")) is OrderState.FILLED


def test_a_cash_account_buys_with_settled_cash_and_sells_what_it_has():
    desk = Desk.drawn(QUIET, QUIET, cash=Decimal(10_000), account_type=AccountType.CASH).open()
    desk.step()
    assert desk.state(desk.place("BUY", 101, "MKT")) is OrderState.INACTIVE
    assert desk.state(desk.place("BUY", 99, "MKT")) is OrderState.FILLED
    assert desk.state(desk.place("SELL", 100, "MKT")) is OrderState.INACTIVE
    assert desk.state(desk.place("SELL", 99, "MKT")) is OrderState.FILLED
    # The proceeds have not settled yet.
    assert desk.state(desk.place("BUY", 50, "MKT")) is OrderState.INACTIVE


def test_a_what_if_order_shows_its_margin_and_does_nothing():
    desk = Desk.drawn(QUIET).open()
    desk.step()
    order = desk.place("BUY", 100, "MKT", what_if=True)
    impact = desk.view(order).margin
    assert impact.initial_before == 0
    assert impact.initial_after == Decimal("5000.00")
    assert impact.maintenance_after == Decimal("2500.00")
    assert impact.commission > Decimal("0.35")
    assert not desk.brokerage.open_orders()
    assert not desk.fills()
    assert desk.state(desk.place("BUY", 100, "MKT", order_id=order)) is OrderState.FILLED


def test_the_ticket_shows_the_account_even_when_the_client_named_none():
    desk = Desk.drawn(QUIET).open()
    order = desk.place("BUY", 100, "LMT", limit_price=90)
    assert desk.view(order).ticket.account == "DU1234567"
