"""How well the checks work: random series without a defect, the same with a planted one, and how often each is found.

``python -m data calibrate`` prints the table; the tests plant the same defects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np

from data.bar_table import NS_PER_S, BarTable, DataError
from data.csv_bars import stamp_table
from data.exchange_calendar import ExchangeCalendar, exchange_calendar
from data.quality.findings import Check, Finding, Policies, Policy
from data.quality.gate import check_rows, default_policies
from data.quality.integrity import Rows
from data.quality.splits import RATIOS

Random = np.random.Generator
Walk = Literal["normal", "fat tails"]

LENIENT: Policies = {
    check: Policy.DROP if policy is Policy.FAIL else policy for check, policy in default_policies().items()
}
"""The default policies with ``drop`` in place of ``fail``, so that a check can be seen at work."""


def calendar() -> ExchangeCalendar:
    """Return the sessions on which the series are made."""
    return exchange_calendar("XNYS", date(2000, 1, 3), date(2020, 12, 31))


def random_rows(random: Random, bars: int, *, walk: Walk = "normal", volatility: float = 0.015) -> Rows:
    """Daily bars of a random walk without a defect.

    Parameters
    ----------
    random
        Source of randomness.
    bars
        How many sessions.
    walk
        Steps are normal, or have fat tails: Student's t with four degrees of freedom.
    volatility
        Standard deviation of a day's log return.
    """
    known = calendar()
    sessions = known.sessions(known.first_date, known.last_date)
    begin = int(random.integers(0, len(sessions) - bars))
    steps = random.standard_normal(bars) if walk == "normal" else random.standard_t(4, bars) / np.sqrt(2.0)
    closes = 80.0 * np.exp(np.cumsum(volatility * steps))
    opens = np.append(80.0, closes[:-1]) * np.exp(0.3 * volatility * random.standard_normal(bars))
    reach = np.exp(0.4 * volatility * np.abs(random.standard_normal((2, bars))))
    prices = np.vstack(
        [opens, np.maximum(opens, closes) * reach[0], np.minimum(opens, closes) / reach[1], closes]
    )
    days = [one.date.toordinal() - date(1970, 1, 1).toordinal() for one in sessions[begin : begin + bars]]
    return Rows(
        symbol="XYZ",
        is_daily=True,
        time_ns=np.array(days, dtype=np.int64) * 86_400 * NS_PER_S,
        prices=prices.round(4),
        volume=np.rint(2e6 * np.exp(0.4 * random.standard_normal(bars))),
        lines=np.empty(0, dtype=np.int64),
        origin="random walk",
    )


def inspect(rows: Rows, policies: Policies = LENIENT) -> tuple[BarTable | None, tuple[Finding, ...]]:
    """Pass rows through all checks; the table is None when nothing was left."""
    known = calendar()
    try:
        checked = check_rows(
            {rows.symbol: rows}, lambda some: stamp_table(some, "", known, policies), known, policies
        )
    except DataError:
        return None, ()
    return checked.tables[rows.symbol], checked.report.findings


def _with(rows: Rows, **changes: object) -> Rows:
    return replace(rows, **changes)  # type: ignore[arg-type]


def _swap(rows: Rows, row: int, _random: Random) -> Rows:
    order = np.arange(len(rows.time_ns))
    order[[row, row + 1]] = order[[row + 1, row]]
    return rows.take(order)


def _repeat(rows: Rows, row: int, _random: Random) -> Rows:
    return rows.take(np.insert(np.arange(len(rows.time_ns)), row, row))


def _price(rows: Rows, row: int, random: Random) -> Rows:
    prices = rows.prices.copy()
    prices[random.integers(4), row] = random.choice([0.0, -1.0, np.nan])
    return _with(rows, prices=prices)


def _volume(value: float) -> Callable[[Rows, int, Random], Rows]:
    def plant(rows: Rows, row: int, _random: Random) -> Rows:
        volume = rows.volume.copy()
        volume[row] = value
        return _with(rows, volume=volume)

    return plant


def _cross(rows: Rows, row: int, random: Random) -> Rows:
    prices = rows.prices.copy()
    if random.integers(2):
        prices[1, row] = prices[2, row] * 0.99
    else:
        prices[2, row] = prices[1, row] * 1.01
    return _with(rows, prices=prices)


def _saturday(rows: Rows, row: int, _random: Random) -> Rows:
    stamps = rows.time_ns.copy()
    while (stamps[row] // (86_400 * NS_PER_S) + 4) % 7 != 5:  # 1970-01-01 was a Thursday; 5 is Friday
        row += 1
    stamps[row] += 86_400 * NS_PER_S
    return _with(rows, time_ns=stamps)


def _hole(rows: Rows, row: int, random: Random) -> Rows:
    gone = np.arange(row, row + int(random.integers(1, 8)))
    return rows.take(np.setdiff1d(np.arange(len(rows.time_ns)), gone))


def _spike(rows: Rows, row: int, random: Random) -> Rows:
    factor = float(random.choice([0.1, 0.5, 1.8, 10.0]))
    prices = rows.prices.copy()
    chosen = [0, 1, 2, 3] if random.integers(2) else [1 if factor > 1 else 2]
    prices[chosen, row] *= factor
    return _with(rows, prices=prices)


def _split(rows: Rows, row: int, random: Random) -> Rows:
    ratio = float(random.choice(list(RATIOS.values())))
    prices, volume = rows.prices.copy(), rows.volume.copy()
    prices[:, row:] /= ratio
    volume[row:] *= ratio
    return _with(rows, prices=prices, volume=volume)


def _reuse(rows: Rows, row: int, random: Random) -> Rows:
    prices = rows.prices.copy()
    prices[:, row:] *= float(random.choice([0.1, 12.0]))
    gone = np.arange(row, row + int(random.integers(35, 60)))
    return _with(rows, prices=prices).take(np.setdiff1d(np.arange(len(rows.time_ns)), gone))


def _copies(rows: Rows, row: int, _random: Random) -> Rows:
    prices, volume = rows.prices.copy(), rows.volume.copy()
    prices[:, row + 1 : row + 3] = prices[:, [row]]
    volume[row + 1 : row + 3] = volume[row]
    return _with(rows, prices=prices, volume=volume)


PLANTS: dict[Check, Callable[[Rows, int, Random], Rows]] = {
    Check.ORDER: _swap,
    Check.DUPLICATES: _repeat,
    Check.NON_POSITIVE: _price,
    Check.BAD_VOLUME: _volume(-5.0),
    Check.CROSSED: _cross,
    Check.OUTSIDE_SESSIONS: _saturday,
    Check.HOLES: _hole,
    Check.BAD_TICKS: _spike,
    Check.UNADJUSTED_SPLITS: _split,
    Check.TICKER_REUSE: _reuse,
    Check.ZERO_VOLUME: _volume(0.0),
    Check.STALE: _copies,
}
"""A way to plant each defect at a row that isn't near the ends."""


