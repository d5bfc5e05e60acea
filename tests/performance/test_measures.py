from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance.measures import max_drawdown

values = st.floats(min_value=0.01, max_value=1e9)


def test_the_largest_fall_counts_not_the_last() -> None:
    assert max_drawdown([100.0, 120.0, 90.0, 130.0, 117.0]) == pytest.approx(0.25)


@pytest.mark.parametrize("equity", [[], [5.0], [1.0, 1.0, 2.0, 3.0]])
def test_a_curve_that_never_falls_has_no_drawdown(equity: list[float]) -> None:
    assert max_drawdown(equity) == 0.0


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_value_that_is_no_equity_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="positive, finite"):
        max_drawdown([1.0, bad])


@given(st.lists(values, min_size=1))
def test_it_equals_the_worst_over_all_pairs(equity: list[float]) -> None:
    pairs = [1 - low / high for i, high in enumerate(equity) for low in equity[i:]]
    assert max_drawdown(equity) == pytest.approx(max(pairs))


@given(st.lists(values), st.floats(min_value=0.5, max_value=2.0))
def test_the_currency_does_not_matter(equity: list[float], rate: float) -> None:
    assert max_drawdown([value * rate for value in equity]) == pytest.approx(max_drawdown(equity), abs=1e-9)
