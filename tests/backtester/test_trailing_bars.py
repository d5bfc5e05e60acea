"""Hand-drawn bars and what a trailing stop makes of them. The entry is decided on bar 0 and fills in bar 1."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from backtester.batch import Window, score
from backtester.run import run_backtest
from core.config_schema import Settings
from data.corporate_actions import ActionKind, CorporateAction
from strategy.registry import create
from tests.backtester.cases import make_market, walk
from tests.backtester.test_drawn_bars import LONG, QUIET, SHORT, settings, trade


def trailing(**backtest) -> Settings:
    """As `settings`: the ATR is 2, so the stop begins 4 away from the close of 100 and trails by 4."""
    fixed = settings(**backtest)
    return fixed.model_copy(update={"sizing": fixed.sizing.model_copy(update={"stop_kind": "trailing"})})


def limited(offset_bps: float) -> Settings:
    base = trailing()
    orders = {"method": "LMT", "limit_offset_bps": offset_bps}
    return base.model_copy(update={"execution": base.execution.model_copy(update=orders)})


def exits(*bars: tuple[float, ...], with_settings: Settings | None = None):
    """All fills but the entry, as (bar, purpose, price)."""
    fills, _result = trade(*bars, with_settings=with_settings or trailing())
    assert fills[0][1] == "entry"
    return [(bar, purpose, float(price)) for bar, purpose, _side, _quantity, price in fills[1:]]


ASKED, BOUGHT = (100, 101, 99, 100, LONG), (100, 101, 99, 100, LONG)
SOLD_SHORT = (100, 101, 99, 100, SHORT)


def test_the_stop_follows_the_high_and_is_hit_from_there():
    # The highs of 101 and 106 bring the stop to 97 and 102.
    assert exits(ASKED, BOUGHT, (102, 106, 101.5, 105, LONG), (105, 105.5, 101, 103, LONG)) == [
        (3, "stop", 102.0)
    ]


def test_a_fixed_stop_stays_where_it_was():
    bars = (ASKED, BOUGHT, (102, 106, 101.5, 105, LONG), (105, 105.5, 101, 103, LONG))
    assert exits(*bars, with_settings=settings()) == []


def test_the_stop_never_goes_back():
    falling = (103, 103.5, 102.5, 103, LONG)  # its high less 4 is below the stop of 102
    assert exits(
        ASKED, BOUGHT, (102, 106, 101.5, 105, LONG), falling, falling, (103, 103, 102, 102.5, LONG)
    ) == [(5, "stop", 102.0)]


def test_a_gap_through_the_stop_fills_at_the_open():
    assert exits(ASKED, BOUGHT, (102, 106, 101.5, 105, LONG), (98, 99, 97, 98, LONG)) == [(3, "stop", 98.0)]


def test_the_open_of_the_bar_moves_the_stop_before_its_low():
    # The stop stood at 97; the open of 103 takes it to 99.
    assert exits(ASKED, BOUGHT, (103, 103.5, 98, 101, LONG)) == [(2, "stop", 99.0)]


def test_the_high_of_the_bar_does_not():
    # 104 - 4 = 100 is above the low of 99.5, but the low may have been first: 101 - 4 = 97 is all that is sure.
    assert exits(ASKED, BOUGHT, (101, 104, 99.5, 103, LONG)) == []


def test_a_close_that_has_fallen_the_distance_from_the_high_has_hit_the_stop_at_the_worst_price():
    # Stop 97 before and at the open; the high of 105 was followed by the close of 100.5.
    assert exits(ASKED, BOUGHT, (101, 105, 99.5, 100.5, LONG), (103, 104, 102, 103, LONG)) == [
        (2, "stop", 99.5)
    ]


def test_a_close_that_has_fallen_by_just_the_distance_has_hit_it():
    assert exits(ASKED, BOUGHT, (101, 105, 99.5, 101, LONG)) == [(2, "stop", 99.5)]


def test_a_close_that_has_fallen_just_less_has_not():
    assert exits(ASKED, BOUGHT, (101, 105, 99.5, 101.01, LONG)) == []


def test_the_stop_trails_in_the_bar_of_its_entry_which_fills_at_the_open():
    assert exits(ASKED, (100, 103, 99, 102, LONG), (102, 102.5, 99, 100, LONG)) == [(2, "stop", 99.0)]


def test_an_entry_and_its_stop_in_one_bar():
    # The open of 102 has taken the stop from 96 to 98.
    assert exits(ASKED, (102, 103, 97.5, 101, LONG)) == [(1, "stop", 98.0)]


def test_a_short_is_the_mirror_image():
    down = (98, 98.5, 94, 95, SHORT)
    assert exits((100, 101, 99, 100, SHORT), SOLD_SHORT, down, (95, 99, 94.5, 97, SHORT)) == [
        (3, "stop", 98.0)
    ]
    assert exits((100, 101, 99, 100, SHORT), SOLD_SHORT, down, (102, 103, 101, 102, SHORT)) == [
        (3, "stop", 102.0)
    ]
    assert exits((100, 101, 99, 100, SHORT), SOLD_SHORT, (97, 102, 96.5, 99, SHORT)) == [(2, "stop", 101.0)]
    assert exits((100, 101, 99, 100, SHORT), SOLD_SHORT, (99, 100.5, 95, 99.5, SHORT)) == [(2, "stop", 100.5)]
    assert exits((100, 101, 99, 100, SHORT), SOLD_SHORT, (99, 100.5, 96, 97, SHORT)) == []


def test_a_limit_entry_inside_the_bar_knows_nothing_of_what_came_before():
    # The limit is 100: bought on the way down from 104, so neither 104 nor the fall from it says anything of the stop.
    bought = (103, 104, 99, 99.5, LONG)
    assert exits(ASKED, bought, (99, 100, 96.1, 98, LONG), with_settings=limited(0)) == []
    assert exits(ASKED, bought, (99, 100, 96, 98, LONG), with_settings=limited(0)) == [(2, "stop", 96.0)]
    # A limit of 97 is 4 above 93, but the stop began at 96 and does not go back.
    closes_high = (103, 104, 99, 103, LONG)
    assert exits(ASKED, closes_high, (103, 103, 99, 100, LONG), with_settings=limited(0)) == [
        (2, "stop", 99.0)
    ]


def test_an_entry_at_the_close_trails_from_there():
    at_close = trailing(fill_at="close")
    assert exits(ASKED, (100, 106, 99, 102, LONG), (102, 102, 98.01, 99, LONG), with_settings=at_close) == []
    assert exits(ASKED, (100, 106, 99, 102, LONG), (102, 102, 98, 99, LONG), with_settings=at_close) == [
        (2, "stop", 98.0)
    ]


def test_the_rest_of_an_entry_leaves_the_stop_where_it_is():
    slowly = trailing(fill_participation=0.5, time_in_force="GTC")
    fills, _ = trade(
        ASKED,
        (100, 101, 99, 100, 201),
        (102, 106, 101.5, 105, 1),  # the stop goes to 102, and no share is to be had
        (103, 103.5, 101.9, 103, LONG),
        with_settings=slowly,
    )
    assert [(fill[0], fill[1], fill[3], float(fill[4])) for fill in fills] == [
        (1, "entry", 100, 100.0),
        (3, "entry", 150, 103.0),
        (3, "stop", 250, 102.0),
    ]


def test_a_strategy_has_a_kind_of_its_own():
    base = settings().model_dump() | {"strategies": [{"name": "said", "stop_kind": "trailing"}]}
    bars = (ASKED, BOUGHT, (102, 106, 101.5, 105, LONG), (105, 105.5, 101, 103, LONG))
    assert exits(*bars, with_settings=Settings.model_validate(base)) == [(3, "stop", 102.0)]
    base["sizing"] |= {"stop_kind": "trailing"}
    base["strategies"] = [{"name": "said", "stop_kind": "fixed"}]
    assert exits(*bars, with_settings=Settings.model_validate(base)) == []


@pytest.mark.parametrize(("low", "expected"), [(51.01, [(4, 52.0)]), (51.0, [(3, 51.0)])])
def test_a_split_takes_stop_and_distance_along(low, expected):
    # Two for one before bar 3: the stop of 102 stands at 51 and trails by 2, so that a high of 54 takes it to 52.
    rows = np.array(
        [
            *QUIET,
            ASKED,
            BOUGHT,
            (102, 106, 101.5, 105, LONG),
            (52.5, 54, low, 53.5, LONG),
            (53, 53.5, 52, 53, LONG),
        ],
        dtype=float,
    )
    market = make_market({"AAA": rows})
    split = CorporateAction(
        symbol="AAA", day=market.sessions[len(QUIET) + 3].date, kind=ActionKind.SPLIT, value=2.0
    )
    held = create("buy_and_hold", {})
    result = run_backtest(trailing(), replace(market, actions=(split,)), (held,), (1.0,))
    ends = {int(end): number - len(QUIET) for number, end in enumerate(market.end_ns)}
    found = [(ends[one.bar_end_ns], float(one.price)) for one in result.fills() if one.purpose == "stop"]
    assert found == expected


def test_scores_of_many_are_those_of_single_runs():
    market = make_market(
        {
            name: walk(seed, 300, decimals=2, holes=0.02, gaps=0.2, volume=500_000)
            for seed, name in enumerate("AB")
        },
        start=date(2012, 9, 4),
    )
    chosen = trailing(fill_participation=0.3)
    candidates = [[create("momentum", {"fast_window": fast, "slow_window": 9})] for fast in (2, 3, 4)]
    scores = score(chosen, market, candidates, [1.0], windows=[Window(first=0, end=len(market.end_ns))])
    for number, strategies in enumerate(candidates):
        result = run_backtest(chosen, market, strategies, (1.0,))
        assert scores.total_return[number, 0, 0] == result.total_return
        assert scores.fills[number, 0, 0] == len(result.fill_table) > 10
    fixed = score(
        settings(fill_participation=0.3), market, candidates, [1.0], windows=[Window(first=0, end=300)]
    )
    assert (fixed.total_return != scores.total_return).any()