def plant(check: Check, rows: Rows, random: Random) -> Rows:
    """Put one defect into a series of at least 200 bars."""
    return PLANTS[check](rows, int(random.integers(80, len(rows.time_ns) - 100)), random)


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one check spoke: in series with its defect planted, and in series without any."""

    check: Check
    planted: int
    found: int
    clean: int
    false_alarms: int


def calibrate(
    series: int,
    *,
    bars: int = 1000,
    walk: Walk = "normal",
    seed: int = 1,
    advance: Callable[[str], None] = lambda _now: None,
) -> list[Rate]:
    """Measure every check on ``series`` random walks with its defect, and on as many without.

    Parameters
    ----------
    series, bars
        How many series of each kind, and their length.
    advance
        Is called after each check, the series without a defect first.
    """
    random = np.random.default_rng(seed)
    alarms = dict.fromkeys(Check, 0)
    for _ in range(series):
        _, findings = inspect(random_rows(random, bars, walk=walk))
        for check in {one.check for one in findings}:
            alarms[check] += 1
    advance(f"{walk}: no defect")
    rates = []
    for check in Check:
        found = 0
        for _ in range(series):
            _, findings = inspect(plant(check, random_rows(random, bars, walk=walk), random))
            found += any(one.check is check for one in findings)
        rates.append(Rate(check, series, found, series, alarms[check]))
        advance(f"{walk}: {check.value}")
    return rates
