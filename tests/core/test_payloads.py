"""What goes into the journal comes out of it as it was; names of executions and their corrections."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.canonical import dump
from core.events import Commission, Execution, Order
from core.exec_ids import base_exec_id, correction_number
from core.payloads import (
    commission_of,
    commission_payload,
    execution_of,
    fill_payload,
    intent_payload,
    order_of,
)
from core.vocabulary import OrderType, Purpose, Side

texts = st.text(min_size=1, max_size=20)
ids = st.integers(0, 2**31 - 1)
amounts = st.decimals(-1_000_000, 1_000_000, allow_nan=False, allow_infinity=False)
quantities = st.decimals(0, 1_000_000, places=4, allow_nan=False, allow_infinity=False)
orders = st.builds(Order, quantity=quantities, arrival_price=st.none() | st.floats(0.01, 1e6))
executions = st.builds(Execution, quantity=quantities, price=quantities)


def journaled(payload):
    """The payload as a journal gives it back."""
    return json.loads(dump(payload))


@given(orders, ids)
def test_an_order_survives_the_journal(order, order_id):
    payload = journaled(intent_payload(order, order_id))
    assert order_of(payload) == order
    assert payload["order_id"] == order_id


def test_an_order_of_an_old_journal_is_still_read():
    order = Order(
        order_ref="BS-run00001-000001-E",
        strategy="momentum",
        symbol="IBM",
        side=Side.BUY,
        quantity=Decimal(100),
        order_type=OrderType.MARKET,
        purpose=Purpose.ENTRY,
        reason="entry",
        created_ns=1,
    )
    payload = journaled(intent_payload(order, 7))
    for key in ("method", "algo", "algo_params", "peg_offset", "until_ns", "root_ref"):
        del payload[key]
    assert order_of(payload) == order


@given(executions, texts, st.none() | st.floats(0.01, 1e6))
def test_an_execution_survives_the_journal(execution, strategy, arrival_price):
    payload = journaled(fill_payload(execution, strategy=strategy, arrival_price=arrival_price))
    assert execution_of(payload) == execution
    assert (payload["strategy"], payload["arrival_price"]) == (strategy, arrival_price)


@given(texts, amounts, texts)
def test_a_commission_survives_the_journal(exec_id, amount, currency):
    commission = Commission(exec_id=exec_id, amount=amount, currency=currency)
    assert commission_of(journaled(commission_payload(commission))) == commission


@pytest.mark.parametrize(
    ("key", "value"),
    [("quantity", 100), ("order_id", "7"), ("order_id", True), ("symbol", None), ("time_ns", 1.5)],
)
def test_a_payload_of_the_wrong_type_is_refused_and_named(key, value):
    payload = fill_payload(
        Execution(
            exec_id="0001.01",
            order_ref="BS-run-000001-E",
            order_id=1,
            perm_id=2,
            client_id=1,
            account="DU1",
            symbol="AAPL",
            side=Side.BUY,
            quantity=Decimal(100),
            price=Decimal("10.25"),
            time_ns=5,
        ),
        strategy="momentum",
    )
    with pytest.raises(TypeError, match=key):
        execution_of({**payload, key: value})


@pytest.mark.parametrize(
    ("exec_id", "base", "number"),
    [
        ("0000e0d5.5a1b2c3d.01.01", "0000e0d5.5a1b2c3d.01", 1),
        ("0000e0d5.5a1b2c3d.01.12", "0000e0d5.5a1b2c3d.01", 12),
        ("plain", "plain", 0),
        ("20121112", "20121112", 0),  # digits alone are a name, and no correction
        ("a.b", "a", 0),
        ("a.", "a", 0),
        ("a.²", "a", 0),
        ("", "", 0),
    ],
)
def test_an_exec_id_has_a_base_and_the_number_of_its_correction(exec_id, base, number):
    assert (base_exec_id(exec_id), correction_number(exec_id)) == (base, number)
