"""Scenarios: accounts that meet a shock with the positions that they have, and stops that a gap jumps over."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest

from backtester.market import align
from backtester.run import run_backtest
from backtester.validation.crises import CRISES
from backtester.validation.scenarios import (
    NotCovered,
    Outcome,
    Scenario,
    Setting,
    crises,
    most_invested,
    read_scenarios,
    run_scenario,
    stop_losses,
)
from backtester.validation.shocks import read_shock
from core.config_schema import Settings
from core.errors import ConfigError
from data.packaged import load_packaged, packaged_calendar
from strategy.registry import create
from tests.backtester.cases import make_market, quiet_bars, walk, with_splits

SETTINGS = Settings()
STRATEGIES = (create("momentum", {"fast_window": 10, "slow_window": 40}),)


@pytest.fixture(scope="module")
def setting():
    market = align(load_packaged(("AAPL", "IBM", "MSFT")), packaged_calendar(), settlement_days=1)
    return Setting(
        settings=SETTINGS,
        market=market,
        strategies=STRATEGIES,
        weights=(1.0,),
        first_bar=60,
        lead=40,
        follow=60,
    )


@pytest.fixture(scope="module")
def exposed(setting):
    base = run_backtest(SETTINGS, setting.market, STRATEGIES, (1.0,), first_bar=60)
    return most_invested(base, setting.market, 40)


def shock(text: str) -> Scenario:
    return Scenario(name=text, shocks=(read_shock(text),))


def run(setting: Setting, scenario: Scenario, exposed: int) -> Outcome:
    done = run_scenario(setting, scenario, exposed)
    assert isinstance(done, Outcome)
    return done


def test_the_table_of_crises_is_in_order_and_each_is_a_span():
    assert all(one.first < one.last for one in CRISES)
    assert [one.first for one in CRISES] == sorted(one.first for one in CRISES)
    years = {one.first.year for one in CRISES}
    assert years == {2000, 2008, 2010, 2011, 2015, 2018, 2020, 2022}


def test_crises_are_run_where_the_data_covers_them_and_named_where_not(setting, exposed):
    done = {one.scenario.name: one for one in (run_scenario(setting, one, exposed) for one in crises())}
    covered = {name for name, one in done.items() if isinstance(one, Outcome)}
    assert covered == {"2008 financial crisis", "2010 flash crash", "2011 US downgrade"}
    late = done["2022 rates"]
    assert isinstance(late, NotCovered)
    assert "the data covers" in late.why_not
    # The dot-com crisis begins inside the first bars, which warm up.
    one = done["2010 flash crash"]
    assert isinstance(one, Outcome)
    first = [session.date for session in setting.market.sessions].index(one.first)
    assert one.result.sessions[0] == setting.market.sessions[first - 40].date
    assert one.plain is None


def test_an_account_begins_before_the_shock_and_holds_what_it_held_without_it(setting, exposed):
    one = run(setting, shock("gap:-0.2"), exposed)
    assert one.first == setting.market.sessions[exposed].date
    assert one.plain is not None
    assert one.without is not None
    place = list(one.result.sessions).index(one.first)
    assert np.array_equal(one.result.nlv_micros[:place], one.plain.nlv_micros[:place])
    held = one.plain.gross_micros[place - 1] / one.plain.nlv_micros[place - 1]
    # Everything that was held falls by a fifth at the open, whether a stop sells it or not.
    assert one.inside.total_return == pytest.approx(-0.2 * held, abs=0.03)
    assert one.figures.max_drawdown > one.without.max_drawdown


def test_stops_that_a_gap_jumps_over_lose_beyond_their_price(setting, exposed):
    one = run(setting, shock("gap:-0.2"), exposed)
    assert one.stops.beyond > 0
    assert one.stops.worst > 0.05
    assert one.plain is not None
    plain = stop_losses(one.plain, setting.market, SETTINGS)
    assert one.stops.cost > 10 * max(plain.cost, 1.0)


@pytest.mark.parametrize("stop_kind", ["fixed", "trailing"])
def test_a_stop_inside_a_bar_costs_no_more_than_the_execution(setting, exposed, stop_kind):
    free = SETTINGS.model_copy(
        update={
            "sizing": SETTINGS.sizing.model_copy(update={"stop_kind": stop_kind}),
            "backtest": SETTINGS.backtest.model_copy(
                update={"half_spread_bps": 0.0, "slippage_bps": 0.0, "impact_bps": 0.0}
            ),
        }
    )
    result = run_backtest(free, setting.market, STRATEGIES, (1.0,), first_bar=60)
    found = stop_losses(result, setting.market, free)
    assert found.stops > 20
    # Without costs of execution, a stop loses beyond its price only where the open jumped over it, but for a cent of rounding.
    assert 0 < found.beyond < found.stops
    quiet = run(replace(setting, settings=free), shock("halt:1@2006-06-01"), exposed)
    assert quiet.stops.stops > 0
    assert quiet.stops.beyond or quiet.stops.worst == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("stop_kind", ["fixed", "trailing"])
def test_stops_of_raw_prices_with_splits_lose_what_those_of_adjusted_ones_do(stop_kind):
    free = SETTINGS.model_copy(
        update={
            "sizing": SETTINGS.sizing.model_copy(update={"stop_kind": stop_kind}),
            "backtest": SETTINGS.backtest.model_copy(update={"commission": "none"}),
        }
    )
    columns = {
        name: walk(seed, 300, decimals=2, holes=0.0, gaps=0.15, volume=10**9)
        for seed, name in ((7, "A"), (8, "B"))
    }
    strategies = (create("buy_and_hold", {}), create("momentum", {"fast_window": 3, "slow_window": 12}))
    smooth = make_market(columns)
    expecting = run_backtest(free, smooth, strategies, (0.5, 0.5))
    raw = with_splits(smooth, dict(zip(quiet_bars(expecting), cycle([2.0, 0.5]), strict=False)))
    result = run_backtest(free, raw, strategies, (0.5, 0.5))
    moments = [
        [(one.bar_end_ns, one.strategy, one.symbol) for one in run.fills()] for run in (result, expecting)
    ]
    assert moments[0] == moments[1]
    found, expected = stop_losses(result, raw, free), stop_losses(expecting, smooth, free)
    assert (found.stops, found.beyond) == (expected.stops, expected.beyond)
    assert expected.stops > 5
    assert found.worst == pytest.approx(expected.worst, abs=1e-3)
    assert found.cost == pytest.approx(expected.cost, rel=0.01)


def test_nothing_can_be_sold_while_a_limit_down_stands(setting, exposed):
    one = run(setting, shock("limit_down:3"), exposed)
    days = {fill.bar_end_ns for fill in one.result.fills()}
    first = exposed
    standing = {int(setting.market.end_ns[first + day]) for day in range(3)}
    assert not days & standing
    assert one.inside.total_return < -0.15


def test_shocks_may_come_together(setting, exposed):
    both = Scenario(name="both", shocks=(read_shock("gap:-0.1"), read_shock("costs:10")))
    alone = run(setting, shock("gap:-0.1"), exposed)
    assert run(setting, both, exposed).figures.total_return < alone.figures.total_return


def test_a_day_outside_the_data_is_not_covered(setting, exposed):
    one = run_scenario(setting, shock("gap:-0.2@2031-01-02"), exposed)
    assert isinstance(one, NotCovered)
    assert "2031-01-02" in one.why_not
    early = run_scenario(setting, shock(f"gap:-0.2@{setting.market.sessions[10].date}"), exposed)
    assert isinstance(early, NotCovered)


def test_a_day_without_a_session_takes_the_next_one(setting, exposed):
    one = run(replace(setting, follow=5), shock("gap:-0.2@2008-09-13"), exposed)
    assert str(one.first) == "2008-09-15"


def test_scenarios_are_read_from_a_list(tmp_path):
    path = tmp_path / "scenarios.yaml"
    path.write_text(
        "- name: crash\n  shocks: ['gap:-0.2@2008-09-15', 'costs:3']\n- name: halt\n  shocks: ['halt:5']\n"
    )
    found = read_scenarios(path)
    assert [one.name for one in found] == ["crash", "halt"]
    assert [str(one) for one in found[0].shocks] == ["gap:-0.2@2008-09-15", "costs:3"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: crash", "write a list"),
        ("", "write a list"),
        ("- name: crash\n  shock: ['gap:-0.2']", "entry 1"),
        ("- name: crash\n  shocks: ['gap:-2']", "the size must be"),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path, text, words):
    path = tmp_path / "scenarios.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_scenarios(path)
    with pytest.raises(ConfigError, match="can't be read"):
        read_scenarios(tmp_path / "none.yaml")
