"""Triple-barrier labels: worked by hand, net of costs, blind to what lies behind the barrier."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.cost_settings import costs_of
from core.config_schema import BacktestSettings
from ml.labels import Barriers, Entry, Label, Path, label_entry

FREE = costs_of(BacktestSettings(commission="none", half_spread_bps=0, slippage_bps=0, impact_bps=0))
COSTLY = costs_of(BacktestSettings(commission="none", half_spread_bps=5, slippage_bps=5, impact_bps=0))
LONG = Entry(bar=0, side=1, quantity=10, distance=2.0)


def path(*bars: tuple[float, float, float, float], signal: list[float] | None = None) -> Path:
    """Bars as (open, high, low, close); the signal is 1 throughout if it isn't given."""
    columns = np.array(bars, dtype=np.float64).T
    return Path(
        open=columns[0],
        high=columns[1],
        low=columns[2],
        close=columns[3],
        volume=np.full(len(bars), 1e6),
        signal=np.array(signal if signal is not None else [1.0] * len(bars)),
    )


FLAT = (100.0, 100.5, 99.5, 100.0)


def ends(label: Label | None) -> tuple[int, str, float, float]:
    assert label is not None
    return label.end_bar, label.barrier, label.exit_price, label.earned


def test_a_stop_inside_the_bar_fills_at_its_price() -> None:
    # Decided at 100, stop at 98, entered at 101; the third bar's low is 97: 10 x (98 - 101).
    bars = path(FLAT, (101, 102, 100, 101), (101, 101, 97, 99), FLAT)
    assert ends(label_entry(bars, LONG, Barriers(), FREE)) == (2, "stop", 98.0, -30.0)


def test_a_gap_through_the_stop_fills_at_the_open() -> None:
    bars = path(FLAT, (101, 102, 100, 101), (95, 96, 94, 95), FLAT)
    assert ends(label_entry(bars, LONG, Barriers(), FREE)) == (2, "stop", 95.0, -60.0)


def test_the_signals_end_sells_at_the_next_open() -> None:
    bars = path(FLAT, FLAT, FLAT, (104, 105, 103, 104), signal=[1, 1, 0, 0])
    assert ends(label_entry(bars, LONG, Barriers(), FREE)) == (3, "signal", 104.0, 40.0)


def test_the_target_counts_only_when_the_stop_was_not_met_in_the_same_bar() -> None:
    barriers = Barriers(target_multiple=1.0)
    bars = path(FLAT, FLAT, (100, 103, 99, 102), FLAT)
    assert ends(label_entry(bars, LONG, barriers, FREE)) == (2, "target", 102.0, 20.0)
    both = path(FLAT, FLAT, (100, 103, 97, 102), FLAT)
    assert ends(label_entry(both, LONG, barriers, FREE)) == (2, "stop", 98.0, -20.0)


def test_time_runs_out_at_the_open_after_so_many_bars() -> None:
    bars = path(FLAT, FLAT, FLAT, (103, 104, 102, 103), FLAT)
    assert ends(label_entry(bars, LONG, Barriers(max_bars=2), FREE)) == (3, "time", 103.0, 30.0)


def test_a_short_position_is_the_mirror_image() -> None:
    short = replace(LONG, side=-1)
    down = [-1.0] * 4
    bars = path(FLAT, FLAT, (100, 103, 99, 101), FLAT, signal=down)
    assert ends(label_entry(bars, short, Barriers(), FREE)) == (2, "stop", 102.0, -20.0)
    gap = path(FLAT, FLAT, (105, 106, 104, 105), FLAT, signal=down)
    assert ends(label_entry(gap, short, Barriers(), FREE)) == (2, "stop", 105.0, -50.0)


def test_costs_are_paid_on_both_fills() -> None:
    # 10 basis points against us: bought at 100.10, sold at 103.896.
    bars = path(FLAT, FLAT, FLAT, (104, 105, 103, 104), signal=[1, 1, 0, 0])
    label = label_entry(bars, LONG, Barriers(), COSTLY)
    assert label is not None
    assert label.earned == pytest.approx(10 * (103.896 - 100.10))


def test_a_commission_is_charged_as_the_backtest_charges_it() -> None:
    tiered = costs_of(BacktestSettings(half_spread_bps=0, slippage_bps=0, impact_bps=0))
    bars = path(FLAT, FLAT, FLAT, FLAT, signal=[1, 1, 0, 0])
    label = label_entry(bars, LONG, Barriers(), tiered)
    assert label is not None
    assert -1.0 < label.earned < -0.70  # two minimum commissions of 0.35, and fees


@pytest.mark.parametrize("bars", [1, 2, 3])
def test_a_position_that_the_bars_do_not_end_has_no_label(bars: int) -> None:
    assert label_entry(path(*[FLAT] * bars), LONG, Barriers(), FREE) is None


price = st.floats(95, 105).map(lambda value: round(value, 2))


@given(
    st.lists(st.tuples(price, price, price, price), min_size=6, max_size=20),
    st.lists(st.sampled_from([-1.0, 0.0, 1.0, math.nan]), min_size=20, max_size=20),
    st.floats(0.1, 10),
)
def test_altering_the_future_beyond_the_barrier_changes_nothing(
    quotes: list[tuple[float, float, float, float]], signal: list[float], factor: float
) -> None:
    bars = [(o, max(o, h, low, c), min(o, h, low, c), c) for o, h, low, c in quotes]
    whole = path(*bars, signal=signal[: len(bars)])
    label = label_entry(whole, LONG, Barriers(max_bars=8), FREE)
    if label is None:
        return
    behind = label.end_bar + 1
    changed = {
        name: np.concatenate([getattr(whole, name)[:behind], getattr(whole, name)[behind:] * factor])
        for name in ("open", "high", "low", "close", "volume")
    }
    other = Path(**changed, signal=np.concatenate([whole.signal[:behind], -whole.signal[behind:]]))
    assert label_entry(other, LONG, Barriers(max_bars=8), FREE) == label
