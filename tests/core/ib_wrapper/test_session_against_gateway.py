"""The session against the paper gateway: a real process, real sockets, real brackets."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from decimal import Decimal

import pytest

from core.events import (
    AccountValue,
    Commission,
    ConnectionChanged,
    Execution,
    OpenOrderReport,
    Order,
    OrderStatusReport,
    ProfitAndLoss,
    Quote,
    RealtimeBar,
)
from core.vocabulary import BrokerStatus, ConnectionState, OrderType, Purpose, Side, Unknown
from tests.core.ib_wrapper.scripted import Events, session_at
from tests.gateway import Gateway, running_gateway
from tests.waiting import DEADLINE_S, wait_for


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    options = ("--symbols", "AAPL", "IBM", "--start", "2012-11-12", "--speed", "20", "--seed", "7")
    with running_gateway(*options) as started:
        yield started


def order(ref: str, side: Side, quantity: int, order_type: OrderType, **changes: object) -> Order:
    fields: dict[str, object] = {
        "order_ref": ref,
        "strategy": "momentum",
        "symbol": "AAPL",
        "side": side,
        "quantity": Decimal(quantity),
        "order_type": order_type,
        "purpose": Purpose.ENTRY,
        "reason": "test",
        "created_ns": 0,
        **changes,
    }
    return Order(**fields)  # type: ignore[arg-type]


def test_data_accounts_and_contracts_arrive(gateway: Gateway, events: Events) -> None:
    with session_at(gateway.port, events) as session:
        assert session.wait_ready(DEADLINE_S)
        session.subscribe_realtime_bars(["AAPL", "IBM"])
        session.subscribe_quotes(["AAPL"])
        session.subscribe_account()
        session.subscribe_pnl()
        info = session.contract_details("AAPL").result(DEADLINE_S)
        assert not isinstance(info, Unknown)
        assert info.min_tick == Decimal("0.01")
        assert session.contract_details("NOSUCH").result(DEADLINE_S) is Unknown.REFUSED
        bars = session.historical_bars("AAPL", bar_size_s=300, duration="2 D", end_ns=None).result(DEADLINE_S)
        assert not isinstance(bars, Unknown)
        assert len(bars) >= 78
        assert [bar.end_ns for bar in bars] == sorted({bar.end_ns for bar in bars})
        values = session.account_values().result(DEADLINE_S)
        assert not isinstance(values, Unknown)
        assert values["NetLiquidation"] == Decimal(1_000_000)
        assert not isinstance(session.current_time().result(DEADLINE_S), Unknown)
        wait_for(lambda: events.of(Quote), "a quote")
        wait_for(lambda: events.of(AccountValue), "an account value")
        wait_for(lambda: events.of(ProfitAndLoss), "profit and loss")
        wait_for(lambda: {bar.symbol for bar in events.of(RealtimeBar)} == {"AAPL", "IBM"}, "bars of both")
        assert session.statistics.frames_undecoded == 0


def test_a_bracket_fills_reports_its_costs_and_its_stop_can_be_cancelled(
    gateway: Gateway, events: Events
) -> None:
    with session_at(gateway.port, events) as session:
        assert session.wait_ready(DEADLINE_S)
        entry, stop = session.next_order_id(), session.next_order_id()
        session.place(entry, order("BS-1", Side.BUY, 100, OrderType.MARKET), transmit=False)
        protective = order(
            "BS-2",
            Side.SELL,
            100,
            OrderType.STOP,
            stop_price=Decimal("1.00"),
            oca_group="G",
            purpose=Purpose.STOP,
        )
        session.place(stop, protective, parent_id=entry)
        wait_for(lambda: sum(e.quantity for e in events.of(Execution)) == 100, "fill")
        wait_for(lambda: len(events.of(Commission)) == len(events.of(Execution)), "commissions")
        assert {e.order_ref for e in events.of(Execution)} == {"BS-1"}
        snapshot = session.request_snapshot().result(DEADLINE_S)
        assert not isinstance(snapshot.positions, Unknown)
        assert not isinstance(snapshot.open_orders, Unknown)
        assert not isinstance(snapshot.executions, Unknown)
        assert [(p.symbol, p.quantity) for p in snapshot.positions] == [("AAPL", Decimal(100))]
        assert [(o.order_ref, o.stop_price) for o in snapshot.open_orders] == [("BS-2", Decimal(1))]
        assert {e.exec_id for e in snapshot.executions} == {e.exec_id for e in events.of(Execution)}
        session.cancel(stop)
        wait_for(
            lambda: any(
                s.order_ref == "BS-2" and s.status is BrokerStatus.CANCELLED
                for s in events.of(OrderStatusReport)
            ),
            "cancelled stop",
        )
        assert session.open_orders().result(DEADLINE_S) == ()


def test_another_session_sees_all_orders_and_cancels_them_globally(gateway: Gateway, events: Events) -> None:
    seen = Events()
    with (
        session_at(gateway.port, events) as main,
        session_at(gateway.port, seen, client_id=2) as watchdog,
    ):
        assert main.wait_ready(DEADLINE_S)
        assert watchdog.wait_ready(DEADLINE_S)
        for number in range(20):
            limit = order(f"BS-{number}", Side.BUY, 10, OrderType.LIMIT, limit_price=Decimal("1.00"))
            main.place(main.next_order_id(), limit)
        wait_for(lambda: len({o.order_ref for o in events.of(OpenOrderReport)}) == 20, "20 working orders")
        answer = watchdog.open_orders().result(DEADLINE_S)
        assert not isinstance(answer, Unknown)
        assert {o.client_id for o in answer} == {1}
        assert len(answer) == 20
        watchdog.cancel_all()
        wait_for(lambda: watchdog.open_orders().result(DEADLINE_S) == (), "no open order")


def test_after_a_gateway_restart_the_session_is_back_and_bars_flow_again(
    gateway: Gateway, events: Events
) -> None:
    with session_at(gateway.port, events) as session:
        assert session.wait_ready(DEADLINE_S)
        session.subscribe_realtime_bars(["AAPL"])
        wait_for(lambda: events.of(RealtimeBar), "bars")
        assert session.next_order_id() == 1
        gateway.stop()
        wait_for(lambda: session.state is not ConnectionState.READY, "loss")
        gateway.start()
        assert session.wait_ready(DEADLINE_S)
        before = len(events.of(RealtimeBar))
        wait_for(lambda: len(events.of(RealtimeBar)) > before, "bars again")
        # The new gateway counts from 1 again; we don't.
        assert session.next_order_id() == 2
        assert session.statistics.links_lost == 1


def test_a_stopped_gateway_is_noticed_and_survived(gateway: Gateway, events: Events) -> None:
    with session_at(gateway.port, events, probe_interval_s=0.3, probe_timeout_s=0.5) as session:
        assert session.wait_ready(DEADLINE_S)
        gateway.send(signal.SIGSTOP)
        wait_for(lambda: any(e.state is ConnectionState.LOST for e in events.of(ConnectionChanged)), "loss")
        gateway.send(signal.SIGCONT)
        assert session.wait_ready(DEADLINE_S)


def test_a_second_session_with_the_same_client_id_waits_for_the_first(
    gateway: Gateway, events: Events
) -> None:
    waiting = Events()
    with session_at(gateway.port, waiting, client_id=9) as second:
        assert second.wait_ready(DEADLINE_S)
        with session_at(gateway.port, events, client_id=9) as first:
            wait_for(
                lambda: any("client id 9 is in use" in e.reason for e in events.of(ConnectionChanged)),
                "refusal",
            )
            second.stop()
            assert first.wait_ready(DEADLINE_S)
