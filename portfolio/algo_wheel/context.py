"""What is known of a parent order when its method is chosen. Nothing that happens later belongs here."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from core.vocabulary import Side

FloatVector = npt.NDArray[np.float64]

FEATURES: Final = (
    "one",
    "spread",
    "volatility",
    "root_size",
    "impact",
    "urgency_risk",
    "day_fraction",
    "is_sell",
)
"""Names of the model's features, in the order of :func:`features`."""

_BOUNDS: Final = {
    "spread_bps": (0.0, 1_000.0),
    "volatility_bps": (0.0, 5_000.0),
    "adv_share": (0.0, 1.0),
    "day_fraction": (0.0, 1.0),
    "urgency": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderContext:
    """A parent order's situation at its decision.

    A figure that isn't known is NaN, and then the wheel takes its safe default.
    """

    side: Side
    spread_bps: float
    """Quoted spread over the mid."""
    volatility_bps: float
    """Volatility of a session, as a fraction of the price."""
    adv_share: float
    """Quantity over the average volume of a session."""
    day_fraction: float
    """Part of the session that is over: 0 at the open, 1 at the close."""
    urgency: float
    """0 may take the whole session, 1 must be done at once."""

    def problem(self) -> str | None:
        """Say what makes the context unusable, with its key, value and allowed range; None when it is sound."""
        for name, (low, high) in _BOUNDS.items():
            value = float(getattr(self, name))
            if not (math.isfinite(value) and low <= value <= high):
                return f"{name} is {value:g}, not in {low:g}..{high:g}"
        return None


NUMBERS: Final = tuple(field.name for field in fields(OrderContext) if field.name in _BOUNDS)


def features(context: OrderContext) -> FloatVector:
    """Feature vector of one sound context, shape (len(FEATURES),); see :func:`feature_rows`."""
    numbers = {name: np.array([getattr(context, name)], dtype=np.float64) for name in NUMBERS}
    return feature_rows(is_sell=np.array([context.side is Side.SELL]), **numbers).reshape(-1)


def feature_rows(
    *,
    is_sell: npt.NDArray[np.bool_],
    spread_bps: FloatVector,
    volatility_bps: FloatVector,
    adv_share: FloatVector,
    day_fraction: FloatVector,
    urgency: FloatVector,
) -> npt.NDArray[np.float64]:
    """Feature rows of many contexts, shape (contexts, len(FEATURES)).

    Costs are sums of a part of the spread, of impact (volatility times the root of the size, the square-root law) and
    of the risk of waiting; so these are the columns, each scaled to about one for a usual order.
    """
    root_size = np.sqrt(adv_share)
    return np.column_stack(
        (
            np.ones_like(spread_bps),
            spread_bps / 5.0,
            volatility_bps / 150.0,
            root_size / 0.1,
            volatility_bps * root_size / 15.0,
            volatility_bps * urgency / 150.0,
            day_fraction,
            is_sell.astype(np.float64),
        )
    )
