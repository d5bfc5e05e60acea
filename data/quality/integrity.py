"""Rows that can't be bars: out of order, twice, without a price, crossed. Found and mended before anything is computed.

Each check finds rows, tells of them, and then does what its policy says; the next check sees what is left. Rows whose
policy is ``fail`` stay where they are, so that one run tells of all that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.bar_table import DataError
from data.quality.findings import Check, Finding, Policies, Policy, moment_text

MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Bars of one symbol as a source gave them: nothing is promised yet. Columns have the shape (rows,).

    Attributes
    ----------
    time_ns
        Stamps, nanoseconds UTC, in the source's order.
    prices
        Shape (4, rows): open, high, low, close.
    lines
        Line numbers for messages; empty when the source has none.
    origin
        File or service, for messages.
    """

    symbol: str
    is_daily: bool
    time_ns: NDArray[np.int64]
    prices: NDArray[np.float64]
    volume: NDArray[np.float64]
    lines: NDArray[np.int64]
    origin: str = ""

    def take(self, rows: NDArray[Any]) -> Rows:
        """Return these rows only, in this order."""
        return replace(
            self,
            time_ns=self.time_ns[rows],
            prices=self.prices[:, rows],
            volume=self.volume[rows],
            lines=self.lines[rows] if len(self.lines) else self.lines,
        )

    def finding(self, check: Check, policy: Policy, row: int, text: str, done: str = "") -> Finding:
        """Tell of one row."""
        place = f"{self.origin}: line {self.lines[row]}" if len(self.lines) else ""
        return Finding(
            check=check,
            policy=policy,
            symbol=self.symbol,
            time_ns=int(self.time_ns[row]),
            is_daily=self.is_daily,
            text=text,
            done=done,
            place=place,
        )


def mend(rows: Rows, policies: Policies) -> tuple[Rows, list[Finding]]:
    """Check rows, and drop or repair those whose policy says so.

    Returns
    -------
    rows, findings
        What is left, in order of time, each time once, with prices above zero and between low and high.

    Raises
    ------
    DataError
        When a policy says fail, with every such row up to twenty; or when no row is left.
    """
    findings: list[Finding] = []
    for check, step in _STEPS.items():
        rows, found = step(rows, policies[check])
        findings += found
    raise_failures(findings)
    if not len(rows.time_ns):
        raise DataError([f"{rows.origin or rows.symbol}: no row is left after the checks"])
    return rows, findings


def raise_failures(findings: Iterable[Finding]) -> None:
    """Raise those findings whose policy is fail.

    Raises
    ------
    DataError
        When there are any.
    """
    failed = [one for one in findings if one.policy is Policy.FAIL]
    if not failed:
        return
    ordered = sorted(failed, key=lambda one: one.time_ns)[:MOST_PROBLEMS]
    problems = [one.sentence() for one in ordered]
    if len(failed) >= MOST_PROBLEMS:
        origin = ordered[0].place.partition(": line")[0] or ordered[0].symbol
        problems.append(f"{origin}: there may be more; the first {MOST_PROBLEMS} are shown")
    raise DataError(problems)


def _order(rows: Rows, policy: Policy) -> tuple[Rows, list[Finding]]:
    newest = np.maximum.accumulate(rows.time_ns)
    late = np.flatnonzero(rows.time_ns < newest)
    done = {Policy.DROP: "dropped", Policy.REPAIR: "sorted into its place"}.get(policy, "")
    found = [
        rows.finding(Check.ORDER, policy, row, f"the time {_time(rows, row)} is before a row above it", done)
        for row in late.tolist()
    ]
    if policy is Policy.DROP and len(late):
        rows = rows.take(rows.time_ns >= newest)
    elif policy is Policy.REPAIR and len(late):
        rows = rows.take(np.argsort(rows.time_ns, kind="stable"))
    return rows, found


