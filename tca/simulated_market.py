"""A market made up to try the algo wheel in: what is best depends on the order, and one day it changes.

Expected costs in basis points, with the quoted spread ``S``, the session's volatility ``v``, the size ``q`` as a share
of the average daily volume, the urgency ``u``, the rest of the session ``r`` and impact ``I = v sqrt(q)``::

    MKT               S/2 + 0.90 I                          crosses the spread, takes what is there
    LMT               0.55 (-S/2 + 0.04 v) + 0.45 (S/2 + 0.9 I + 0.15 u v)
                                                            earns the spread and is picked off when it fills, chases
                                                            the market when it does not
    ADAPTIVE_URGENT   0.38 S + 0.80 I
    ADAPTIVE_NORMAL   0.26 S + 0.70 I + 0.010 u v
    ADAPTIVE_PATIENT  0.14 S + 0.62 I + 0.030 u v
    TWAP              0.25 S + 0.35 I + 0.060 u v sqrt(r)   spread over time: less impact, more waiting
    VWAP              0.25 S + 0.28 I + 0.075 u v sqrt(r)
    MOC               0.05 S + 0.45 I + 0.110 u v sqrt(r)   one auction for all

Impact follows the square-root law (Toth et al., "Anomalous price impact and the critical nature of liquidity in
financial markets", Physical Review X 1, 2011; the factor near one); waiting costs what the signal decays by, in
proportion to volatility and urgency (Almgren and Chriss, "Optimal execution of portfolio transactions", Journal of Risk
3(2), 2000). The other figures are plausible, not measured. Around these a cost scatters with Student's t of five
degrees of freedom, in proportion to volatility and for longer methods more. None of the terms in ``sqrt(r)``, nor their
products, are among the model's features: it has to do with an approximation, as it would in a real market.

After the change the market is another: liquidity providers have left (spread-capturing methods pay 0.4 S more than
before), and slicing is detected (TWAP and VWAP have two and a half times the impact).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.vocabulary import ExecutionMethod
from portfolio.algo_wheel.context import feature_rows
from portfolio.algo_wheel.model import COLUMN, METHODS, FloatArray

_M: Final = ExecutionMethod
TRADED: Final = (
    _M.MKT,
    _M.LMT,
    _M.ADAPTIVE_URGENT,
    _M.ADAPTIVE_NORMAL,
    _M.ADAPTIVE_PATIENT,
    _M.TWAP,
    _M.VWAP,
    _M.MOC,
)
"""Methods of this market."""

_SPREAD_CAPTURING: Final = (_M.LMT, _M.ADAPTIVE_NORMAL, _M.ADAPTIVE_PATIENT)
_SLICED: Final = (_M.TWAP, _M.VWAP)
_MOC_CUT_OFF: Final = 0.97  # of the session; New York's is ten minutes before the close
_SMALLEST_SLICED: Final = 0.0005  # of the average daily volume: too little to slice
_MOST_URGENT: Final = 0.9
_NOISE: Final = {
    _M.MKT: 0.02,
    _M.LMT: 0.05,
    _M.ADAPTIVE_URGENT: 0.02,
    _M.ADAPTIVE_NORMAL: 0.03,
    _M.ADAPTIVE_PATIENT: 0.04,
    _M.TWAP: 0.07,
    _M.VWAP: 0.07,
    _M.MOC: 0.09,
}
_DEGREES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Simulated parent orders before anything is chosen; arrays of shape (orders,), the matrices (orders, K)."""

    is_sell: npt.NDArray[np.bool_]
    spread_bps: FloatArray
    volatility_bps: FloatArray
    adv_share: FloatArray
    day_fraction: FloatArray
    urgency: FloatArray
    mask: npt.NDArray[np.bool_]
    """Which methods are admissible."""

    def __len__(self) -> int:
        return len(self.urgency)

    @property
    def rows(self) -> FloatArray:
        """Feature rows of the wheel, shape (orders, D)."""
        return feature_rows(
            is_sell=self.is_sell,
            spread_bps=self.spread_bps,
            volatility_bps=self.volatility_bps,
            adv_share=self.adv_share,
            day_fraction=self.day_fraction,
            urgency=self.urgency,
        )


def draw_orders(count: int, rng: np.random.Generator) -> Orders:
    """Draw parent orders as they might come."""
    adv_share = np.exp(rng.normal(np.log(0.004), 1.3, count)).clip(1e-5, 0.2)
    day_fraction = rng.beta(0.8, 0.8, count)
    urgency = rng.choice([0.1, 0.3, 0.5, 0.8, 1.0], count, p=[0.2, 0.2, 0.3, 0.2, 0.1])
    mask = np.zeros((count, len(METHODS)), dtype=np.bool_)
    mask[:, [COLUMN[method] for method in TRADED]] = True
    mask[:, COLUMN[_M.MOC]] &= (day_fraction < _MOC_CUT_OFF) & (urgency < _MOST_URGENT)
    for method in _SLICED:
        mask[:, COLUMN[method]] &= adv_share >= _SMALLEST_SLICED
    return Orders(
        is_sell=rng.random(count) < 0.5,
        spread_bps=np.exp(rng.normal(np.log(5.0), 0.8, count)).clip(0.5, 80.0),
        volatility_bps=np.exp(rng.normal(np.log(150.0), 0.4, count)).clip(40.0, 600.0),
        adv_share=adv_share,
        day_fraction=day_fraction,
        urgency=urgency,
        mask=mask,
    )


def expected_costs(orders: Orders, *, changed: bool = False) -> FloatArray:
    """Return the true expected cost of each method, shape (orders, K); infinite where it isn't admissible."""
    spread, volatility, urgency = orders.spread_bps, orders.volatility_bps, orders.urgency
    impact = volatility * np.sqrt(orders.adv_share)
    wait = urgency * volatility
    rest = np.sqrt(1.0 - orders.day_fraction)
    slicing = 2.5 if changed else 1.0
    costs = {
        _M.MKT: 0.5 * spread + 0.9 * impact,
        _M.LMT: 0.55 * (-0.5 * spread + 0.04 * volatility)
        + 0.45 * (0.5 * spread + 0.9 * impact + 0.15 * wait),
        _M.ADAPTIVE_URGENT: 0.38 * spread + 0.8 * impact,
        _M.ADAPTIVE_NORMAL: 0.26 * spread + 0.7 * impact + 0.01 * wait,
        _M.ADAPTIVE_PATIENT: 0.14 * spread + 0.62 * impact + 0.03 * wait,
        _M.TWAP: 0.25 * spread + slicing * 0.35 * impact + 0.06 * wait * rest,
        _M.VWAP: 0.25 * spread + slicing * 0.28 * impact + 0.075 * wait * rest,
        _M.MOC: 0.05 * spread + 0.45 * impact + 0.11 * wait * rest,
    }
    result = np.full(orders.mask.shape, np.inf)
    for method, cost in costs.items():
        lost = 0.4 * spread if changed and method in _SPREAD_CAPTURING else 0.0
        result[:, COLUMN[method]] = cost + lost
    return np.where(orders.mask, result, np.inf)


def realised_costs(
    orders: Orders, methods: npt.NDArray[np.int64], expected: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Draw what the chosen methods cost, shape (orders,)."""
    scale = np.array([_NOISE.get(method, 0.05) for method in METHODS])[methods] * orders.volatility_bps
    unit = rng.standard_t(_DEGREES, len(orders)) / np.sqrt(_DEGREES / (_DEGREES - 2))
    result: FloatArray = expected[np.arange(len(orders)), methods] + scale * unit
    return result
