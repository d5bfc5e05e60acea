"""Journal, then the watchdog's line, then the socket; brackets, exits and what goes wrong in between."""

from __future__ import annotations

import threading

import pytest

from core.config_schema import PretradeSettings
from core.errors import StopTrading
from core.events import Order
from core.reasons import Reason
from core.vocabulary import BrokerStatus, HaltLevel, OrderType, Purpose, Side, TimeInForce
from execution.order_lane import OrderLane
from execution.order_state import OrderPhase
from execution.plans import Plan, TradingConditions, permission
from tests.execution.desk import OPEN, Desk
from tests.execution.orders import D


def test_an_entry_waits_at_the_broker_until_its_stop_has_arrived() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    entry, stop = desk.broker.placed
    assert (entry.transmit, entry.parent_id) == (False, None)
    assert (stop.transmit, stop.parent_id) == (True, entry.order_id)
    assert (stop.order.order_type, stop.order.side, stop.order.time_in_force) == (
        OrderType.STOP,
        Side.SELL,
        TimeInForce.GTC,
    )
    assert stop.order.stop_price == D("180.01")
    assert stop.order.quantity == entry.order.quantity
    assert stop.order.oca_group is not None
    assert entry.order.oca_group is None


def test_every_intent_is_journaled_before_anything_is_sent() -> None:
    desk = Desk()
    at_first_send: list[str] = []
    desk.broker.before_place = lambda order: at_first_send.extend(desk.journal.kinds())
    desk.executor.submit([desk.entry(), desk.entry(symbol="MSFT")], OPEN)
    intents = ["order_intent", "order_intent", "arrival"] * 2
    assert at_first_send[:6] == intents
    assert desk.journal.kinds() == intents + ["order_sent"] * 4
    assert [line.order_ref for line in desk.lines.lines] == [w.order.order_ref for w in desk.broker.placed]


def test_nothing_is_sent_when_the_journal_cannot_be_written() -> None:
    desk = Desk()

    def full(kind: object, payload: object) -> int:
        raise StopTrading("the disk is full")

    desk.journal.append = full  # type: ignore[method-assign]
    with pytest.raises(StopTrading):
        desk.executor.submit([desk.entry()], OPEN)
    assert desk.broker.placed == []


def test_an_order_whose_line_for_the_watchdog_cannot_be_written_is_not_sent() -> None:
    desk = Desk()

    def full(order: Order) -> None:
        raise StopTrading("the disk is full")

    desk.lines.record = full  # type: ignore[method-assign]
    with pytest.raises(StopTrading):
        desk.executor.submit([desk.entry(), desk.entry(symbol="MSFT")], OPEN)
    assert desk.broker.placed == []
    assert {state.phase for state in desk.manager.book} == {OrderPhase.NOT_SENT}


def test_exits_of_a_batch_go_before_its_entries() -> None:
    desk = Desk()
    desk.open_position()
    desk.executor.submit([desk.entry(symbol="MSFT"), desk.exit(100)], OPEN)
    assert [w.order.purpose for w in desk.broker.placed[2:]] == [Purpose.EXIT, Purpose.ENTRY, Purpose.STOP]


def test_a_full_exit_joins_the_group_of_its_stop() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.submit([desk.exit(100)], OPEN)
    exit_order = desk.broker.placed[-1].order
    assert exit_order.oca_group == stop.order.oca_group
    assert (exit_order.side, exit_order.quantity) == (Side.SELL, D(100))


def test_a_reduction_shrinks_the_stop_first_and_stays_out_of_its_group() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.executor.submit([desk.exit(100, 40)], OPEN)
    amendment, reduction = desk.broker.placed[-2:]
    assert (amendment.order_id, amendment.order.quantity) == (stop.order_id, D(60))
    assert amendment.parent_id is None, "TWS doesn't find a parent that has filled (135)"
    assert (reduction.order.quantity, reduction.order.oca_group) == (D(40), None)
    assert desk.state(stop.order_ref).open_quantity == 60


