"""What becomes of a rest, by how its order ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.vocabulary import ExecutionMethod, Purpose
from execution.methods.remainder import INACTIVE, TIME_IS_OVER, Remainder, remainder_of, time_is_over
from execution.order_state import BookedFill, OrderPhase, OrderState
from tests.execution.orders import D, make_order, make_stop

P = OrderPhase
M = ExecutionMethod
UNTIL = 1_000 * 10**9


def ended(
    phase: P, detail: str = "", *, filled: int = 0, method: M | None = M.TWAP, until: int | None = UNTIL
) -> OrderState:
    fills = {"a": BookedFill(1, D(filled), D(190))} if filled else {}
    order = make_order(method=method, until_ns=until)
    return OrderState(order=order, order_id=1, phase=phase, detail=detail, fills=fills)


@pytest.mark.parametrize(
    ("state", "policy", "what"),
    [
        (ended(P.REJECTED, "201: no"), "cancel", Remainder.FALLBACK),
        (ended(P.CANCELLED, INACTIVE), "cross", Remainder.FALLBACK),
        (ended(P.REJECTED, "201: no", method=M.MKT), "cross", None),
        (ended(P.REJECTED, "201: no", method=None), "cross", None),
        (ended(P.CANCELLED, TIME_IS_OVER, filled=30), "cross", Remainder.CROSS),
        (ended(P.CANCELLED, TIME_IS_OVER, filled=30), "carry", Remainder.CARRY),
        (ended(P.CANCELLED, TIME_IS_OVER, filled=30), "cancel", None),
        (ended(P.CANCELLED, filled=30), "cross", Remainder.CROSS),  # the algorithm's own end
        (ended(P.CANCELLED, "shutdown", filled=30), "cross", None),
        (ended(P.CANCELLED, "an exit waits for its end"), "cross", None),
        (ended(P.CANCELLED, until=None), "cross", None),  # a market order, cancelled by somebody
        (ended(P.FILLED, filled=100), "cross", None),
        (ended(P.GONE), "cross", None),
        (ended(P.NOT_SENT), "cross", None),
    ],
)
def test_the_rest_is_dealt_with_by_what_ended_the_order(
    state: OrderState, policy: str, what: Remainder | None
) -> None:
    assert remainder_of(state, UNTIL, policy) is what


def test_a_cancel_long_before_its_time_is_somebody_elses_will() -> None:
    assert remainder_of(ended(P.CANCELLED), UNTIL - 60 * 10**9, "cross") is None


def test_a_stop_has_no_rest() -> None:
    stop = make_stop(make_order(), method=M.TWAP, until_ns=UNTIL)
    assert remainder_of(OrderState(order=stop, order_id=2, phase=P.REJECTED), UNTIL, "cross") is None


def test_an_order_is_ended_once_when_its_time_is_over() -> None:
    state = ended(P.WORKING)
    assert not time_is_over(state, UNTIL - 1)
    assert time_is_over(state, UNTIL)
    assert not time_is_over(replace(state, phase=P.CANCELLING), UNTIL)
    assert not time_is_over(ended(P.WORKING, until=None), UNTIL)
    assert make_order().purpose is Purpose.ENTRY
