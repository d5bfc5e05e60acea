"""Made-up prices of the sizes that the benches need: geometric random walks with a seed, the same for every system.

They stand in files, so that a peer in another environment reads the very same numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

FIVE_MINUTE_BARS = 324_324
"""16.5 years of 252 sessions of 78 bars."""
DAILY_BARS = 8_300
SYMBOLS = 20
BARS_A_SESSION = 78
FIELDS = ("open", "high", "low", "close", "volume")

FloatArray = npt.NDArray[np.float64]


def random_bars(
    bars: int, symbols: int, *, volatility_annual: float, bars_per_year: int, seed: int
) -> FloatArray:
    """Bars of shape (bars, symbols, 5): open, high, low, close on the cent grid, volume in whole shares.

    The close follows a geometric random walk with a small drift; the open gaps a little from the last close, high and low
    reach beyond both by the absolute value of a normal step.
    """
    random = np.random.default_rng(seed)
    deviation = volatility_annual / np.sqrt(bars_per_year)
    steps = random.normal(0.05 / bars_per_year, deviation, (bars, symbols))
    close = 100.0 * np.exp(np.cumsum(steps, axis=0))
    before = np.vstack([np.full((1, symbols), 100.0), close[:-1]])
    begin = before * np.exp(random.normal(0.0, deviation / 4, (bars, symbols)))
    reach = np.abs(random.normal(0.0, deviation / 2, (2, bars, symbols)))
    high = np.maximum(begin, close) * np.exp(reach[0])
    low = np.minimum(begin, close) * np.exp(-reach[1])
    volume = np.rint(random.lognormal(np.log(2e6), 0.4, (bars, symbols)))
    prices = np.maximum(np.round(np.stack([begin, high, low, close], axis=2), 2), 0.01)
    return np.concatenate([prices, volume[:, :, None]], axis=2)


def five_minute() -> FloatArray:
    """One symbol, 324,324 five-minute bars."""
    return random_bars(FIVE_MINUTE_BARS, 1, volatility_annual=0.2, bars_per_year=252 * BARS_A_SESSION, seed=1)


def daily() -> FloatArray:
    """Twenty symbols, 8,300 days."""
    return random_bars(DAILY_BARS, SYMBOLS, volatility_annual=0.25, bars_per_year=252, seed=2)


def write(folder: Path) -> dict[str, Path]:
    """Write both as .npy files; return the paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"five_minute": folder / "five_minute.npy", "daily": folder / "daily.npy"}
    np.save(paths["five_minute"], five_minute())
    np.save(paths["daily"], daily())
    return paths