def test_an_exit_cancels_a_working_entry_first_and_goes_when_that_has_ended() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    entry, stop = (desk.state(w.order.order_ref) for w in desk.broker.placed)
    desk.fill(entry, 30)
    desk.tell(stop, BrokerStatus.PRE_SUBMITTED)

    refused = desk.executor.submit([desk.exit(30)], OPEN)
    assert [denial.reason for denial in refused.denials] == [Reason.EXIT_PENDING]
    assert desk.broker.cancelled == [entry.order_id]
    again = desk.executor.submit([desk.exit(30)], OPEN)
    assert [denial.reason for denial in again.denials] == [Reason.EXIT_PENDING]
    assert desk.broker.cancelled == [entry.order_id], "the cancel is not sent twice"

    desk.tell(entry, BrokerStatus.CANCELLED, 30)
    gone = desk.executor.submit([desk.exit(30)], OPEN)
    assert [order.quantity for order in gone.sent] == [D(30)]
    assert gone.sent[0].oca_group == stop.order.oca_group


def test_an_exit_waits_for_an_execution_that_a_status_has_announced() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    entry = desk.state(desk.broker.placed[0].order.order_ref)
    desk.fill(entry, 30)
    desk.tell(entry, BrokerStatus.CANCELLED, 50)
    refused = desk.executor.submit([desk.exit(30)], OPEN)
    assert [denial.reason for denial in refused.denials] == [Reason.EXIT_PENDING]
    desk.fill(entry, 20)
    assert desk.executor.submit([desk.exit(50)], OPEN).sent


def test_a_second_exit_is_not_sent_while_the_first_works() -> None:
    desk = Desk()
    desk.open_position()
    assert desk.executor.submit([desk.exit(100)], OPEN).sent
    refused = desk.executor.submit([desk.exit(100)], OPEN)
    assert [denial.reason for denial in refused.denials] == [Reason.EXIT_PENDING]


def test_an_exit_larger_than_the_position_is_refused() -> None:
    desk = Desk()
    desk.open_position()
    refused = desk.executor.submit([desk.exit(100, 101)], OPEN)
    assert [denial.reason for denial in refused.denials] == [Reason.BAD_QUANTITY]


def test_an_entry_is_refused_while_an_old_stop_may_still_fire() -> None:
    desk = Desk()
    desk.open_position()
    refused = desk.executor.submit([desk.entry()], OPEN)
    assert [denial.reason for denial in refused.denials] == [Reason.DUPLICATE]


def test_two_strategies_do_not_trade_with_each_other() -> None:
    desk = Desk()
    desk.open_position()
    both = desk.executor.submit([desk.exit(100), desk.entry(strategy="mean_reversion")], OPEN)
    assert [denial.reason for denial in both.denials] == [Reason.SELF_CROSS]
    assert [order.purpose for order in both.sent] == [Purpose.EXIT]


def test_an_entry_that_left_without_its_stop_is_taken_back() -> None:
    desk = Desk()
    desk.broker.fails_at = 1
    result = desk.executor.submit([desk.entry()], OPEN)
    assert [denial.reason for denial in result.denials] == [Reason.NOT_CONNECTED]
    entry, stop = desk.manager.book
    assert entry.phase is OrderPhase.CANCELLING
    assert desk.broker.cancelled == [entry.order_id]
    assert stop.phase is OrderPhase.NOT_SENT


def test_without_a_connection_nothing_is_kept_for_later() -> None:
    desk = Desk()
    desk.broker.is_down = True
    result = desk.executor.submit([desk.entry()], OPEN)
    assert result.sent == ()
    assert {state.phase for state in desk.manager.book} == {OrderPhase.NOT_SENT}
    desk.broker.is_down = False
    desk.look_after(10)
    assert desk.broker.placed == []


