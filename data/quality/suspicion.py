"""Bars that may be wrong: holes, spikes, splits, another company under the same name, no volume, repeats.

None of these can be proved from the bars alone. The thresholds are such that a random walk gives no finding and a
planted defect is found; ``python -m data calibrate`` measures both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

import numpy as np

from data.bar_table import DAILY, NS_PER_S, BarTable
from data.quality.expected import expected_ends, is_among
from data.quality.findings import Check, Finding, Policies, Policy, moment_text
from data.quality.scale import local_scale, runs
from data.quality.splits import unadjusted_splits
from data.sessions import ExchangeCalendar

SPIKE_SCALES: Final = 8.0
"""A spike is so many local standard deviations away from both of its neighbours..."""
SPIKE_LEAST: Final = 0.05
"""... and at least this far, as a log return."""
REUSE_SESSIONS: Final = 30
REUSE_SCALES: Final = 4.0
REUSE_LEAST: Final = math.log(1.5)
LONG_GAP_SESSIONS: Final = 250
FLAT_BARS: Final = 5
"""So many bars in a row at one and the same price, or without volume at the same four, are stale."""

KnownSplits = frozenset[tuple[str, date]]
Outcome = tuple[BarTable | None, list[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A table under one check: the table, its calendar, the check's policy, and the splits that are known."""

    table: BarTable
    calendar: ExchangeCalendar
    check: Check
    policy: Policy
    known_splits: KnownSplits

    def finding(self, row_ns: int, text: str, *, count: int = 1, done: str = "") -> Finding:
        """Tell of the bar that ends at ``row_ns``."""
        return Finding(
            check=self.check,
            policy=self.policy,
            symbol=self.table.symbol,
            time_ns=int(row_ns),
            is_daily=self.table.is_daily,
            text=text,
            count=count,
            done=done,
        )

    def when(self, row_ns: int) -> str:
        """Time of a bar for a person."""
        return moment_text(int(row_ns), is_daily=self.table.is_daily)


def examine(
    table: BarTable,
    calendar: ExchangeCalendar,
    policies: Policies,
    known_splits: KnownSplits = frozenset(),
) -> Outcome:
    """Run all checks on a table; each sees what the one before it left.

    Parameters
    ----------
    known_splits
        Symbols and days of splits that are no defects.

    Returns
    -------
    table, findings
        The table is None when a policy left the symbol, or all of its bars, out.
    """
    findings: list[Finding] = []
    left: BarTable | None = table
    for check, step in _STEPS.items():
        if left is None:
            break
        left, found = step(
            Suspect(
                table=left,
                calendar=calendar,
                check=check,
                policy=policies[check],
                known_splits=known_splits,
            )
        )
        findings += found
    return left, findings


def keep(table: BarTable, rows: np.ndarray) -> BarTable | None:
    """Table with these rows only; None when there are none."""
    if not rows.any():
        return None
    columns = {name: getattr(table, name)[rows] for name in _COLUMNS}
    return replace(table, **columns)


def _ticker_reuse(suspect: Suspect) -> Outcome:
    table = suspect.table
    expected = expected_ends(table, suspect.calendar)
    place = np.searchsorted(expected, table.end_ns)
    gaps = np.diff(place) - 1
    per_session = 1 if table.is_daily else max(round(len(expected) / _sessions(table)), 1)
    wide = np.flatnonzero(gaps >= REUSE_SESSIONS * per_session).tolist()
    scale = local_scale(table.close) if wide else table.close
    found, cut = [], 0
    for row in wide:
        missing = int(gaps[row])
        jump = math.log(table.open[row + 1] / table.close[row])
        usual = REUSE_SCALES * float(scale[row]) * math.sqrt(missing)
        if abs(jump) > max(REUSE_LEAST, usual) or missing >= LONG_GAP_SESSIONS * per_session:
            cut = row + 1
            text = (
                f"{missing} bars are missing after {suspect.when(table.end_ns[row])}, and the price goes on at "
                f"{table.open[row + 1]:g} after {table.close[row]:g}: perhaps another company under the same symbol"
            )
            done = "everything before is dropped" if suspect.policy is Policy.DROP else ""
            found.append(suspect.finding(table.end_ns[row + 1], text, count=missing, done=done))
    if cut and suspect.policy is Policy.DROP:
        return keep(table, np.arange(len(table)) >= cut), found
    return table, found


