"""Five-second bars into bars, and bars into rows."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.events import Bar, RealtimeBar
from data.bar_assembler import BarAssembler, MarketRow
from data.bar_builder import BarBuilder
from data.bar_grid import FEED_STEP_NS, NS_PER_S, BarGrid
from data.bar_quality import CONFIRMATIONS, defect_of
from data.exchange_calendar import Session, exchange_calendar

CALENDAR = exchange_calendar("XNYS", date(2012, 11, 1), date(2013, 1, 31))
SIZE_NS = 300 * NS_PER_S


def session_of(day: date) -> Session:
    session = CALENDAR.session_on(day)
    assert session is not None
    return session


DAY, SHORT_DAY = session_of(date(2012, 11, 12)), session_of(date(2012, 11, 23))


def feed_bar(end_ns: int, price: float = 100.0, *, symbol: str = "IBM", volume: float = 10.0) -> RealtimeBar:
    return RealtimeBar(
        symbol=symbol,
        end_ns=end_ns,
        open=price,
        high=price + 0.5,
        low=price - 0.5,
        close=price + 0.1,
        volume=volume,
    )


def ends_of(session: Session) -> list[int]:
    return list(range(session.open_ns + FEED_STEP_NS, session.close_ns + 1, FEED_STEP_NS))


def build(ends: list[int], size_s: int = 300) -> list[Bar]:
    builder = BarBuilder("IBM", BarGrid(size_s, CALENDAR))
    return [bar for end in ends for bar in builder.add(feed_bar(end))]


@pytest.mark.parametrize(("size_s", "count"), [(60, 390), (300, 78), (900, 26), (1800, 13), (3600, 7)])
def test_a_full_session_gives_its_bars_all_complete(size_s: int, count: int) -> None:
    bars = build(ends_of(DAY), size_s)
    assert len(bars) == count
    assert all(bar.complete for bar in bars)
    assert bars[-1].end_ns == DAY.close_ns
    assert all(bar.end_ns % (size_s * NS_PER_S) == 0 for bar in bars)


def test_an_early_close_gives_fewer_bars_and_the_last_ends_with_the_session() -> None:
    bars = build(ends_of(SHORT_DAY))
    assert len(bars) == 42
    assert bars[-1].end_ns == SHORT_DAY.close_ns
    assert all(bar.complete for bar in bars)


def test_the_first_hourly_bar_is_half_an_hour_long_as_in_the_brokers_history() -> None:
    first = build(ends_of(DAY), 3600)[0]
    assert first.end_ns - DAY.open_ns == 1800 * NS_PER_S
    assert first.complete


def test_a_bar_leaves_with_its_last_five_seconds() -> None:
    builder = BarBuilder("IBM", BarGrid(300, CALENDAR))
    ends = ends_of(DAY)[:60]
    assert all(builder.add(feed_bar(end)) == () for end in ends[:-1])
    (bar,) = builder.add(feed_bar(ends[-1]))
    assert bar.end_ns == ends[-1]
    assert bar.volume == 600.0


def test_nothing_outside_a_session_becomes_a_bar() -> None:
    before_open = [DAY.open_ns - FEED_STEP_NS * i for i in range(200, -1, -1)]
    after_close = [DAY.close_ns + FEED_STEP_NS * i for i in range(1, 200)]
    assert build(before_open) == []
    assert build(after_close) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(90, 110), min_size=180, max_size=180), st.data())
def test_bars_are_what_their_parts_say_whatever_is_missing_or_repeated(
    prices: list[float], data: st.DataObject
) -> None:
    parts = [feed_bar(end, price) for end, price in zip(ends_of(DAY), prices, strict=False)]
    kept = [part for part in parts if data.draw(st.integers(0, 19)) > 0]
    delivered: list[RealtimeBar] = []
    for part in kept:
        delivered.append(part)
        if data.draw(st.integers(0, 9)) == 0:
            delivered.append(data.draw(st.sampled_from(delivered)))
    builder = BarBuilder("IBM", BarGrid(300, CALENDAR))
    bars = [bar for part in delivered for bar in builder.add(part)]
    bars += builder.close_through(DAY.close_ns)
    for bar in bars:
        inside = [p for p in kept if bar.end_ns - SIZE_NS < p.end_ns <= bar.end_ns]
        assert bar.open == inside[0].open
        assert bar.close == inside[-1].close
        assert bar.high == max(p.high for p in inside)
        assert bar.low == min(p.low for p in inside)
        assert bar.volume == sum(p.volume for p in inside)
        assert bar.complete == (len(inside) == 60)
    assert {bar.end_ns for bar in bars} == {-(-p.end_ns // SIZE_NS) * SIZE_NS for p in kept}
    assert [bar.end_ns for bar in bars] == sorted({bar.end_ns for bar in bars})
    assert builder.out_of_order == len(delivered) - len(kept)


@pytest.mark.parametrize(
    "changes",
    [
        {"close": math.nan},
        {"open": math.inf},
        {"low": 0.0},
        {"low": -3.0},
        {"high": 99.0},
        {"low": 101.0},
        {"volume": -1.0},
        {"volume": math.nan},
    ],
)
def test_an_impossible_part_is_refused_and_its_bar_marked(changes: dict[str, float]) -> None:
    builder = BarBuilder("IBM", BarGrid(300, CALENDAR))
    parts = [feed_bar(end) for end in ends_of(DAY)[:60]]
    parts[30] = replace(parts[30], **changes)  # type: ignore[arg-type]
    assert defect_of(parts[30]) is not None
    (bar,) = [bar for part in parts for bar in builder.add(part)]
    assert not bar.complete
    assert builder.refused == 1
    assert (bar.low, bar.high) == (99.5, 100.5)


def test_a_single_tenfold_price_does_not_enter_a_bar() -> None:
    builder = BarBuilder("IBM", BarGrid(300, CALENDAR))
    prices = [1000.0 if i in {10, 40} else 100.0 for i in range(60)]
    (bar,) = [
        bar
        for end, price in zip(ends_of(DAY), prices, strict=False)
        for bar in builder.add(feed_bar(end, price))
    ]
    assert bar.high < 101
    assert not bar.complete


def test_a_new_level_that_lasts_is_believed() -> None:
    builder = BarBuilder("IBM", BarGrid(300, CALENDAR))
    prices = [100.0 if i < 10 else 60.0 for i in range(60)]
    (bar,) = [
        bar
        for end, price in zip(ends_of(DAY), prices, strict=False)
        for bar in builder.add(feed_bar(end, price))
    ]
    assert builder.refused == CONFIRMATIONS - 1
    assert bar.close == pytest.approx(60.1)


def test_a_split_overnight_is_no_spike() -> None:
    builder = BarBuilder("IBM", BarGrid(300, CALENDAR))
    next_day = CALENDAR.next_session(DAY.open_ns)
    assert next_day is not None
    for end in ends_of(DAY):
        builder.add(feed_bar(end, 100.0))
    for end in ends_of(next_day)[:60]:
        builder.add(feed_bar(end, 25.0))
    assert builder.refused == 0


def test_missed_rows_are_counted_inside_sessions_only() -> None:
    grid = BarGrid(300, CALENDAR)
    next_day = CALENDAR.next_session(DAY.open_ns)
    assert next_day is not None
    assert grid.rows_between(DAY.close_ns, next_day.open_ns + SIZE_NS) == 0
    assert grid.rows_between(DAY.close_ns - SIZE_NS, next_day.open_ns + SIZE_NS) == 1
    assert grid.rows_between(DAY.open_ns + SIZE_NS, DAY.close_ns) == 76
    assert grid.rows_between(DAY.open_ns + SIZE_NS, DAY.open_ns + 2 * SIZE_NS) == 0


# --- rows ------------------------------------------------------------------------------------------------


def bar_of(symbol: str, number: int) -> Bar:
    return Bar(symbol=symbol, end_ns=number * SIZE_NS, open=1, high=1, low=1, close=1, volume=1)


def test_a_row_leaves_with_its_last_symbol() -> None:
    assembler = BarAssembler(("A", "B"), 0.5)
    assert assembler.add(bar_of("A", 1), 0) == ()
    (row,) = assembler.add(bar_of("B", 1), 0)
    assert list(row.bars) == ["A", "B"]
    assert row.is_complete


def test_a_row_leaves_without_the_missing_when_its_grace_is_over() -> None:
    assembler = BarAssembler(("A", "B"), 0.5)
    assembler.add(bar_of("A", 1), 0)
    assert assembler.due(499_999_999) is None
    due = assembler.due(500_000_000)
    assert due == SIZE_NS
    (row,) = assembler.release(due)
    assert row.missing == ("B",)
    assert assembler.add(bar_of("B", 1), 600_000_000) == ()
    assert assembler.late == 1


def test_rows_stop_waiting_for_a_silent_symbol_until_it_speaks_again() -> None:
    assembler = BarAssembler(("A", "B"), 0.5)
    for number in range(1, 4):
        assembler.add(bar_of("A", number), 0)
        assembler.release(number * SIZE_NS)
    assert assembler.silent == ("B",)
    assert len(assembler.add(bar_of("A", 4), 0)) == 1
    assembler.add(bar_of("B", 5), 0)
    assert len(assembler.add(bar_of("A", 5), 0)) == 1
    assert assembler.add(bar_of("A", 6), 0) == (), "B is waited for again"


def test_a_silent_symbol_whose_bars_come_behind_the_others_is_in_the_next_row() -> None:
    assembler = BarAssembler(("A", "B"), 0.5)
    for number in range(1, 4):
        assembler.add(bar_of("A", number), 0)
        assembler.release(number * SIZE_NS)
    assert len(assembler.add(bar_of("A", 4), 0)) == 1, "it left without B"
    assert assembler.add(bar_of("B", 4), 0) == (), "too late for its row"
    assert assembler.add(bar_of("A", 5), 0) == ()
    (row,) = assembler.add(bar_of("B", 5), 0)
    assert row.is_complete


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("ABC"), st.integers(1, 12)),
            st.tuples(st.just("time"), st.integers(1, 800)),
        ),
        max_size=60,
    )
)
def test_rows_rise_strictly_and_hold_each_bar_at_most_once(steps: list[tuple[str, int]]) -> None:
    assembler, now, rows = BarAssembler("ABC", 0.5), 0, list[MarketRow]()
    given_bars = 0
    for what, number in steps:
        if what == "time":
            now += number * 1_000_000
            due = assembler.due(now)
            rows += () if due is None else assembler.release(due)
        else:
            given_bars += 1
            rows += assembler.add(bar_of(what, number), now)
    rows += assembler.release(10**19)
    assert all(earlier.end_ns < later.end_ns for earlier, later in pairwise(rows))
    for row in rows:
        assert {bar.end_ns for bar in row.bars.values()} == {row.end_ns}
        assert set(row.bars).isdisjoint(row.missing)
        assert set(row.bars) | set(row.missing) == set("ABC")
    assert sum(len(row.bars) for row in rows) <= given_bars
