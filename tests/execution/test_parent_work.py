"""Parents whose order ended with a rest: what goes on, under which name, and what doesn't."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.config_schema import PretradeSettings
from core.events import BrokerError, Order
from core.reasons import Reason
from core.vocabulary import BrokerStatus, ExecutionMethod, HaltLevel, OrderType, Purpose
from execution.methods.remainder import TIME_IS_OVER
from execution.order_manager import OrderManager
from execution.order_state import OrderPhase, OrderState
from execution.parent_work import LONGEST_WAIT_S, ParentWork
from tests.execution.desk import OPEN, Desk
from tests.execution.orders import CLIENT, D

M = ExecutionMethod
WINDOW_S = 900.0


def last_orders(desk: Desk, count: int) -> list[Order]:
    return [written.order for written in desk.broker.placed[-count:]]


def enter(desk: Desk, quantity: int = 500) -> tuple[OrderState, OrderState]:
    """Send an entry and have it acknowledged; return it and its stop."""
    submission = desk.executor.submit([desk.entry(quantity)], OPEN)
    assert not submission.denials
    desk.work.watch(submission.sent)
    entry, stop = (desk.state(order.order_ref) for order in submission.sent)
    desk.tell(entry, BrokerStatus.SUBMITTED)
    desk.tell(stop, BrokerStatus.PRE_SUBMITTED)
    return entry, stop


def refuse(desk: Desk, state: OrderState, code: int = 442) -> None:
    desk.manager.on_error(
        BrokerError(request_id=state.order_id, code=code, message="no", order_ref=state.order_ref)
    )


def cancelled(desk: Desk, *states: OrderState, filled: int = 0) -> None:
    for state in states:
        desk.tell(state, BrokerStatus.CANCELLED, filled)


def arrival(desk: Desk, ref: str) -> dict[str, object]:
    return next(p for kind, p in desk.journal.records if kind == "arrival" and p["order_ref"] == ref)


def test_a_refused_method_is_followed_by_the_fallback_chain_and_then_by_nothing() -> None:
    desk = Desk(method="TWAP")
    submission = desk.executor.submit([desk.entry(500)], OPEN)
    desk.work.watch(submission.sent)
    entry, stop = (desk.state(order.order_ref) for order in submission.sent)
    assert entry.order.method is M.TWAP
    refuse(desk, entry)
    assert desk.go_on().sent == ()  # the old stop is still there
    assert desk.work.is_busy("momentum", "IBM")
    cancelled(desk, stop)
    second, second_stop = desk.go_on().sent
    assert (second.method, second.algo, second.root_ref) == (M.ADAPTIVE_NORMAL, "Adaptive", entry.order_ref)
    assert second.order_ref != entry.order_ref
    assert second_stop.parent_ref == second.order_ref
    told = arrival(desk, second.order_ref)
    assert (told["parent_order_ref"], told["propensity"]) == (entry.order_ref, 1.0)
    assert "TWAP" in str(told["why"])

    refuse(desk, desk.state(second.order_ref))
    desk.go_on()
    cancelled(desk, desk.state(second_stop.order_ref))
    third, third_stop = desk.go_on().sent
    assert (third.method, third.root_ref) == (M.MKT, entry.order_ref)

    refuse(desk, desk.state(third.order_ref))
    cancelled(desk, desk.state(third_stop.order_ref))
    placed = len(desk.broker.placed)
    desk.go_on()
    desk.go_on()
    assert len(desk.broker.placed) == placed
    assert not desk.work.is_busy("momentum", "IBM")


def test_what_a_window_left_is_crossed_with_a_stop_of_its_own_and_the_stops_become_one() -> None:
    desk = Desk(method="ADAPTIVE_PATIENT")
    entry, stop = enter(desk)
    desk.fill(entry, 200)
    desk.go_on(WINDOW_S - 1)
    assert desk.broker.cancelled == []
    desk.go_on(1)
    assert desk.broker.cancelled == [entry.order_id]
    cancelled(desk, entry, filled=200)
    desk.look_after()  # the first stop is made to fit what was filled
    desk.tell(desk.state(stop.order_ref), BrokerStatus.PRE_SUBMITTED)
    crossing, second_stop = desk.go_on().sent
    assert (crossing.method, crossing.order_type) == (M.MKT, OrderType.MARKET)
    assert (crossing.quantity, second_stop.quantity) == (D(300), D(300))
    assert crossing.root_ref == entry.order_ref

    for order in (crossing, second_stop):
        desk.tell(desk.state(order.order_ref), BrokerStatus.PRE_SUBMITTED)
    desk.fill(desk.state(crossing.order_ref), 300)
    refused = desk.executor.submit([desk.exit(500)], OPEN).denials[0]
    assert refused.reason is Reason.EXIT_PENDING
    assert "become one stop" in refused.detail
    desk.look_after()
    assert desk.state(second_stop.order_ref).order.quantity == 500
    assert desk.state(stop.order_ref).phase is OrderPhase.CANCELLING


def test_carry_goes_on_with_the_same_method_while_the_session_has_room() -> None:
    desk = Desk(method="TWAP", remainder="carry")
    entry, stop = enter(desk)
    desk.go_on(WINDOW_S)
    cancelled(desk, entry, stop)
    second = desk.go_on().sent[0]
    assert (second.method, second.quantity, second.root_ref) == (M.TWAP, D(500), entry.order_ref)
    assert second.until_ns == desk.market_ns + round(WINDOW_S * 1e9)

    desk.go_on(3.7 * 3600)  # so near the close that no window fits any more
    cancelled(desk, desk.state(second.order_ref), desk.state(desk.broker.placed[-1].order.order_ref))
    report = desk.go_on()
    assert (report.sent, report.denials[0].reason) == ((), Reason.NO_METHOD)


def test_cancel_leaves_the_rest_and_nothing_is_sent() -> None:
    desk = Desk(method="TWAP", remainder="cancel")
    entry, stop = enter(desk)
    desk.go_on(WINDOW_S)
    cancelled(desk, entry, stop)
    placed = len(desk.broker.placed)
    desk.go_on()
    assert len(desk.broker.placed) == placed
    assert not desk.work.is_busy("momentum", "IBM")


def test_the_algorithms_own_end_counts_as_the_end_of_its_time() -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    desk.go_on(WINDOW_S - 20)
    cancelled(desk, entry, stop)
    assert desk.go_on().sent[0].method is M.MKT


def test_an_exit_goes_on_for_what_is_left_of_the_position_beside_its_stop() -> None:
    desk = Desk(exit_method="TWAP")
    _, stop = desk.open_position(500)
    submission = desk.executor.submit([desk.exit(500)], OPEN)
    desk.work.watch(submission.sent)
    out = desk.state(submission.sent[0].order_ref)
    assert (out.order.method, out.order.oca_group) == (M.TWAP, stop.order.oca_group)
    desk.tell(out, BrokerStatus.SUBMITTED)
    desk.fill(out, 200)
    desk.go_on(WINDOW_S)
    cancelled(desk, out, filled=200)
    crossing = desk.go_on().sent[0]
    assert (crossing.purpose, crossing.method) == (Purpose.EXIT, M.MKT)
    assert (crossing.quantity, crossing.oca_group) == (D(300), stop.order.oca_group)
    assert crossing.root_ref == out.order_ref


def test_an_exit_that_its_stop_has_overtaken_has_nothing_left() -> None:
    desk = Desk(exit_method="TWAP")
    _, stop = desk.open_position(500)
    submission = desk.executor.submit([desk.exit(500)], OPEN)
    desk.work.watch(submission.sent)
    out = desk.state(submission.sent[0].order_ref)
    desk.fill(stop, 500)
    desk.go_on(WINDOW_S)
    cancelled(desk, out)
    desk.go_on()
    assert desk.broker.placed[-1].order.order_ref == out.order_ref


@pytest.mark.parametrize("reason", ["shutdown", "it is wanted no more", "an exit waits for its end"])
def test_an_order_that_was_withdrawn_has_no_sequel(reason: str) -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    desk.go_on(WINDOW_S - 5)
    desk.executor.cancel(entry.order_ref, reason)
    cancelled(desk, entry, stop)
    placed = len(desk.broker.placed)
    desk.go_on(60)
    desk.go_on()
    assert len(desk.broker.placed) == placed


def test_nothing_goes_on_while_halted_or_reduce_only() -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    halted = replace(OPEN, halt_level=HaltLevel.HALTED)
    desk.go_on(WINDOW_S, halted)
    assert desk.broker.cancelled == []
    desk.go_on()
    cancelled(desk, entry, stop)
    placed = len(desk.broker.placed)
    report = desk.go_on(0, replace(OPEN, halt_level=HaltLevel.REDUCE_ONLY))
    assert report.denials[0].reason is Reason.REDUCE_ONLY
    assert len(desk.broker.placed) == placed
    assert not desk.work.is_busy("momentum", "IBM")


def test_after_the_close_a_rest_is_missed_not_sent_into_the_next_session() -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    desk.go_on(WINDOW_S)
    cancelled(desk, entry, stop)
    desk.session = None
    placed = len(desk.broker.placed)
    desk.go_on()
    assert len(desk.broker.placed) == placed


def test_a_sequel_waits_for_the_position_to_come_to_rest_but_not_for_ever() -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    desk.fill(entry, 100)
    desk.go_on(WINDOW_S)
    cancelled(desk, entry, filled=100)
    desk.executor.cancel(stop.order_ref, "by hand")  # and the broker never answers
    assert desk.go_on().sent == ()
    desk.clock.advance(LONGEST_WAIT_S)
    report = desk.go_on()
    assert report.denials[0].reason is Reason.NO_METHOD
    assert not desk.work.is_busy("momentum", "IBM")


def test_a_restart_follows_what_still_works() -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    assert desk.journal.fold().get(entry.order_ref) == desk.state(entry.order_ref)
    desk.work = ParentWork(
        executor=desk.executor,
        settings=desk.settings.methods,
        session_at=lambda _ns: desk.session,
        clock=desk.clock,
    )
    desk.go_on(WINDOW_S)
    assert desk.broker.cancelled == [entry.order_id]
    assert desk.state(entry.order_ref).detail == TIME_IS_OVER
    cancelled(desk, entry, stop)
    assert desk.go_on().sent[0].root_ref == entry.order_ref


def test_a_sequel_passes_the_pretrade_checks_again() -> None:
    desk = Desk(method="TWAP", pretrade=PretradeSettings(max_orders_per_minute=3))
    entry, stop = enter(desk)
    desk.go_on(WINDOW_S)
    cancelled(desk, entry, stop)
    report = desk.go_on()
    assert (report.sent, report.denials[0].reason) == ((), Reason.ORDER_RATE)


def test_the_parents_fills_are_never_more_than_it_wanted() -> None:
    desk = Desk(method="ADAPTIVE_NORMAL")
    entry, stop = enter(desk, 100)
    desk.go_on(WINDOW_S)
    desk.fill(entry, 60)  # it crosses our cancel
    cancelled(desk, entry, filled=60)
    desk.look_after()
    desk.tell(desk.state(stop.order_ref), BrokerStatus.PRE_SUBMITTED)
    crossing = desk.go_on().sent[0]
    assert crossing.quantity + desk.state(entry.order_ref).filled == Decimal(100)


def test_a_round_is_due_the_moment_that_there_is_something_to_do_and_not_before() -> None:
    desk = Desk(method="TWAP")
    assert not desk.work.is_due(desk.market_ns)
    entry, stop = enter(desk)
    until = desk.market_ns + round(WINDOW_S * 1e9)
    assert not desk.work.is_due(until - 1)
    assert desk.work.is_due(until)
    desk.go_on(WINDOW_S)
    assert not desk.work.is_due(desk.market_ns)  # our cancel is on its way
    cancelled(desk, entry)
    assert desk.work.is_due(desk.market_ns)
    desk.go_on()
    assert not desk.work.is_due(desk.market_ns)  # the stop is still there
    cancelled(desk, stop)
    assert desk.work.is_due(desk.market_ns)
    assert desk.go_on().sent


def test_nothing_is_due_while_nothing_may_be_done() -> None:
    desk = Desk(method="TWAP")
    enter(desk)
    desk.go_on(WINDOW_S, replace(OPEN, connected=False))
    assert not desk.work.is_due(desk.market_ns)


def test_the_rest_of_an_entry_gives_way_to_an_exit_and_the_rest_of_an_exit_does_not() -> None:
    desk = Desk(method="TWAP", exit_method="TWAP")
    entry, _ = enter(desk)
    desk.fill(entry, 100)
    desk.go_on(WINDOW_S)
    cancelled(desk, entry, filled=100)
    desk.go_on()
    assert desk.work.is_busy("momentum", "IBM")
    desk.work.withdraw("momentum", "IBM", "the position is to be left")
    assert not desk.work.is_busy("momentum", "IBM")
    submission = desk.executor.submit([desk.exit(100)], OPEN)
    desk.work.watch(submission.sent)
    desk.go_on(WINDOW_S)
    cancelled(desk, desk.state(submission.sent[0].order_ref))
    assert desk.go_on(0, replace(OPEN, market_open=True)).sent[0].purpose is Purpose.EXIT


def over_with(desk: Desk, entry: OrderState, filled: int) -> None:
    """End the entry's window with a part of it filled."""
    desk.fill(entry, filled)
    desk.go_on(WINDOW_S)
    cancelled(desk, entry, filled=filled)
    desk.go_on()
    assert desk.work.is_busy("momentum", "IBM")


