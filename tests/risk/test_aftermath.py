"""What counts as a stray after a kill, and when it may be undone."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from core.events import BrokerSnapshot, Execution, OpenOrderReport, PositionReport
from core.vocabulary import BrokerStatus, Side, Unknown
from risk.aftermath import find_stray, residue_by_symbol


def fill(symbol: str, ref: str, time_ns: int = 1) -> Execution:
    return Execution(
        exec_id=f"{ref}.{time_ns}.01",
        order_ref=ref,
        order_id=1,
        perm_id=1,
        client_id=1,
        account="DU1",
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal(10),
        price=Decimal(5),
        time_ns=time_ns,
    )


def order(symbol: str, ref: str, status: BrokerStatus = BrokerStatus.SUBMITTED) -> OpenOrderReport:
    return OpenOrderReport(
        order_id=1,
        client_id=1,
        perm_id=1,
        order_ref=ref,
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal(10),
        order_type="MKT",
        status=status,
    )


def account(
    held: Mapping[str, int] | Unknown,
    orders: tuple[OpenOrderReport, ...] = (),
    executions: tuple[Execution, ...] = (),
) -> BrokerSnapshot:
    positions = (
        held
        if isinstance(held, Unknown)
        else tuple(
            PositionReport(account="DU1", symbol=symbol, quantity=Decimal(count), average_cost=Decimal(1))
            for symbol, count in held.items()
        )
    )
    return BrokerSnapshot(
        account="DU1",
        requested_monotonic_ns=1,
        received_monotonic_ns=2,
        positions=positions,
        open_orders=orders,
        executions=executions,
        values={},
    )


NOTHING: dict[str, Decimal] = {}


def test_a_flat_account_and_an_unknown_one_have_no_stray() -> None:
    assert find_stray(account({}, executions=(fill("IBM", "BS-1-1-E"),)), NOTHING) is None
    assert find_stray(account(Unknown.TIMED_OUT, (order("IBM", "BS-1-1-E"),)), NOTHING) is None


def test_a_position_is_ours_only_if_the_newest_fill_in_its_symbol_is() -> None:
    ours, human = fill("IBM", "BS-1-1-E", 5), fill("IBM", "", 9)
    late = find_stray(account({"IBM": 10}, executions=(ours,)), NOTHING)
    assert late is not None
    assert late.is_alone
    assert find_stray(account({"IBM": 10}, executions=(ours, human)), NOTHING) is None
    assert find_stray(account({"IBM": 10}), NOTHING) is None, "nothing says that it is ours"


@pytest.mark.parametrize(
    "human",
    [
        account({}, (order("IBM", "BS-1-1-E"), order("MSFT", "mine"))),
        account({"MSFT": 5}, (order("IBM", "BS-1-1-E"),), (fill("MSFT", ""),)),
        account({"MSFT": 5}, (order("IBM", "BS-1-1-E"),)),
    ],
)
def test_beside_a_humans_work_a_stray_may_only_be_told(human: BrokerSnapshot) -> None:
    stray = find_stray(human, NOTHING)
    assert stray is not None
    assert not stray.is_alone
    assert "a human works" in stray.text


def test_what_the_kill_left_is_news_only_when_it_grows_or_turns() -> None:
    left = {"IBM": Decimal(10)}
    fills = (fill("IBM", "BS-1-1-E"),)
    assert find_stray(account({"IBM": 10}, executions=fills), left) is None
    assert find_stray(account({"IBM": 4}, (order("IBM", "BS-1-1-S"),), fills), left) is None
    for worse in (11, -1):
        assert find_stray(account({"IBM": worse}, executions=fills), left) is not None


def test_a_position_left_to_an_order_that_cant_be_cancelled_is_no_news() -> None:
    left = residue_by_symbol(
        [
            {"symbol": "IBM", "quantity": "10", "reason": "an order may still close it"},
            {"symbol": "IBM", "quantity": "0", "reason": "order BS-1-2-C can't be cancelled"},
        ]
    )
    assert left == {"IBM": Decimal(10)}
    locked, fills = order("IBM", "BS-1-2-C"), (fill("IBM", "BS-1-1-E"),)
    assert find_stray(account({"IBM": 10}, (locked,), fills), left) is None
    assert find_stray(account({"IBM": 20}, (), fills), left) is not None


def test_an_order_that_has_ended_is_no_stray() -> None:
    assert find_stray(account({}, (order("IBM", "BS-1-1-E", BrokerStatus.CANCELLED),)), NOTHING) is None
