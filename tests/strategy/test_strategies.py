"""Hand-drawn closes → expected weights, and what every strategy must keep to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from strategy.base import BarRow, ParameterSpec, Strategy, scan
from strategy.registry import STRATEGIES, create
from tests.strategy.quick import SINGLE, quick

NAN = math.nan
everyone = pytest.mark.parametrize("name", SINGLE)


def bars_of(closes: list[float]) -> np.ndarray:
    """Bars that open, stay and close at one price."""
    column = np.asarray(closes, dtype=np.float64)
    return np.column_stack([column, column, column, column, np.full(len(column), 1000.0)])


def weights(strategy: Strategy, closes: list[float]) -> list[float]:
    return [float(weight) for weight in scan(strategy, bars_of(closes))]


def test_momentum_goes_with_the_side_of_the_fast_average():
    strategy = create("momentum", {"fast_window": 2, "slow_window": 3})
    #       closes            10   11   12   11    8    9   11
    #       fast                 10.5 11.5 11.5  9.5  8.5   10
    #       slow                      11.0 11.3 10.3  9.3  9.3
    expected = [NAN, NAN, 1.0, 1.0, -1.0, -1.0, 1.0]
    got = weights(strategy, [10.0, 11.0, 12.0, 11.0, 8.0, 9.0, 11.0])
    np.testing.assert_array_equal(got, expected)


def test_momentum_wants_nothing_when_the_averages_are_equal():
    strategy = create("momentum", {"fast_window": 2, "slow_window": 4})
    assert weights(strategy, [10.0] * 6)[3:] == [0.0] * 3


def test_mean_reversion_enters_at_an_extreme_and_leaves_in_the_middle():
    strategy = create("mean_reversion", {"window": 2})
    # Changes -1 -2 | +1 +3 -4; averages of gains 0, 0.5, 1.75, 0.875 and of losses 1.5, 0.75, 0.375, 2.1875:
    # RSI 0, 40, 82.4, 28.6.
    closes = [10.0, 9.0, 7.0, 8.0, 11.0, 7.0]
    # Oversold at 0: long. 40 is below the middle: still long. 82.4 is beyond overbought: short. 28.6: long again.
    np.testing.assert_array_equal(weights(strategy, closes), [NAN, NAN, 1.0, 1.0, -1.0, 1.0])


def test_mean_reversion_leaves_when_the_index_comes_back_to_the_exit_level():
    strategy = create("mean_reversion", {"window": 2, "exit_level": 40.0})
    assert weights(strategy, [10.0, 9.0, 7.0, 8.0])[2:] == [1.0, 0.0]  # RSI 0, then 40


@everyone
def test_the_weight_is_nan_for_the_warm_up_and_only_then(name):
    strategy = create(name, {})
    closes = np.random.default_rng(5).normal(100.0, 1.0, 3 * strategy.warmup_bars).tolist()
    missing = np.isnan(weights(strategy, closes))
    assert missing[: strategy.warmup_bars - 1].all()
    assert not missing[strategy.warmup_bars - 1 :].any()


@everyone
@settings(max_examples=30, deadline=None)
@given(closes=st.lists(st.floats(min_value=0.01, max_value=1e5), min_size=1, max_size=300))
def test_weights_lie_between_minus_one_and_one(name, closes):
    got = np.asarray(weights(quick(name), closes))
    assert np.all(np.isnan(got) | (np.abs(got) <= 1.0))


@everyone
@settings(max_examples=30, deadline=None)
@given(place=st.integers(0, 150), bad=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_bar_that_is_not_finite_changes_nothing_before_or_after(name, place, bad):
    closes = np.random.default_rng(6).normal(100.0, 1.0, 150).tolist()
    holed = weights(quick(name), [*closes[:place], bad, *closes[place:]])
    at_hole = holed.pop(place)
    plain = weights(quick(name), closes)
    np.testing.assert_array_equal(holed, plain)
    np.testing.assert_array_equal(at_hole, plain[place - 1] if place else math.nan)


@everyone
@pytest.mark.parametrize("column", range(4))
def test_a_hole_in_one_price_alone_passes_the_bar_over_or_is_not_looked_at(name, column):
    bars = bars_of(np.random.default_rng(7).normal(100.0, 1.0, 300).tolist())
    holed = bars.copy()
    holed[50, column] = math.nan
    got = np.delete(scan(quick(name), holed), 50)
    without = scan(quick(name), np.delete(bars, 50, axis=0))
    untouched = np.delete(scan(quick(name), bars), 50)
    assert np.array_equal(got, without, equal_nan=True) or np.array_equal(got, untouched, equal_nan=True)


@everyone
def test_two_symbols_do_not_share_a_state(name):
    strategy = quick(name)
    first, second = strategy.new_state(), strategy.new_state()
    rising = [BarRow(p, p, p, p, 1.0) for p in np.linspace(50.0, 150.0, strategy.warmup_bars + 5).tolist()]
    for bar in rising:
        first, alone = strategy.step(first, bar)
    for bar in rising:
        second, weight = strategy.step(second, bar)
    assert weight == alone
    first_weight = strategy.step(strategy.new_state(), rising[0])[1]
    assert math.isnan(first_weight) == (strategy.warmup_bars > 1)


@everyone
def test_every_value_of_the_search_space_is_allowed(name):
    kind = STRATEGIES[name]
    assert set(kind.search_space()) == {spec.name for spec in kind.specs}
    for key, values in kind.search_space().items():
        for value in values:
            assert kind.validate({key: value}) == []


@everyone
def test_the_specs_name_the_kernels_parameters_in_order(name):
    kind = STRATEGIES[name]
    assert tuple(spec.name for spec in kind.specs) == kind.create({}).parameters._fields


@everyone
def test_parameters_reach_the_kernel_in_one_type_whatever_the_file_wrote(name):
    kind = STRATEGIES[name]
    as_written = {
        s.name: int(s.default) if s.default == int(s.default) and not s.is_integer else float(s.default)
        for s in kind.specs
    }
    converted = kind.create(as_written).parameters
    assert [type(value) for value in converted] == [type(spec.default) for spec in kind.specs]


def test_scan_refuses_another_shape():
    with pytest.raises(ValueError, match="shape"):
        scan(create("momentum", {}), np.zeros((3, 4)))


def test_a_spec_whose_default_is_out_of_its_own_bounds_is_refused():
    with pytest.raises(ValueError, match="outside"):
        ParameterSpec(name="x", default=5, low=1, high=4, search=(), meaning="")


def test_a_plain_python_step_is_accepted():
    kind = STRATEGIES["momentum"]
    plain = Strategy(
        kind=type(kind)(
            name="hold",
            summary="always long",
            specs=(),
            parameters_type=lambda: None,
            new_state=lambda _parameters: None,
            step=lambda _parameters, state, _bar: (state, 1.0),
            warmup_bars=lambda _parameters: 0,
        ),
        parameters=None,
    )
    assert weights(plain, [1.0, 2.0]) == [1.0, 1.0]


def test_create_raises_with_every_problem_at_once():
    with pytest.raises(ConfigError) as caught:
        create("momentum", {"fast_windw": 3, "slow_window": 100_000})
    assert len(caught.value.problems) == 2
