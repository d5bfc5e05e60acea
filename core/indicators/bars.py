"""Which bars indicators may be fed with."""

from __future__ import annotations

import math

from core.indicators.averages import LARGEST
from core.kernel import kernel


@kernel
def bar_is_whole(open_: float, high: float, low: float, close: float) -> bool:
    """Whether no indicator would pass over this bar: prices finite, positive, below `LARGEST`, high not below low."""
    # The sum is NaN or infinite when one of them is; a comparison with NaN is False.
    finite = math.isfinite(open_ + high + low + close)
    return finite and high >= low and min(open_, low, close) > 0.0 and max(open_, high, close) < LARGEST
