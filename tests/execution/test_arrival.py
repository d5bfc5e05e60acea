"""What the journal holds of an order's arrival."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.vocabulary import Side
from portfolio.algo_wheel import OrderContext
from tests.execution.desk import OPEN, Desk

CONTEXT = OrderContext(
    side=Side.BUY,
    spread_bps=float("nan"),
    volatility_bps=150.0,
    adv_share=0.01,
    day_fraction=0.25,
    urgency=0.5,
)


def arrivals(desk: Desk) -> list[dict[str, object]]:
    return [payload for kind, payload in desk.journal.records if kind == "arrival"]


def test_an_entry_has_one_arrival_beside_its_intents_and_before_anything_is_sent() -> None:
    desk = Desk()
    desk.executor.submit([replace(desk.entry(), context=CONTEXT)], OPEN)
    assert desk.journal.kinds()[:3] == ["order_intent", "order_intent", "arrival"]
    (arrival,) = arrivals(desk)
    assert arrival["order_ref"] == desk.broker.placed[0].order.order_ref
    assert arrival["spread_bps"] == pytest.approx(0.02 / 190 * 1e4)
    assert (arrival["bid"], arrival["ask"], arrival["quote_age_ms"]) == (189.99, 190.01, 0.0)
    assert (arrival["volatility_bps"], arrival["adv_share"], arrival["urgency"]) == (150.0, 0.01, 0.5)
    assert (arrival["method"], arrival["propensity"], arrival["admissible"]) == ("MKT", 1.0, ["MKT"])
    assert arrival["decision_price"] == 190.0


def test_what_is_not_known_is_none() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], OPEN)
    (arrival,) = arrivals(desk)
    assert [arrival[name] for name in ("volatility_bps", "adv_share", "day_fraction", "urgency")] == [
        None
    ] * 4


def test_a_reduction_tells_of_the_exit_and_not_of_the_amended_stop() -> None:
    desk = Desk()
    desk.open_position(100)
    desk.executor.submit([desk.exit(100, 40)], OPEN)
    newest = arrivals(desk)[-1]
    state = desk.state(str(newest["order_ref"]))
    assert str(state.order.purpose) == "exit"
    assert state.order.quantity == 40


def test_a_denied_order_has_no_arrival() -> None:
    desk = Desk()
    desk.executor.submit([desk.entry()], replace(OPEN, lease=False))
    assert arrivals(desk) == []
