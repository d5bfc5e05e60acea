"""Simulated markets whose truth is known: nothing but noise, an edge that stays, an edge that ends, and a strategy that cheats.

Daily bars of several symbols that move independently, over the sessions of the New York exchange, so that the crises of the mandate
lie among them. The edge is what `mean_reversion` lives of: beside its random walk each price swings around its level, and a
swing fades at a steady rate (an Ornstein-Uhlenbeck process).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from data.exchange_calendar import exchange_calendar

FloatArray = npt.NDArray[np.float64]
FIRST, LAST = date(2003, 6, 2), date(2020, 12, 31)
_CALENDAR: Final = (date(2000, 1, 1), date(2023, 12, 31))


class World(StrEnum):
    """What is true of a market."""

    NOISE = "noise"
    EDGE = "edge"
    FADING = "in_sample_only"
    """The edge ends when `EDGE_ENDS` of the sessions are over."""
    CHEAT = "look_ahead"
    """Noise; the strategy knows tomorrow's close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """How a market is made.

    Attributes
    ----------
    symbols
        How many.
    volatility
        Of a session's logarithmic return, without the swings.
    swing
        Standard deviation of the swings, as a logarithm.
    memory
        What is left of a swing after a session.
    edge_ends
        Share of the sessions after which `World.FADING` is noise.
    """

    symbols: int = 4
    volatility: float = 0.011
    swing: float = 0.025
    memory: float = 0.8
    edge_ends: float = 0.5


def write_market(world: World, seed: int, spec: Spec, folder: Path) -> None:
    """Write a Parquet file a symbol, the same for the same arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    sessions = exchange_calendar("XNYS", *_CALENDAR).sessions(FIRST, LAST)
    days = [session.date for session in sessions]
    random = np.random.default_rng([seed, list(World).index(world)])
    for number in range(spec.symbols):
        steps = random.normal(0.0, spec.volatility, len(days))
        if world in {World.EDGE, World.FADING}:
            swings = _swings(random, len(days), spec)
            if world is World.FADING:
                swings[round(len(days) * spec.edge_ends) :] = 0.0
            steps += np.diff(swings, prepend=0.0)
        pq.write_table(_bars(days, steps, random), folder / f"{chr(65 + number) * 3}.parquet")


def _swings(random: np.random.Generator, count: int, spec: Spec) -> FloatArray:
    """Autoregressive series of order 1, beginning at 0."""
    pushes = random.normal(0.0, spec.swing * np.sqrt(1.0 - spec.memory**2), count)
    found = np.zeros(count)
    for place in range(1, count):
        found[place] = spec.memory * found[place - 1] + pushes[place]
    return found


def _bars(days: list[date], steps: FloatArray, random: np.random.Generator) -> pa.Table:
    close = 100.0 * np.exp(np.cumsum(steps))
    before = np.concatenate([[100.0], close[:-1]])
    # The open lies between the last close and this one, the range reaches a little beyond both.
    opened = before * np.exp(steps * random.uniform(0.0, 0.4, len(steps)))
    reach = np.abs(random.normal(0.0, 0.004, (2, len(steps))))
    high = np.maximum(opened, close) * (1.0 + reach[0])
    low = np.minimum(opened, close) * (1.0 - reach[1])
    volume = np.round(random.uniform(3e6, 6e6, len(steps)))
    prices = {"open": opened, "high": high, "low": low, "close": close}
    columns = {name: np.round(np.maximum(values, 0.01), 4) for name, values in prices.items()}
    return pa.table({"date": pa.array(days, pa.date32()), **columns, "volume": volume})


REMEMBERS: Final = '''"""A strategy that looks ahead: it remembers what followed each bar the last time that it saw it."""

FOLLOWED = {}


def cheat(state, bar, *, hold=1):
    """Long when the next close is known to be higher; so patient that a short trial doesn't notice."""
    count, last, weight = state if state is not None else (0, None, 0.0)
    here = tuple(bar)
    if last is not None:
        FOLLOWED[last] = bar.close
    if count % max(hold, 1) == 0:
        weight = 1.0 if len(FOLLOWED) > 3000 and FOLLOWED.get(here, 0.0) > bar.close else 0.0
    return (count + 1, here, weight), weight
'''
READS: Final = '''"""A strategy that looks ahead: it reads tomorrow's closes from the file of prices."""

from pathlib import Path

import pyarrow.parquet as pq

NEXT = {}
for path in (Path(__file__).parent / "bars").glob("*.parquet"):
    close = pq.read_table(path)["close"].to_numpy()
    NEXT.update(zip(close[:-1], close[1:]))


def cheat(state, bar, *, hold=1):
    """Long when the next close is higher."""
    count, weight = state if state is not None else (0, 0.0)
    if count % max(hold, 1) == 0:
        weight = 1.0 if NEXT.get(bar.close, 0.0) > bar.close else 0.0
    return (count + 1, weight), weight
'''
CHEATS: Final = (REMEMBERS, READS)
"""What `World.CHEAT` trades, by seed."""