def _holes(suspect: Suspect) -> Outcome:
    table = suspect.table
    expected = expected_ends(table, suspect.calendar)
    missing = ~is_among(expected, table.end_ns)
    done = {Policy.DROP: "the symbol is left out", Policy.REPAIR: "filled with flat bars without volume"}
    found = []
    for begin, end in runs(missing):
        count = end - begin
        text = "there is no bar" if count == 1 else f"{count} bars are missing, the last at "
        text += "" if count == 1 else suspect.when(expected[end - 1])
        found.append(suspect.finding(expected[begin], text, count=count, done=done.get(suspect.policy, "")))
    if found and suspect.policy is Policy.DROP:
        return None, found
    if found and suspect.policy is Policy.REPAIR:
        return _filled(table, expected[missing]), found
    return table, found


def _filled(table: BarTable, missing: np.ndarray) -> BarTable:
    ends = np.concatenate([table.end_ns, missing])
    order = np.argsort(ends)
    last = table.close[np.searchsorted(table.end_ns, missing) - 1]
    prices = np.vstack([np.concatenate([getattr(table, name), last])[order] for name in _PRICES])
    volume = np.concatenate([table.volume, np.zeros(len(missing))])[order]
    first, high, low, close = prices
    return replace(table, end_ns=ends[order], volume=volume, open=first, high=high, low=low, close=close)


def _bad_ticks(suspect: Suspect) -> Outcome:
    table = suspect.table
    if len(table) < 3:
        return table, []
    upper = np.maximum(table.close[:-2], table.close[2:])
    lower = np.minimum(table.close[:-2], table.close[2:])
    up = np.log(table.high[1:-1] / upper)
    down = np.log(lower / table.low[1:-1])
    if max(up.max(), down.max()) <= SPIKE_LEAST:
        return table, []
    limit = np.maximum(SPIKE_SCALES * local_scale(table.close)[1:-1], SPIKE_LEAST)
    # Beside a spike its neighbours look odd too: the row that sticks out most is the culprit.
    size = np.concatenate([[0.0], np.where(np.maximum(up, down) > limit, np.maximum(up, down), 0.0), [0.0]])
    culprit = (size > 0) & (size >= np.maximum(np.append(size[1:], 0.0), np.append(0.0, size[:-1])))
    done = {Policy.DROP: "dropped", Policy.REPAIR: "cut to the closes before and after"}.get(
        suspect.policy, ""
    )
    found = []
    for row in np.flatnonzero(culprit).tolist():
        name, value = ("high", table.high[row]) if up[row - 1] >= down[row - 1] else ("low", table.low[row])
        text = f"{name} is {value:g} between closes of {table.close[row - 1]:g} and {table.close[row + 1]:g}"
        found.append(suspect.finding(table.end_ns[row], text, done=done))
    if not found or suspect.policy in {Policy.FAIL, Policy.WARN}:
        return table, found
    if suspect.policy is Policy.DROP:
        return keep(table, ~culprit), found
    return _cut(table, culprit, upper, lower, np.exp(limit)), found


def _cut(
    table: BarTable, culprit: np.ndarray, upper: np.ndarray, lower: np.ndarray, reach: np.ndarray
) -> BarTable:
    """Bring the prices that lie out of reach of both neighbours back to the nearer of them."""
    prices = np.vstack([getattr(table, name) for name in _PRICES])
    inner = prices[:, 1:-1]
    mended = np.where(inner > upper * reach, upper, np.where(inner < lower / reach, lower, inner))
    prices[:, 1:-1] = np.where(culprit[1:-1], mended, inner)
    prices[1], prices[2] = prices.max(axis=0), prices.min(axis=0)
    return _with_prices(table, prices)


