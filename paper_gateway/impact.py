"""What the account's own trading does to its prices: the square-root law, with a memory that fades.

A parent order of Q shares in a stock of daily volume V and daily volatility sigma moves the price by about

    I(Q) = Y * sigma * sqrt(Q / V)

with Y of the order of one, for all markets, sizes and ways of slicing that were looked at (Tóth et al. 2011, "Anomalous
price impact and the critical nature of liquidity in financial markets"; Almgren et al. 2005, "Direct estimation of equity
market impact", finds a power of 0.6). The price moves along I(q) while q grows from 0 to Q, so the order pays two thirds
of I(Q) on average.

Here each symbol and side has a *pressure* q: shares that the account has traded there, which are forgotten exponentially
(the resilience of Obizhaeva and Wang 2013, "Optimal trading strategy and supply/demand dynamics"; real decay is slower and
follows a power law, Bouchaud et al. 2004). An order that trades at a constant rate r reaches a pressure of r times the
decay time, and so pays Y * sigma * sqrt(r * decay / V): the square root of its participation.

sigma and V are those of the session's own tape, sigma by its range (Parkinson 1980). Pressure only ever costs: a buy
sees the account's own buying, never the discount of its own selling, so that no round trip gains by it. The tape itself, its
quotes and bars don't move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from data.bar_table import NS_PER_S
from paper_gateway.market import TapeReader

_PARKINSON = 0.6  # 1 / sqrt(4 ln 2)
_LEAST_SIGMA = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactModel:
    """The law's numbers.

    Attributes
    ----------
    strength
        Y; 0: no impact.
    half_life_s
        Market seconds after which half of a pressure is forgotten.
    """

    strength: float = 1.0
    half_life_s: float = 1800.0

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 10:
            raise ValueError(f"the impact's strength must be from 0 to 10: {self.strength}")
        if not 1 <= self.half_life_s <= 1e6:
            raise ValueError(f"the impact's half-life must be from 1 to 1000000 s: {self.half_life_s}")

    def shift(self, reader: TapeReader, start: float, end: float) -> float:
        """Ticks by which the price has moved on average while pressure grew from ``start`` to ``end`` shares."""
        scale = self._scale(reader)
        if scale == 0.0:
            return 0.0
        if end - start < 1e-9:
            return scale * math.sqrt(start)
        return scale * (2.0 / 3.0) * (math.pow(end, 1.5) - math.pow(start, 1.5)) / (end - start)

    def _scale(self, reader: TapeReader) -> float:
        """Ticks that a pressure of one share makes."""
        volume = reader.day_volume[-1]
        if volume <= 0 or self.strength == 0.0:
            return 0.0
        price = reader.open[0]
        sigma = max(_PARKINSON * (reader.day_high[-1] - reader.day_low[-1]) / price, _LEAST_SIGMA)
        return float(self.strength * sigma * price / math.sqrt(volume))


@dataclass(slots=True)
class _Pressure:
    shares: float = 0.0
    at_ns: int = 0


class Pressures:
    """The account's pressure on each symbol and side."""

    def __init__(self, model: ImpactModel) -> None:
        self.model = model
        self._pressures: dict[tuple[str, bool], _Pressure] = {}

    def shift(self, symbol: str, reader: TapeReader, now_ns: int, quantity: int, *, is_buy: bool) -> int:
        """Whole ticks by which ``quantity`` more shares would be worse on average; 0 shares: the present shift."""
        start = self._shares(symbol, now_ns, is_buy=is_buy)
        return round(self.model.shift(reader, start, start + quantity))

    def add(self, symbol: str, now_ns: int, quantity: int, *, is_buy: bool) -> None:
        """Note that shares were traded."""
        shares = self._shares(symbol, now_ns, is_buy=is_buy)
        self._pressures[symbol, is_buy] = _Pressure(shares + quantity, now_ns)

    def _shares(self, symbol: str, now_ns: int, *, is_buy: bool) -> float:
        pressure = self._pressures.get((symbol, is_buy))
        if pressure is None:
            return 0.0
        passed_s = max(now_ns - pressure.at_ns, 0) / NS_PER_S
        return float(pressure.shares * 0.5 ** (passed_s / self.model.half_life_s))