def fit_stop(desk: Desk, stop: OrderState) -> None:
    desk.look_after()
    desk.tell(desk.state(stop.order_ref), BrokerStatus.PRE_SUBMITTED)


def restart(desk: Desk) -> None:
    """Follow on from what the journal says, as a new process does."""
    manager = OrderManager(desk.journal.fold(), desk.journal, client_id=CLIENT, clock=desk.clock)
    desk.manager = desk.executor.manager = manager
    desk.work = ParentWork(
        executor=desk.executor,
        settings=desk.settings.methods,
        session_at=lambda _ns: desk.session,
        clock=desk.clock,
    )


def test_a_fill_that_comes_while_the_rest_waits_is_no_part_of_the_rest() -> None:
    desk = Desk(method="LMT", limit_placement="touch")
    entry, stop = enter(desk, 100)
    over_with(desk, entry, 40)
    desk.fill(entry, 30)
    fit_stop(desk, stop)
    crossing, second_stop = desk.go_on().sent
    assert (crossing.quantity, second_stop.quantity) == (D(30), D(30))
    assert "with 30 left" in str(arrival(desk, crossing.order_ref)["why"])


def test_a_rest_that_fills_while_it_waits_is_followed_by_nothing() -> None:
    desk = Desk(method="LMT", limit_placement="touch")
    entry, stop = enter(desk, 100)
    over_with(desk, entry, 40)
    desk.fill(entry, 60)
    fit_stop(desk, stop)
    placed = len(desk.broker.placed)
    assert desk.go_on().denials == ()
    assert len(desk.broker.placed) == placed
    assert not desk.work.is_busy("momentum", "IBM")


