"""The work `event_path` does what it says: it trades, and the book holds what the broker filled."""

from __future__ import annotations

from decimal import Decimal

from core.vocabulary import Purpose
from tests.bench.bench_event_path import SYMBOL, Line, bench_settings, make_bars
from tests.bench.research.prices import five_minute


def test_every_bar_is_decided_on_and_every_fill_is_booked():
    bars, session_at = make_bars(five_minute()[:3_000])
    line = Line(bench_settings(), session_at)
    line.run(bars)
    assert line.status.bars == 3_000
    states = list(line.book.orders)
    assert {state.order.purpose for state in states if state.filled} == {
        Purpose.ENTRY,
        Purpose.EXIT,
        Purpose.STOP,
    }
    signed = sum((state.order.side.sign * state.filled for state in states), Decimal(0))
    assert line.book.ledger.net_positions().get(SYMBOL, 0) == signed
    assert line.status.fills == sum(len(state.fills) for state in states) > 20
    assert line.queue.depth() == 0
