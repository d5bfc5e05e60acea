"""When a decision need not be asked for again, because it would say once more what it has just said. Kernels.

Live trading decides on every bar. On most bars of a backtest nothing can come of it, and a proof of that is cheaper than
the decision: a decision *stands* when it wants exactly what is held, and when what it refuses is refused for a reason
that outlasts prices (`decision_stands`). It goes on standing, with the same reasons and directions, as long as

1. no position, no fill's direction and no signal's side has changed, a side being long, short, none or unknown,
2. no symbol's close or ATR has become known or unknown (`is_sizeable`),
3. the throttle is the same, and
4. what is held fits under the caps (`holdings_fit`).

The caller watches 1 to 3. Why that is enough: rule 2 of `portfolio.decision` holds a position while its signal keeps its
side, and only the throttle and the caps can cut it. An entry without a position is refused before anything is sized
if shorts aren't allowed or the position of this signal has ended (rules 3 and 4), and comes to nothing if the throttle is 0.
Sizes, volatility target, cash, places and fill budget matter to entries only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core.kernel import inlined_kernel
from core.reasons import Reason
from portfolio.decision_types import DecisionParameters, FloatMatrix, IntMatrix
from portfolio.shared_sizing_logic import sign

_SLACK = 1.0 - 1e-9
"""What looks like fitting by less than this is left to the decision, whose sums round differently."""


class QuietLimits(NamedTuple):
    """First drawdown at which the throttle falls (infinite if none), and both exposure caps."""

    first_level: float
    symbol: float
    gross: float


@inlined_kernel
def quiet_limits(parameters: DecisionParameters) -> QuietLimits:
    """Limits for `surely_unthrottled` and `holdings_fit`."""
    levels = parameters.drawdown_levels
    first = levels[0] if levels.size > 0 else math.inf
    return QuietLimits(first, parameters.max_symbol_exposure, parameters.max_gross_exposure)


@inlined_kernel
def decision_stands(
    throttle: float, signals: FloatMatrix, positions: FloatMatrix, targets: FloatMatrix, reasons: IntMatrix
) -> bool:
    """Whether a decision changes nothing and would be made again, as far as can be told from itself.

    Parameters
    ----------
    throttle
        The throttle that it was made with.
    signals, positions, targets, reasons
        What went into `portfolio.decision.decide_into` and what came out.
    """
    for strategy in range(positions.shape[0]):
        for symbol in range(positions.shape[1]):
            cell = (strategy, symbol)
            reason = reasons[cell]
            if targets[cell] != positions[cell]:
                return False
            if positions[cell] != 0.0:
                if reason != Reason.NONE:
                    return False
            elif sign(signals[cell]) != 0:
                lasting = reason == Reason.STOPPED_OUT or reason == Reason.SHORT_NOT_ALLOWED  # noqa: PLR1714 (kernel)
                if not lasting and not (reason == Reason.DRAWDOWN_THROTTLE and throttle == 0.0):
                    return False
    return True


@inlined_kernel
def is_sizeable(close: float, atr: float) -> bool:
    """Whether the decision would size an entry at this close and ATR."""
    return 0.0 < close < math.inf and 0.0 < atr < math.inf


@inlined_kernel
def surely_unthrottled(limits: QuietLimits, nlv: float, peak: float) -> bool:
    """Whether the throttle is 1, without a division; False may mean that it is too close to tell."""
    return peak - nlv < limits.first_level * peak * _SLACK


@inlined_kernel
def holdings_fit(limits: QuietLimits, throttle: float, nlv: float, largest: float, total: float) -> bool:
    """Whether no cap cuts anything that is held; False may mean that it is too close to tell.

    Parameters
    ----------
    limits, throttle
        The caps, and the scale on them.
    nlv
        Net liquidation value.
    largest, total
        Value of the largest symbol and of all of them, each position by its absolute size; in the unit of ``nlv``.
    """
    room = throttle * nlv * _SLACK
    return nlv > 0.0 and largest <= limits.symbol * room and total <= limits.gross * room