def test_what_is_given_up_is_what_is_left_now() -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    over_with(desk, entry, 100)
    desk.executor.cancel(stop.order_ref, "by hand")  # and the broker never answers
    desk.fill(entry, 150)
    desk.clock.advance(LONGEST_WAIT_S)
    assert desk.go_on().denials[0].quantity == 250


@pytest.mark.parametrize("reason", ["shutdown", "it is wanted no more", "its stop was hit"])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_order_that_is_withdrawn_while_its_time_ends_has_no_sequel(
    reason: str, is_restarted: bool
) -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    desk.go_on(WINDOW_S)
    assert desk.broker.cancelled == [entry.order_id]
    desk.executor.cancel(entry.order_ref, reason)
    assert desk.broker.cancelled == [entry.order_id], "the broker was asked already"
    assert desk.journal.fold().get(entry.order_ref) == desk.state(entry.order_ref)
    if is_restarted:
        restart(desk)
    placed = len(desk.broker.placed)
    cancelled(desk, entry, stop)
    desk.go_on()
    desk.go_on()
    assert len(desk.broker.placed) == placed
    assert not desk.work.is_busy("momentum", "IBM")


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_withdrawn_order_that_the_broker_refuses_in_the_end_has_no_fallback(is_restarted: bool) -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    desk.executor.cancel(entry.order_ref, "it is wanted no more")
    if is_restarted:
        restart(desk)
    else:
        desk.go_on()
    refuse(desk, entry, code=201)
    cancelled(desk, stop)
    placed = len(desk.broker.placed)
    desk.go_on()
    assert desk.state(entry.order_ref).phase is OrderPhase.REJECTED
    assert len(desk.broker.placed) == placed