def _with_prices(table: BarTable, prices: np.ndarray) -> BarTable:
    first, high, low, close = prices
    return replace(table, open=first, high=high, low=low, close=close)


def _unadjusted_splits(suspect: Suspect) -> Outcome:
    table, found = suspect.table, []
    divisor = np.ones(len(table))
    first = 0
    for split in unadjusted_splits(table, suspect.calendar):
        day = datetime.fromtimestamp(int(table.end_ns[split.row]) // NS_PER_S, UTC).date()
        if (table.symbol, day) in suspect.known_splits:
            continue
        divisor[: split.row] *= split.ratio
        first = split.row
        done = {
            Policy.DROP: "everything before is dropped",
            Policy.REPAIR: f"prices before are divided by {split.ratio:g}",
        }
        text = (
            f"opens at {table.open[split.row]:g} after a close of {table.close[split.row - 1]:g} without the trading "
            f"of such a day: a {split.name} split that isn't adjusted for?"
        )
        found.append(suspect.finding(table.end_ns[split.row], text, done=done.get(suspect.policy, "")))
    if not found or suspect.policy in {Policy.FAIL, Policy.WARN}:
        return table, found
    if suspect.policy is Policy.DROP:
        return keep(table, np.arange(len(table)) >= first), found
    prices = np.vstack([getattr(table, name) for name in _PRICES]) / divisor
    return replace(_with_prices(table, prices), volume=table.volume * divisor), found


def _zero_volume(suspect: Suspect) -> Outcome:
    table = suspect.table
    empty = table.volume <= 0
    done = "dropped" if suspect.policy is Policy.DROP else ""
    if empty.all():
        return table, [suspect.finding(table.end_ns[0], "no bar has a volume", count=len(table))]
    found = [
        suspect.finding(
            table.end_ns[begin],
            "the volume is 0" if end - begin == 1 else f"the volume is 0 in {end - begin} bars in a row",
            count=end - begin,
            done=done,
        )
        for begin, end in runs(empty)
    ]
    return (keep(table, ~empty) if done and found else table), found


def _stale(suspect: Suspect) -> Outcome:
    table = suspect.table
    if len(table) < 2:
        return table, []
    same = np.ones(len(table) - 1, dtype=np.bool_)
    for name in _PRICES:
        column = getattr(table, name)
        same &= column[1:] == column[:-1]
    # A bar with a range is never the same twice by chance; one price, or none traded, may well be.
    tells = (table.high[1:] > table.low[1:]) & (table.volume[1:] > 0)
    copied = np.append(False, same & tells & (table.volume[1:] == table.volume[:-1]))
    flat = np.append(False, same & ~tells)
    for begin, end in runs(flat):
        flat[begin:end] = end - begin >= FLAT_BARS - 1
    repeats = copied | flat
    done = "dropped" if suspect.policy is Policy.DROP else ""
    found = [
        suspect.finding(
            table.end_ns[begin],
            f"repeats the bar before it ({table.close[begin]:g}) {end - begin} times",
            count=end - begin,
            done=done,
        )
        for begin, end in runs(repeats)
    ]
    return (keep(table, ~repeats) if done and found else table), found


def _sessions(table: BarTable) -> int:
    days = table.end_ns // (DAILY * NS_PER_S)
    return int((np.diff(days) > 0).sum()) + 1


_PRICES = ("open", "high", "low", "close")
_COLUMNS = ("end_ns", *_PRICES, "volume")
# Another company first: what lies before it isn't this one's. Spikes before splits: a split is a jump that stays.
_STEPS: dict[Check, Callable[[Suspect], Outcome]] = {
    Check.TICKER_REUSE: _ticker_reuse,
    Check.BAD_TICKS: _bad_ticks,
    Check.UNADJUSTED_SPLITS: _unadjusted_splits,
    Check.STALE: _stale,
    Check.ZERO_VOLUME: _zero_volume,
    Check.HOLES: _holes,
}