def test_an_amendment_that_could_not_be_sent_leaves_the_stop_as_the_broker_has_it() -> None:
    desk = Desk()
    _, stop = desk.open_position()
    desk.broker.is_down = True
    desk.executor.submit([desk.exit(100, 40)], OPEN)
    assert desk.state(stop.order_ref).open_quantity == 100
    assert desk.journal.fold().get(stop.order_ref) == desk.state(stop.order_ref)


def test_a_lane_closed_between_journal_and_socket_stops_the_order() -> None:
    desk = Desk()
    desk.broker.before_place = lambda order: None
    record = desk.lines.record

    def close_after_the_first(order: Order) -> None:
        record(order)
        threading.Thread(target=desk.lane.close, args=("watchdog",)).start()
        while desk.lane.is_open:
            pass

    desk.lines.record = close_after_the_first  # type: ignore[method-assign]
    result = desk.executor.submit([desk.entry()], OPEN)
    assert [w.order.purpose for w in desk.broker.placed] == [Purpose.ENTRY], (
        "the one under way ends; no other starts"
    )
    assert [denial.reason for denial in result.denials] == [Reason.HALTED]
    entry, stop = desk.manager.book
    assert stop.phase is OrderPhase.NOT_SENT
    assert desk.broker.cancelled == [entry.order_id]


def test_after_close_has_returned_nothing_reaches_the_socket() -> None:
    """Many senders against one close, again and again."""
    for _ in range(200):
        lane, closed = OrderLane(), threading.Event()
        wire: list[int] = []
        late: list[int] = []

        def put(lane: OrderLane = lane, wire: list[int] = wire, closed: threading.Event = closed) -> None:
            wire.append(1)
            if closed.is_set():
                late.append(1)  # noqa: B023 - read in the same turn of the loop

        def send(lane: OrderLane = lane, put: object = put) -> None:
            while lane.send(put):  # type: ignore[arg-type]
                pass

        senders = [threading.Thread(target=send) for _ in range(2)]
        for sender in senders:
            sender.start()
        assert lane.close("test")
        closed.set()
        for sender in senders:
            sender.join()
        assert late == []


def test_close_says_so_when_a_send_does_not_end_in_time() -> None:
    lane, under_way, end = OrderLane(), threading.Event(), threading.Event()

    def stuck() -> None:
        under_way.set()
        end.wait(10)

    sender = threading.Thread(target=lane.send, args=(stuck,))
    sender.start()
    assert under_way.wait(10)
    assert lane.close("watchdog", timeout_s=0.01) is False
    end.set()
    sender.join()
    assert lane.close("again", timeout_s=1.0) is True
    assert lane.closed_by == "watchdog"


def test_a_limit_entry_is_offset_from_the_market_and_never_rounded_against_us() -> None:
    desk = Desk(method="LMT")
    desk.executor.submit([desk.entry()], OPEN)
    order = desk.broker.placed[0].order
    assert (order.order_type, order.limit_price) == (OrderType.LIMIT, D("190.09"))  # 190.00 + 5 bps = 190.095


@pytest.mark.parametrize(
    ("change", "entry", "exit_"),
    [
        ({}, Reason.NONE, Reason.NONE),
        ({"halt_level": HaltLevel.REDUCE_ONLY}, Reason.REDUCE_ONLY, Reason.NONE),
        ({"halt_level": HaltLevel.HALTED}, Reason.HALTED, Reason.HALTED),
        ({"lease": False}, Reason.NO_LEASE, Reason.NONE),
        ({"connected": False}, Reason.NOT_CONNECTED, Reason.NOT_CONNECTED),
        ({"reconciled": False}, Reason.NOT_RECONCILED, Reason.NOT_RECONCILED),
        ({"market_open": False}, Reason.MARKET_CLOSED, Reason.NONE),
        ({"stale_symbols": frozenset({"IBM"})}, Reason.FEED_STALE, Reason.NONE),
        ({"locked_symbols": frozenset({"IBM"})}, Reason.SYMBOL_LOCKED, Reason.SYMBOL_LOCKED),
        ({"locked_symbols": frozenset({"MSFT"})}, Reason.NONE, Reason.NONE),
    ],
)
def test_what_the_engines_state_forbids(change: dict[str, object], entry: Reason, exit_: Reason) -> None:
    known = {"halt_level": HaltLevel.NONE, "connected": True, "reconciled": True, "lease": True}
    conditions = TradingConditions(**(known | change))  # type: ignore[arg-type]
    assert permission(Purpose.ENTRY, "IBM", conditions) is entry
    assert permission(Purpose.EXIT, "IBM", conditions) is exit_


