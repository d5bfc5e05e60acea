"""Shocks: what they do to prices and volumes, and that they do nothing before they begin."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from backtester.validation.shocks import KINDS, Shock, apply_shock, read_shock
from backtester.validation.windows import session_starts
from core.config_schema import Settings
from core.errors import ConfigError
from data.corporate_actions import ActionKind, CorporateAction
from tests.backtester.cases import make_market, walk

SETTINGS = Settings()
AT = 40


def market(holes: float = 0.0):
    return make_market(
        {
            name: walk(seed, 120, decimals=2, holes=holes, gaps=0.1, volume=1_000_000)
            for seed, name in enumerate("ABC")
        }
    )


MARKET = market()


def shocked(text: str, base=MARKET) -> np.ndarray:
    return apply_shock(base, SETTINGS, read_shock(text), AT)[0].bars


@pytest.mark.parametrize(
    "text", ["gap:-0.2", "volatility:3", "correlation:1", "liquidity:0.1", "halt:5", "limit_down:3"]
)
def test_nothing_changes_before_a_shock_and_the_market_given_stays_as_it_was(text):
    before = MARKET.bars.copy()
    changed, settings = apply_shock(MARKET, SETTINGS, read_shock(text), AT)
    assert np.array_equal(changed.bars[:AT], MARKET.bars[:AT])
    assert not np.array_equal(changed.bars, MARKET.bars, equal_nan=True)
    assert np.array_equal(MARKET.bars, before)
    assert changed.sha256 != MARKET.sha256
    assert settings is SETTINGS


@pytest.mark.parametrize(
    "text", ["gap:-0.2", "volatility:3", "volatility:0.3", "correlation:1", "correlation:0.5"]
)
def test_high_and_low_go_on_holding_open_and_close(text):
    for base in (MARKET, market(0.1)):
        bars = shocked(text, base)
        there = ~np.isnan(base.bars[:, :, 3])
        assert np.array_equal(~np.isnan(bars[:, :, 3]), there)
        rows = bars[there]
        assert (rows[:, 1] >= rows[:, [0, 3]].max(axis=1) - 1e-9).all()
        assert (rows[:, 2] <= rows[:, [0, 3]].min(axis=1) + 1e-9).all()
        assert (rows[:, :4] > 0).all()


def test_a_gap_moves_every_later_price_and_no_volume():
    bars = shocked("gap:-0.2")
    assert bars[AT:, :, :4] == pytest.approx(MARKET.bars[AT:, :, :4] * 0.8)
    assert np.array_equal(bars[:, :, 4], MARKET.bars[:, :, 4])


def steps(bars: np.ndarray, first: int, end: int) -> np.ndarray:
    return np.diff(np.log(bars[first - 1 : end, :, 3]), axis=0)


def test_volatility_grows_by_the_factor_and_the_drift_stays():
    bars = shocked("volatility:3")
    own, other = steps(MARKET.bars, AT, AT + 21), steps(bars, AT, AT + 21)
    assert other.std(axis=0) == pytest.approx(3 * own.std(axis=0), rel=1e-3)
    assert other.mean(axis=0) == pytest.approx(own.mean(axis=0), abs=1e-5)
    assert steps(bars, AT + 22, 120) == pytest.approx(steps(MARKET.bars, AT + 22, 120), abs=1e-9)


def test_at_a_correlation_of_one_all_symbols_move_together_with_their_own_volatility():
    own, other = steps(MARKET.bars, AT, AT + 21), steps(shocked("correlation:1"), AT, AT + 21)
    assert np.corrcoef(own.T)[np.triu_indices(3, 1)].max() < 0.9
    assert np.corrcoef(other.T)[np.triu_indices(3, 1)].min() > 0.999
    assert other.std(axis=0) == pytest.approx(own.std(axis=0), rel=1e-3)
    assert other.mean(axis=0) == pytest.approx(own.mean(axis=0), abs=1e-5)


def test_no_correlation_asked_for_changes_no_price():
    assert shocked("correlation:0")[:, :, :4] == pytest.approx(MARKET.bars[:, :, :4], abs=1e-3)


def test_liquidity_changes_volumes_only_while_it_lasts():
    bars = shocked("liquidity:0.1")
    assert np.array_equal(bars[:, :, :4], MARKET.bars[:, :, :4])
    assert np.array_equal(bars[AT : AT + 21, :, 4], np.floor(MARKET.bars[AT : AT + 21, :, 4] * 0.1))
    assert np.array_equal(bars[AT + 21 :, :, 4], MARKET.bars[AT + 21 :, :, 4])


def test_costs_are_multiplied_up_to_what_the_configuration_allows():
    changed, settings = apply_shock(MARKET, SETTINGS, read_shock("costs:5"), AT)
    assert changed is MARKET
    assert settings.backtest.half_spread_bps == 5 * SETTINGS.backtest.half_spread_bps
    assert settings.backtest.impact_bps == 5 * SETTINGS.backtest.impact_bps
    most = apply_shock(MARKET, SETTINGS, Shock(kind="costs", size=1e6), AT)[1]
    assert most.backtest.half_spread_bps == 200.0


def test_in_a_halt_there_are_no_bars_and_afterwards_the_prices_of_the_day():
    bars = shocked("halt:5")
    assert np.isnan(bars[AT : AT + 5]).all()
    assert np.array_equal(bars[AT + 5 :], MARKET.bars[AT + 5 :])


def test_limit_down_sessions_stand_ten_per_cent_lower_each_without_volume():
    bars = shocked("limit_down:3")
    last = MARKET.bars[AT - 1, :, 3]
    for day in range(3):
        assert bars[AT + day, :, :4] == pytest.approx(
            np.repeat((last * 0.9 ** (day + 1))[:, None], 4, axis=1)
        )
        assert not bars[AT + day, :, 4].any()
    assert steps(bars, AT + 4, 120) == pytest.approx(steps(MARKET.bars, AT + 4, 120))


def test_an_intraday_halt_lasts_whole_sessions():
    base = make_market({"A": walk(1, 130, decimals=2, holes=0.0, gaps=0.0, volume=1000)}, size_s=1800)
    changed = apply_shock(base, SETTINGS, read_shock("halt:2"), 3)[0]
    starts = session_starts(base)
    assert np.isnan(changed.bars[starts[3] : starts[5]]).all()
    assert not np.isnan(changed.bars[: starts[3]]).any()
    fallen = apply_shock(base, SETTINGS, read_shock("limit_down:2"), 3)[0].bars[:, 0, 3]
    assert fallen[starts[3] : starts[4]] == pytest.approx(np.full(13, base.bars[starts[3] - 1, 0, 3] * 0.9))
    assert fallen[starts[4]] == pytest.approx(base.bars[starts[3] - 1, 0, 3] * 0.81)


def test_a_shock_is_read_as_it_is_written():
    assert read_shock("gap:-0.2@2010-05-06") == Shock(kind="gap", size=-0.2, day=date(2010, 5, 6))
    assert str(read_shock("halt:5")) == "halt:5"
    assert str(read_shock("gap:-0.2@2010-05-06")) == "gap:-0.2@2010-05-06"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crash:1", "kinds are gap, volatility"),
        ("gap", "write KIND:SIZE"),
        ("gap:much", "-0.95 to 5"),
        ("gap:-1", "-0.95 to 5"),
        ("halt:2.5", "a whole number, 1 to 60"),
        ("correlation:2", "0 to 1"),
        ("gap:-0.2@yesterday", "2008-09-15"),
        ("gap:nan", "-0.95 to 5"),
    ],
)
def test_what_is_no_shock_is_refused_in_words(text, words):
    with pytest.raises(ConfigError, match=words):
        read_shock(text)


def test_every_kind_can_be_applied():
    for kind, (low, high, _meaning) in KINDS.items():
        apply_shock(MARKET, SETTINGS, Shock(kind=kind, size=max(low, min(high, 1.0))), AT)


@pytest.mark.parametrize(
    "text", ["gap:-0.2", "volatility:3", "correlation:0.5", "limit_down:3", "liquidity:0.1", "halt:5"]
)
def test_a_split_inside_a_shock_is_no_step_of_it(text):
    smooth = walk(5, 120, decimals=2, holes=0.0, gaps=0.0, volume=1_000_000)
    raw = smooth.copy()
    raw[: AT + 2, :4] *= 2.0
    raw[: AT + 2, 4] /= 2.0
    base = make_market({"A": raw})
    day = base.sessions[AT + 2].date
    base = replace(base, actions=(CorporateAction(symbol="A", day=day, kind=ActionKind.SPLIT, value=2.0),))
    shock = read_shock(text)
    changed, _settings = apply_shock(base, SETTINGS, shock, AT)
    expected, _settings = apply_shock(make_market({"A": smooth}), SETTINGS, shock, AT)
    np.testing.assert_allclose(changed.signal_bars()[:, :, :4], expected.bars[:, :, :4], rtol=1e-12)
    assert np.array_equal(changed.bars[:AT], base.bars[:AT])