@pytest.mark.parametrize("moment", ["ending", "ended", "waiting"])
def test_an_entry_is_withdrawn_at_whatever_moment_of_its_end(moment: str) -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    desk.go_on(WINDOW_S)
    if moment != "ending":
        cancelled(desk, entry)
    if moment == "waiting":
        desk.go_on()
        assert desk.work.is_busy("momentum", "IBM")
    assert [order.order_ref for order in desk.work.followed()] == [entry.order_ref]
    desk.work.withdraw("momentum", "IBM", "it is wanted no more")
    assert desk.work.followed() == ()
    cancelled(desk, entry, stop)
    placed = len(desk.broker.placed)
    desk.go_on()
    assert len(desk.broker.placed) == placed


@pytest.mark.parametrize("moment", ["ending", "ended", "waiting"])
def test_an_exit_is_withdrawn_at_whatever_moment_of_its_end_by_its_own_name_only(moment: str) -> None:
    desk = Desk(exit_method="TWAP")
    _, stop = desk.open_position(500)
    submission = desk.executor.submit([desk.exit(500)], OPEN)
    desk.work.watch(submission.sent)
    out = desk.state(submission.sent[0].order_ref)
    desk.tell(out, BrokerStatus.SUBMITTED)
    desk.go_on(WINDOW_S)
    if moment != "ending":
        cancelled(desk, out)
    if moment == "waiting":
        desk.executor.cancel(stop.order_ref, "by hand")  # the sequel waits for its answer
        desk.go_on()
        assert desk.work.is_busy("momentum", "IBM")
    desk.work.withdraw("momentum", "IBM", "its stop was hit")
    assert [order.order_ref for order in desk.work.followed()] == [out.order_ref]
    desk.work.withdraw("momentum", "IBM", "it is wanted no more", purpose=Purpose.EXIT)
    assert desk.work.followed() == ()
    assert not desk.work.is_busy("momentum", "IBM")
    cancelled(desk, out)
    placed = len(desk.broker.placed)
    desk.go_on()
    assert len(desk.broker.placed) == placed


