"""Who sees what, by IB's rules."""

from decimal import Decimal

import pytest

from paper_gateway.requests import ExecutionsRequest
from paper_gateway.types import (
    Executed,
    ExecutionView,
    OrderChanged,
    PositionChanged,
    PositionView,
    RequestFailed,
)
from paper_gateway.visibility import matching_executions, own_orders, sees
from tests.paper_gateway.wire import placed, view_of

ZERO = Decimal(0)


def execution(client_id=1, symbol="AAPL", side="BOT", time_ns=10**18):
    return ExecutionView(
        exec_id=f"{client_id}.{symbol}", client_id=client_id, order_id=1, perm_id=1, order_ref="", account="DU1",
        symbol=symbol, side=side, quantity=Decimal(1), price=Decimal(1), cumulative_quantity=Decimal(1),
        average_price=Decimal(1), exchange="NASDAQ", time_ns=time_ns,
    )  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [OrderChanged(order=view_of(placed()), announce=True), Executed(execution=execution())],
    ids=["order", "execution"],
)
def test_orders_and_fills_are_shown_to_their_client_and_the_master_alone(event):
    assert [client for client in range(4) if sees(event, client, master_client_id=3)] == [1, 3]


def test_a_refusal_is_shown_to_the_asker_alone():
    event = RequestFailed(client_id=1, request_id=5, code=201, message="no")
    assert [client for client in range(4) if sees(event, client, master_client_id=3)] == [1]


def test_positions_belong_to_everyone():
    view = PositionView(
        symbol="AAPL", quantity=ZERO, average_cost=ZERO, market_price=ZERO, market_value=ZERO,
        unrealized_pnl=ZERO, realized_pnl=ZERO,
    )  # fmt: skip
    assert all(sees(PositionChanged(position=view), client, master_client_id=None) for client in range(4))


def test_own_orders_are_those_of_the_client():
    order = view_of(placed())
    assert own_orders([order], 1) == [order]
    assert own_orders([order], 2) == []


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 3),
        ({"client_id": 2}, 1),
        ({"symbol": "IBM"}, 1),
        ({"side": "SELL"}, 1),
        ({"side": "BUY"}, 2),
        ({"account": "DU9"}, 0),
        ({"time": "20200101 00:00:00"}, 0),
        ({"sec_type": "OPT"}, 0),
    ],
)
def test_a_filter_lets_through_what_matches(fields, count):
    all_of_them = [execution(), execution(2, "IBM"), execution(1, "MSFT", "SLD")]
    assert len(matching_executions(all_of_them, ExecutionsRequest(request_id=1, **fields))) == count
