"""What is searched: values as they are written, combinations by number, and draws without a list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.search.draw import Draw, shuffled
from backtester.search.grid import change_settings, make_space
from backtester.search.ranges import read_values
from backtester.search.space import Axis, Space
from core.config_schema import Settings
from core.errors import ConfigError
from strategy.registry import create


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5..8", (5, 6, 7, 8)),
        ("50..290:80", (50, 130, 210, 290)),
        ("50..100:40", (50, 90)),
        ("0.1..0.5:0.1", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("-90..-70:10", (-90, -80, -70)),
        ("30,10,20,10", (10, 20, 30)),
        ("1..3,10", (1, 2, 3, 10)),
        ("tiered,fixed", ("tiered", "fixed")),
        ("true,false", (True, False)),
        ("1e-3,0.5", (0.001, 0.5)),
    ],
)
def test_values_are_read_as_they_are_written(text, values):
    read = read_values(text)
    assert read == values
    assert [type(one) for one in read] == [type(one) for one in values]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0.1..0.5", "needs a step"),
        ("9..5", "has no values"),
        ("5..9:0", "has no values"),
        ("5..", "is no range"),
        ("a..b", "is no range"),
        ("5,,6", "empty value"),
        ("0..1e9", "more than 1,000,000"),
    ],
)
def test_what_cannot_be_read_is_told(text, told):
    with pytest.raises(ValueError, match=told):
        read_values(text)


@st.composite
def spaces(draw):
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    return Space(
        axes=tuple(
            Axis(key=f"s.p{place}", values=tuple(range(length)), strategy=0)
            for place, length in enumerate(lengths)
        )
    )


@given(spaces(), st.data())
def test_a_combination_and_its_number_are_one(space, data):
    number = data.draw(st.integers(0, space.size - 1))
    places = space.places(number)
    assert space.number(places) == number
    assert list(space.values(number).values()) == list(places)


@given(spaces(), st.data())
def test_neighbours_are_one_step_away_and_know_each_other(space, data):
    number = data.draw(st.integers(0, space.size - 1))
    here = np.array(space.places(number))
    around = space.neighbours(number)
    assert len(set(around)) == len(around)
    assert number not in around
    for one in around:
        assert np.abs(np.array(space.places(one)) - here).max() == 1
        assert number in space.neighbours(one)


def test_words_have_no_neighbours():
    space = Space(axes=(Axis(key="backtest.commission", values=("tiered", "fixed"), strategy=None),))
    assert space.neighbours(0) == []


@given(st.integers(1, 3_000), st.integers(0, 2**40))
def test_a_draw_meets_every_combination_once(size, seed):
    assert sorted(shuffled(np.arange(size), size, seed).tolist()) == list(range(size))


def test_a_draw_from_a_huge_space_is_the_same_in_parts_and_depends_on_the_seed():
    draw = Draw(size=10**15, count=5_000, seed=3)
    whole = draw.numbers(0, 5_000)
    parts = [draw.numbers(first, end) for first, end in draw.chunks(700)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(np.unique(whole)) == 5_000
    assert whole.min() < 10**13
    assert whole.max() > 9.9 * 10**14
    assert not np.array_equal(Draw(size=10**15, count=5_000, seed=4).numbers(0, 5_000), whole)


@pytest.fixture
def momentum():
    return [create("momentum", {})]


def test_without_a_grid_the_values_worth_searching_are_searched(momentum):
    space = make_space([], momentum, Settings())
    assert space.describe() == {
        "momentum.fast_window": [20, 30, 50],
        "momentum.slow_window": [100, 150, 200],
    }


def test_keys_of_strategies_and_of_the_configuration_make_a_space(momentum):
    grid = [
        "momentum.fast_window=5..44",
        "sizing.risk_per_trade=0.005,0.01",
        "backtest.commission=tiered,fixed",
    ]
    space = make_space(grid, momentum, Settings())
    assert space.size == 160
    assert [axis.strategy for axis in space.axes] == [0, None, None]
    changed = change_settings(
        Settings(), (("sizing.risk_per_trade", 0.005), ("backtest.commission", "fixed"))
    )
    assert (changed.sizing.risk_per_trade, changed.backtest.commission) == (0.005, "fixed")
    assert changed.caps == Settings().caps


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("momentum.fast_windw=5", "unknown parameter of momentum; did you mean fast_window?"),
        ("momentum.fast_window=1..3", "momentum.fast_window: 1 is out of range: allowed 2 to 500"),
        ("momentum.fast_window=0.5", "0.5 must be a whole number, 2 to 500"),
        ("momentum.fast_window=ten", "'ten' must be a number, 2 to 500"),
        ("momentm.fast_window=5", "did you mean momentum?"),
        ("sizing.risk_per_trad=0.01", "unknown key; did you mean risk_per_trade?"),
        ("sizing.risk_per_trade=0.5", "0.5 is not allowed: must be a number above 0, at most 0.05"),
        ("sizing.drawdown_levels=0.1", "holds several values"),
        ("backtest.commission=free", "must be one of tiered, fixed, none"),
        ("broker.port=1..5", "can't be searched"),
        ("caps.settlement_days=0..2", "can't be searched"),
        ("strategies.0.weight=0.1", "name the strategy instead"),
        ("momentum.fast_window", "write KEY=VALUES"),
        ("momentum.fast_window=5..9:x", "needs a step"),
    ],
)
def test_a_wrong_key_or_value_is_told(momentum, text, told):
    with pytest.raises(ConfigError) as caught:
        make_space([text], momentum, Settings())
    assert told in caught.value.problems[0]


def test_every_problem_is_told_at_once(momentum):
    with pytest.raises(ConfigError) as caught:
        make_space(
            ["momentum.fast=1", "sizing.x=1", "momentum.slow_window=50", "momentum.slow_window=60"],
            momentum,
            Settings(),
        )
    assert len(caught.value.problems) == 3
    assert "is given twice" in caught.value.problems[2]