def test_an_entry_that_nobody_cancelled_still_ends_with_its_window() -> None:
    desk = Desk(method="TWAP")
    entry, _ = enter(desk)
    desk.work.withdraw("momentum", "IBM", "the position is to be left")
    assert desk.state(entry.order_ref).phase is OrderPhase.WORKING
    desk.go_on(WINDOW_S)
    assert desk.broker.cancelled == [entry.order_id]


def test_what_a_stop_has_closed_is_not_bought_again() -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    over_with(desk, entry, 100)
    desk.fill(stop, 100)
    desk.tell(stop, BrokerStatus.CANCELLED, 100)
    placed = len(desk.broker.placed)
    desk.go_on()
    assert len(desk.broker.placed) == placed
    assert not desk.work.is_busy("momentum", "IBM")


def test_what_had_ended_before_a_restart_is_left_to_the_strategy() -> None:
    desk = Desk(method="TWAP")
    entry, stop = enter(desk)
    desk.go_on(WINDOW_S)
    desk.tell(entry, BrokerStatus.CANCELLED, 100)  # its execution is still on the way
    restart(desk)
    desk.fill(entry, 100)
    cancelled(desk, stop)
    placed = len(desk.broker.placed)
    desk.go_on()
    assert not desk.work.is_busy("momentum", "IBM")
    assert len(desk.broker.placed) == placed


def test_a_position_that_the_watchdog_closed_covers_no_stop_of_a_later_entry() -> None:
    desk = Desk(method="ADAPTIVE_NORMAL")
    first, first_stop = enter(desk, 100)
    desk.fill(first, 100)
    desk.tell(first, BrokerStatus.FILLED, 100)
    cancelled(desk, first_stop)
    desk.closed_by_watchdog["momentum", "IBM"] = D(-100)  # a kill; then a human re-armed

    entry, stop = enter(desk, 100)
    over_with(desk, entry, 40)
    assert not desk.work.is_due(desk.market_ns), "a stop of 100 still stands over 40"
    fit_stop(desk, stop)
    assert desk.state(stop.order_ref).open_quantity == 40
    assert desk.work.is_due(desk.market_ns)
    assert [order.quantity for order in desk.go_on().sent] == [D(60), D(60)]
