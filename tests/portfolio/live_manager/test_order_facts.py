"""Contexts of orders, and which symbols' bars the journal keeps."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from core.events import Bar
from core.reasons import Reason
from core.vocabulary import BrokerStatus, Side
from data.bar_assembler import MarketRow
from execution.methods.situation import SessionTimes
from portfolio.live_manager.decision_cycle import Decision
from portfolio.live_manager.order_facts import MarkedSymbols, SessionMoment, ShortSaleTest, order_context
from tests.execution.orders import status_of
from tests.portfolio.live_manager.parts import START_NS, Parts

MOMENT = SessionMoment(day_fraction=0.25, bars=64.0, session=SessionTimes(open_ns=0, close_ns=1))
ENTRY = Decision(
    strategy="momentum",
    symbol="IBM",
    position=Decimal(0),
    target=Decimal(-640),
    reason=Reason.NONE,
    stop_distance=5.0,
    atr=2.0,
    average_volume=1_000.0,
)


def test_the_context_of_an_entry_by_hand() -> None:
    context = order_context(ENTRY, 100.0, MOMENT)
    assert context.side is Side.SELL
    # A range of 2 % a bar is a deviation of 2 % / sqrt(8/pi); a session of 64 bars has eight times that.
    assert context.volatility_bps == pytest.approx(8 * 200 / math.sqrt(8 / math.pi))
    assert context.adv_share == pytest.approx(640 / 64_000)
    assert (context.day_fraction, context.urgency) == (0.25, 0.5)
    assert math.isnan(context.spread_bps)


def test_a_flip_only_closes_and_an_exit_is_more_urgent() -> None:
    context = order_context(replace(ENTRY, position=Decimal(320), target=Decimal(0)), 100.0, MOMENT)
    assert (context.side, context.urgency, context.adv_share) == (Side.SELL, 0.8, 0.005)


@pytest.mark.parametrize("change", [{"atr": math.nan}, {"average_volume": math.nan}, {"average_volume": 0.0}])
def test_an_unknown_market_gives_an_unusable_context(change: dict[str, float]) -> None:
    context = order_context(replace(ENTRY, **change), 100.0, MOMENT)  # type: ignore[arg-type]
    assert replace(context, spread_bps=1.0).problem() is not None


def row_of(*symbols: str) -> MarketRow:
    bars = {
        s: Bar(symbol=s, end_ns=START_NS, open=1.0, high=3.0, low=0.5, close=2.0, volume=7.0) for s in symbols
    }
    return MarketRow(end_ns=START_NS, bars=bars, missing=())


def test_bars_are_kept_while_an_order_works_and_through_the_session_after(parts: Parts) -> None:
    marked = MarkedSymbols(parts.book)
    assert marked.bars(row_of("IBM", "MSFT")) == {}
    parts.act(100)
    assert marked.bars(row_of("IBM", "MSFT")) == {"IBM": [1.0, 3.0, 0.5, 2.0, 7.0]}
    for written in parts.broker.placed:
        parts.manager.on_status(status_of(written.order, written.order_id, BrokerStatus.CANCELLED, 0))
    marked.begin_session()
    assert set(marked.bars(row_of("IBM"))) == {"IBM"}
    marked.begin_session()
    assert marked.bars(row_of("IBM")) == {}


def test_what_filled_last_is_marked_again_after_a_restart(parts: Parts) -> None:
    parts.act(100)
    parts.fill(1, 100, index=0)
    assert set(MarkedSymbols(parts.folded()).bars(row_of("IBM", "MSFT"))) == {"IBM"}


def _row(low: float, close: float) -> MarketRow:
    bar = Bar(symbol="IBM", end_ns=1, open=close, high=close, low=low, close=close, volume=1.0)
    return MarketRow(end_ns=1, bars={"IBM": bar}, missing=())


def test_a_fall_by_a_tenth_binds_short_sales_for_that_session_and_the_next() -> None:
    test = ShortSaleTest()
    test.take(_row(99.0, 100.0))  # before this process began: no previous close is known
    assert not test.restricts("IBM")
    test.begin_session()
    test.take(_row(90.01, 95.0))
    assert not test.restricts("IBM")
    test.take(_row(90.0, 95.0))
    assert test.restricts("IBM")
    test.begin_session()
    test.take(_row(94.0, 95.0))
    assert test.restricts("IBM")
    test.begin_session()
    assert not test.restricts("IBM")
    assert not test.restricts("MSFT")