def test_an_exit_is_not_sent_beside_a_stop_that_has_begun_to_fill() -> None:
    desk = Desk()
    _entry, stop = desk.open_position()
    desk.fill(stop, 40)
    refused = desk.executor.submit([desk.exit(60)], OPEN)
    assert [denial.reason for denial in refused.denials] == [Reason.EXIT_PENDING]
    assert "is filling" in refused.denials[0].detail


def test_an_entry_does_not_trade_with_a_stop_that_has_begun_to_fill() -> None:
    desk = Desk()
    _entry, stop = desk.open_position()
    assert desk.executor.submit([desk.entry(strategy="mean_reversion")], OPEN).sent, "a stop that rests"
    desk.fill(stop, 40)
    refused = desk.executor.submit([desk.entry(strategy="donchian")], OPEN)
    assert [denial.reason for denial in refused.denials] == [Reason.SELF_CROSS]


def test_the_cap_on_orders_counts_what_the_batch_itself_is_about_to_send() -> None:
    desk = Desk(pretrade=PretradeSettings(max_orders_per_minute=10))
    entries = [desk.entry(10, strategy=f"strategy{number}") for number in range(20)]
    result = desk.executor.submit(entries, OPEN)
    assert len(desk.broker.placed) == len(result.sent) == 10
    assert [denial.reason for denial in result.denials] == [Reason.ORDER_RATE] * 15
    again = desk.executor.submit([desk.entry(10, symbol="MSFT")], OPEN)
    assert [denial.reason for denial in again.denials] == [Reason.ORDER_RATE]


def test_the_cap_counts_the_exits_of_a_batch_and_denies_none_of_them() -> None:
    desk = Desk(pretrade=PretradeSettings(max_orders_per_minute=4))
    desk.open_position()
    result = desk.executor.submit([desk.entry(symbol="MSFT"), desk.exit(100, 40)], OPEN)
    assert [denial.reason for denial in result.denials] == [Reason.ORDER_RATE]
    assert [order.purpose for order in result.sent] == [Purpose.STOP, Purpose.EXIT]  # the stop shrinks first


def test_a_lease_that_ends_within_a_batch_stops_its_entries_and_not_its_exits() -> None:
    desk = Desk()
    desk.open_position()
    desk.executor.has_lease = lambda: len(desk.broker.placed) < 5
    plans: list[Plan] = [
        desk.entry(symbol="MSFT"),
        desk.exit(100),
        desk.entry(symbol="MSFT", strategy="donchian"),
    ]
    result = desk.executor.submit(plans, OPEN)
    assert [order.purpose for order in result.sent] == [Purpose.EXIT, Purpose.ENTRY, Purpose.STOP]
    assert [(one.strategy, one.reason) for one in result.denials] == [("donchian", Reason.NO_LEASE)]
    late = [state for state in desk.manager.book if state.order.strategy == "donchian"]
    assert {state.phase for state in late} == {OrderPhase.NOT_SENT}
    assert desk.journal.fold().pending(strategy="donchian") == ()

    desk.executor.has_lease = lambda: False
    desk.executor.submit([desk.entry(strategy="rsi", symbol="MSFT")], OPEN)
    assert desk.broker.cancelled == [], "nothing of it had left"