def _duplicates(rows: Rows, policy: Policy) -> tuple[Rows, list[Finding]]:
    if (np.diff(rows.time_ns) > 0).all():
        return rows, []
    _, first = np.unique(rows.time_ns, return_index=True)
    again = np.ones(len(rows.time_ns), dtype=np.bool_)
    again[first] = False
    done = {
        Policy.DROP: "dropped, the first one stays",
        Policy.REPAIR: "it takes the place of the ones before",
    }
    found = [
        rows.finding(
            Check.DUPLICATES, policy, row, f"the time {_time(rows, row)} stands twice", done.get(policy, "")
        )
        for row in np.flatnonzero(again).tolist()
    ]
    if policy is Policy.DROP and found:
        rows = rows.take(~again)
    elif policy is Policy.REPAIR and found:
        _, from_end = np.unique(rows.time_ns[::-1], return_index=True)
        rows = rows.take(np.sort(len(rows.time_ns) - 1 - from_end))
    return rows, found


def _non_positive(rows: Rows, policy: Policy) -> tuple[Rows, list[Finding]]:
    bad = ~(np.isfinite(rows.prices) & (rows.prices > 0))
    found = []
    for field, row in np.argwhere(bad).tolist():
        text = f"{_FIELDS[field]} is {rows.prices[field, row]:g}, expected a price above 0"
        found.append(rows.finding(Check.NON_POSITIVE, policy, row, text, _dropped(policy)))
    if policy is Policy.DROP and found:
        rows = rows.take(np.flatnonzero(~bad.any(axis=0)))
    return rows, found


def _bad_volume(rows: Rows, policy: Policy) -> tuple[Rows, list[Finding]]:
    bad = ~(np.isfinite(rows.volume) & (rows.volume >= 0))
    done = {Policy.DROP: "dropped", Policy.REPAIR: "set to 0"}.get(policy, "")
    found = [
        rows.finding(
            Check.BAD_VOLUME, policy, row, f"volume is {rows.volume[row]:g}, expected 0 or more", done
        )
        for row in np.flatnonzero(bad).tolist()
    ]
    if policy is Policy.DROP and found:
        rows = rows.take(~bad)
    elif policy is Policy.REPAIR and found:
        rows = replace(rows, volume=np.where(bad, 0.0, rows.volume))
    return rows, found


def _crossed(rows: Rows, policy: Policy) -> tuple[Rows, list[Finding]]:
    opens, highs, lows, closes = rows.prices
    above = (highs < opens) | (highs < closes) | (highs < lows)
    below = (lows > opens) | (lows > closes)
    done = {Policy.DROP: "dropped", Policy.REPAIR: "high and low widened to the others"}.get(policy, "")
    texts = [
        (
            row,
            f"high is {highs[row]:g}, below open {opens[row]:g}, low {lows[row]:g} or close {closes[row]:g}",
        )
        for row in np.flatnonzero(above).tolist()
    ] + [
        (row, f"low is {lows[row]:g}, above open {opens[row]:g} or close {closes[row]:g}")
        for row in np.flatnonzero(below).tolist()
    ]
    found = [rows.finding(Check.CROSSED, policy, row, text, done) for row, text in texts]
    if policy is Policy.DROP and found:
        rows = rows.take(~(above | below))
    elif policy is Policy.REPAIR and found:
        prices = rows.prices.copy()
        prices[1], prices[2] = rows.prices.max(axis=0), rows.prices.min(axis=0)
        rows = replace(rows, prices=np.where(above | below, prices, rows.prices))
    return rows, found


_FIELDS = ("open", "high", "low", "close")
_STEPS: dict[Check, Callable[[Rows, Policy], tuple[Rows, list[Finding]]]] = {
    Check.ORDER: _order,
    Check.DUPLICATES: _duplicates,
    Check.NON_POSITIVE: _non_positive,
    Check.BAD_VOLUME: _bad_volume,
    Check.CROSSED: _crossed,
}


def _time(rows: Rows, row: int) -> str:
    return moment_text(int(rows.time_ns[row]), is_daily=rows.is_daily)


def _dropped(policy: Policy) -> str:
    return "dropped" if policy is Policy.DROP else ""
