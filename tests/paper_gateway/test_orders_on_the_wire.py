"""Orders: what clients send is read field by field, and what goes back is read by them without a slip."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi.common import UNSET_DOUBLE
from ibapi.order_condition import PriceCondition

from paper_gateway.codec import MalformedMessage
from paper_gateway.open_order import completed_order, open_order
from paper_gateway.place_order import parse_order_fields
from paper_gateway.types import MarginImpact, OrderState
from tests.paper_gateway.wire import (
    APPLE,
    decode_officially,
    decode_with_ib_async,
    placed,
    view_of,
)

refs = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
prices = st.one_of(st.just(UNSET_DOUBLE), st.integers(1, 10**7).map(lambda cents: cents / 100))


@given(
    order_id=st.integers(1, 2**31 - 2),
    action=st.sampled_from(["BUY", "SELL"]),
    quantity=st.integers(1, 10**6),
    kind=st.sampled_from(["MKT", "LMT", "STP", "STP LMT", "TRAIL", "MOC", "LOC"]),
    limit=prices,
    aux=prices,
    trail=prices,
    percent=prices,
    parent=st.integers(0, 2**31 - 2),
    oca=refs,
    ref=refs,
    transmit=st.booleans(),
    what_if=st.booleans(),
)
def test_an_order_of_the_official_client_comes_back_to_it_unchanged(
    order_id, action, quantity, kind, limit, aux, trail, percent, parent, oca, ref, transmit, what_if
):
    request = placed(
        order_id,
        action=action,
        totalQuantity=quantity,
        orderType=kind,
        lmtPrice=limit,
        auxPrice=aux,
        trailStopPrice=trail,
        trailingPercent=percent,
        parentId=parent,
        ocaGroup=oca,
        ocaType=2,
        orderRef=ref,
        transmit=transmit,
        whatIf=what_if,
        tif="GTC",
        outsideRth=True,
    )
    ticket = request.ticket(3, "AAPL", "DU1")
    assert (ticket.order_id, ticket.client_id, ticket.action) == (order_id, 3, action)
    assert (ticket.quantity, ticket.order_type, ticket.time_in_force) == (quantity, kind, "GTC")
    assert (ticket.parent_id, ticket.oca_group, ticket.oca_type) == (parent, oca, 2)
    assert (ticket.transmit, ticket.what_if, ticket.outside_rth) == (transmit, what_if, True)
    assert ticket.order_ref == ref
    for price, sent in (
        (ticket.limit_price, limit),
        (ticket.aux_price, aux),
        (ticket.trail_stop_price, trail),
        (ticket.trailing_percent, percent),
    ):
        assert price == (None if sent == UNSET_DOUBLE else Decimal(str(sent)))

    ((back_id, contract, order, state),) = decode_officially(open_order(view_of(request), APPLE)).named(
        "openOrder"
    )
    assert (back_id, contract.symbol, contract.conId, contract.exchange) == (
        order_id,
        "AAPL",
        265598,
        "SMART",
    )
    assert (order.action, order.totalQuantity, order.orderType) == (action, quantity, kind)
    assert (order.lmtPrice, order.auxPrice) == (limit, aux)
    assert (order.trailStopPrice, order.trailingPercent) == (trail, percent)
    assert (order.parentId, order.ocaGroup, order.ocaType, order.orderRef) == (parent, oca, 2, ref)
    assert (order.clientId, order.permId, order.whatIf) == (1, 123456, what_if)
    assert (order.outsideRth, order.account, state.status) == (True, "DU1234567", "Submitted")


def test_open_order_is_read_alike_by_ib_async():
    request = placed(orderType="TRAIL", auxPrice=0.5, trailStopPrice=9.5, orderRef="mine", displaySize=10)
    block = open_order(view_of(request, warning="hours", why_held="trigger"), APPLE)
    ((order_id, contract, order, state),) = decode_with_ib_async(block).named("openOrder")
    assert (order_id, contract.conId, order.orderRef, order.displaySize) == (7, 265598, "mine", 10)
    assert (order.auxPrice, order.trailStopPrice, order.usePriceMgmtAlgo) == (0.5, 9.5, False)
    assert (state.status, state.warningText) == ("Submitted", "hours")


def test_a_what_if_answer_carries_margins_and_commission():
    impact = MarginImpact(
        initial_before=Decimal(0),
        initial_after=Decimal(500),
        maintenance_before=Decimal(0),
        maintenance_after=Decimal(250),
        equity_before=Decimal(1000),
        equity_after=Decimal(999),
        commission=Decimal(1),
    )
    from paper_gateway.order_service import _what_if

    view = view_of(placed(whatIf=True), OrderState.PRE_SUBMITTED, margin=impact)
    block = open_order(view, APPLE, *_what_if(view))
    ((_, _, order, state),) = decode_officially(block).named("openOrder")
    assert order.whatIf
    assert (state.initMarginChange, state.maintMarginAfter, state.equityWithLoanAfter) == (
        "500",
        "250",
        "999",
    )
    assert (state.commission, state.commissionCurrency) == (1.0, "USD")
    ((_, _, _, same),) = decode_with_ib_async(block).named("openOrder")
    assert same.initMarginChange == "500"


@pytest.mark.parametrize("decode", [decode_officially, decode_with_ib_async])
def test_a_completed_order_is_read_to_its_last_field(decode):
    view = view_of(placed(orderRef="done"), OrderState.CANCELLED)
    block = completed_order(view, APPLE, "20200102-16:00:00 US/Eastern")
    ((contract, order, state),) = decode(block).named("completedOrder")
    assert (contract.symbol, order.orderRef, order.permId) == ("AAPL", "done", 123456)
    assert (state.status, state.completedStatus) == ("Cancelled", "Cancelled by Trader")
    assert state.completedTime == "20200102-16:00:00 US/Eastern"


@pytest.mark.parametrize(
    ("fields", "feature"),
    [
        ({"conditions": [PriceCondition(0, 265598, "SMART", True, 10.0)]}, "conditions"),
        ({"hedgeType": "D", "hedgeParam": "1"}, "hedge orders"),
        ({"scalePriceIncrement": 0.1}, "scale orders"),
        ({"deltaNeutralOrderType": "MKT"}, "delta-neutral orders"),
        ({"adjustedOrderType": "TRAIL"}, "adjustable stops"),
    ],
)
def test_what_is_not_simulated_is_recognised_and_the_rest_still_read(fields, feature):
    parsed = parse_order_fields(placed(orderRef="ref", cashQty=5.0, **fields).raw)
    assert parsed.unsupported == feature
    assert (parsed["order_ref"], parsed["cash_quantity"]) == ("ref", "5.0")


@given(place=st.integers(0, 200), text=st.text(max_size=12))
def test_no_field_of_an_order_can_hurt_those_who_are_shown_it(place, text):
    request = placed(orderRef="x")
    raw = list(request.raw)
    raw[place % len(raw)] = text
    try:
        changed = type(request)(
            order_id=7,
            con_id=0,
            symbol="AAPL",
            sec_type="STK",
            exchange="SMART",
            currency="USD",
            raw=tuple(raw),
        )
        view = view_of(changed)
    except MalformedMessage:
        return
    block = open_order(view, APPLE)
    decode_officially(block)
    decode_with_ib_async(block)


@given(cut=st.integers(0, 100))
def test_an_order_cut_short_is_malformed(cut):
    raw = placed().raw
    with pytest.raises(MalformedMessage):
        parse_order_fields(raw[: min(cut, len(raw) - 1)])
