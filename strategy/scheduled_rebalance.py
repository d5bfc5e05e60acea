"""Scheduled rebalance: a constant weight, entered anew every so many bars.

The decision sizes a position at its entry and holds it as it is while the direction stays. A weight that merely goes
on would therefore never be brought back to its share of the equity, and a position whose stop was hit would never be
bought again. So on each bar of the schedule the weight is 0, which closes the position, and on the next bar
it is back, which buys it at the size that is right then. The price of this is two fills and one bar out of the
market at each date.

The schedule counts the bars since the state was new, because a step does not see the time: after a restart it counts from
the first bar of the warm-up, and dates move.

Constant-mix rebalancing: Perold and Sharpe, "Dynamic Strategies for Asset Allocation", Financial Analysts Journal 44
(1988).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core.indicators import bar_is_whole
from core.kernel import kernel
from strategy.base import BarRow, ParameterSpec, StrategyKind


class ScheduledRebalanceParameters(NamedTuple):
    """Share of the usual position to hold, and the bars from one date to the next."""

    weight: float
    every_bars: int


class ScheduledRebalanceState(NamedTuple):
    """Bars seen, and the weight last asked for (NaN before the first bar)."""

    seen: int
    weight: float


def new_state(parameters: ScheduledRebalanceParameters) -> ScheduledRebalanceState:  # noqa: ARG001 (one contract for all)
    """Empty state for one symbol."""
    return ScheduledRebalanceState(seen=0, weight=math.nan)


@kernel
def step(
    parameters: ScheduledRebalanceParameters, state: ScheduledRebalanceState, bar: BarRow
) -> tuple[ScheduledRebalanceState, float]:
    """Weight 0 on the bars ``every_bars``, ``2 * every_bars``, ... after the first, ``weight`` on all others.

    Parameters
    ----------
    parameters
        Weight and schedule.
    state
        From `new_state`.
    bar
        The bar that has just closed. One that is not whole is not counted.
    """
    seen, weight = state
    if bar_is_whole(bar.open, bar.high, bar.low, bar.close):
        due = seen > 0 and seen % parameters.every_bars == 0
        weight = 0.0 if due else parameters.weight
        seen += 1
    return ScheduledRebalanceState(seen, weight), weight


def _warmup_bars(parameters: ScheduledRebalanceParameters) -> int:  # noqa: ARG001 (one contract for all)
    return 1


SCHEDULED_REBALANCE = StrategyKind(
    name="scheduled_rebalance",
    summary="A constant weight, closed and entered anew every so many bars",
    specs=(
        ParameterSpec(
            name="weight",
            default=1.0,
            low=0.01,
            high=1.0,
            search=(1.0,),
            meaning="share of the usual position",
        ),
        ParameterSpec(
            name="every_bars",
            default=21,
            low=2,
            high=100_000,
            search=(5, 21, 63),
            meaning="bars from one date to the next",
        ),
    ),
    parameters_type=ScheduledRebalanceParameters,
    new_state=new_state,
    step=step,
    warmup_bars=_warmup_bars,
)
