"""Buy and hold: long from the first bar on. The yardstick that every other strategy is held against.

The weight never changes, and the decision sizes a position at its entry only. So the position is bought once; when its
protective stop is hit it stays sold, for a signal that never changes is never entered again.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core.indicators import bar_is_whole
from core.kernel import kernel
from strategy.base import BarRow, ParameterSpec, StrategyKind


class BuyAndHoldParameters(NamedTuple):
    """Share of the usual position to hold."""

    weight: float


class BuyAndHoldState(NamedTuple):
    """The weight last asked for; NaN before the first bar."""

    weight: float


def new_state(parameters: BuyAndHoldParameters) -> BuyAndHoldState:  # noqa: ARG001 (one contract for all)
    """Empty state for one symbol."""
    return BuyAndHoldState(weight=math.nan)


@kernel
def step(
    parameters: BuyAndHoldParameters, state: BuyAndHoldState, bar: BarRow
) -> tuple[BuyAndHoldState, float]:
    """Weight ``weight`` on every bar; NaN until a bar with finite prices has come.

    Parameters
    ----------
    parameters
        The weight.
    state
        From `new_state`.
    bar
        The bar that has just closed.
    """
    weight = state.weight
    if bar_is_whole(bar.open, bar.high, bar.low, bar.close):
        weight = parameters.weight
    return BuyAndHoldState(weight), weight


def _warmup_bars(parameters: BuyAndHoldParameters) -> int:  # noqa: ARG001 (one contract for all)
    return 1


BUY_AND_HOLD = StrategyKind(
    name="buy_and_hold",
    summary="Long from the first bar on: the yardstick for the others",
    specs=(
        ParameterSpec(
            name="weight",
            default=1.0,
            low=0.01,
            high=1.0,
            search=(1.0,),
            meaning="share of the usual position",
        ),
    ),
    parameters_type=BuyAndHoldParameters,
    new_state=new_state,
    step=step,
    warmup_bars=_warmup_bars,
)
