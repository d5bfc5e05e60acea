"""Momentum: a fast moving average of the close against a slow one.

Long while the fast average stands above the slow one, short while it stands below. Whether shorts are
traded is for the decision to say, not for the strategy.

The rule is the variable-length moving average of Brock, Lakonishok and LeBaron, "Simple Technical Trading
Rules and the Stochastic Properties of Stock Returns", Journal of Finance 47 (1992), with a band of zero.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core.indicators import FIXED_POINT, MAX_WINDOW, SmaState, new_sma, sma_step
from core.kernel import inlined_kernel, kernel
from strategy.base import BarRow, Column, Indicator, ParameterSpec, StrategyKind


class MomentumParameters(NamedTuple):
    """Lengths of the two averages, in bars."""

    fast_window: int
    slow_window: int


class MomentumState(NamedTuple):
    """The two averages."""

    fast: SmaState
    slow: SmaState


def new_state(parameters: MomentumParameters) -> MomentumState:
    """Empty state for one symbol."""
    return MomentumState(fast=new_sma(parameters.fast_window), slow=new_sma(parameters.slow_window))


@kernel
def step(parameters: MomentumParameters, state: MomentumState, bar: BarRow) -> tuple[MomentumState, float]:
    """Weight ``sign(fast - slow)``; NaN until the slow window is full.

    Parameters
    ----------
    parameters
        Unused here: the windows stand in the state's rings.
    state
        From `new_state`; its rings are written in place.
    bar
        The bar that has just closed. A close that is not finite leaves everything as it was.
    """
    fast, fast_average = sma_step(state.fast, bar.close, FIXED_POINT)
    slow, slow_average = sma_step(state.slow, bar.close, FIXED_POINT)
    _memory, weight = rule(parameters, 0.0, bar, (fast_average, slow_average))
    return MomentumState(fast, slow), weight


@inlined_kernel
def rule(
    parameters: MomentumParameters,  # noqa: ARG001 (one contract for all rules)
    memory: float,
    bar: BarRow,  # noqa: ARG001 (one contract for all rules)
    values: tuple[float, float],
) -> tuple[float, float]:
    """Weight ``sign(fast - slow)`` of the two averages; NaN while the slow one is unknown. Nothing is remembered."""
    fast_average, slow_average = values
    weight = 0.0
    if math.isnan(slow_average):
        weight = math.nan
    elif fast_average > slow_average:
        weight = 1.0
    elif fast_average < slow_average:
        weight = -1.0
    return memory, weight


def _columns(parameters: MomentumParameters) -> tuple[Column, Column]:
    return (
        Column(Indicator.SMA_OF_CLOSE, parameters.fast_window),
        Column(Indicator.SMA_OF_CLOSE, parameters.slow_window),
    )


def _warmup_bars(parameters: MomentumParameters) -> int:
    return parameters.slow_window


def _conflict(parameters: MomentumParameters) -> str | None:
    if parameters.fast_window < parameters.slow_window:
        return None
    return f"fast_window: {parameters.fast_window} must be less than slow_window ({parameters.slow_window})"


MOMENTUM = StrategyKind(
    name="momentum",
    summary="Moving-average crossover: with the trend while the fast average is on its side",
    specs=(
        ParameterSpec(
            name="fast_window",
            default=20,
            low=2,
            high=500,
            search=(20, 30, 50),
            meaning="bars of the fast average",
        ),
        ParameterSpec(
            name="slow_window",
            default=100,
            low=3,
            high=MAX_WINDOW,
            search=(100, 150, 200),
            meaning="bars of the slow average",
        ),
    ),
    parameters_type=MomentumParameters,
    new_state=new_state,
    step=step,
    columns=_columns,
    rule=rule,
    warmup_bars=_warmup_bars,
    conflict=_conflict,
)
