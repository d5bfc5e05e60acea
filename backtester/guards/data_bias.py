"""What the bars themselves make look better: symbols chosen because they survived, and bars that are missing."""

from __future__ import annotations

from typing import Final

import numpy as np

from backtester.guards.warnings import BiasWarning, Guard, Severity
from backtester.market import Market
from data.bar_table import NS_PER_S
from data.corporate_actions import ActionKind
from data.quality.scale import runs

YEARS: Final = 3.0
"""From so many years on, a list in which nobody has disappeared is suspicious."""
MISSING_SHARE: Final = 0.01
LONG_HOLE: Final = 5
_YEAR_NS: Final = 365.25 * 86_400 * NS_PER_S


def survivorship(market: Market, chosen_later: str = "") -> list[BiasWarning]:
    """Warn of lists of symbols that could not have been made at the beginning.

    Parameters
    ----------
    market
        The bars.
    chosen_later
        What the source says about its list (`data.sources.Source.chosen_later`).
    """
    found = []
    if chosen_later:
        found.append(_caution(Guard.SURVIVORSHIP, "symbols", f"{chosen_later}; that flatters every strategy"))
    years = float(market.end_ns[-1] - market.end_ns[0]) / _YEAR_NS
    if years < YEARS:
        return found
    present = ~np.isnan(market.bars[:, :, 3])
    rows = len(present)
    last = rows - 1 - present[::-1].argmax(axis=0)
    gone = (last < rows - 1 - LONG_HOLE) | np.array(
        [
            any(one.kind is ActionKind.DELISTING and one.symbol == symbol for one in market.actions)
            for symbol in market.symbols
        ]
    )
    if not chosen_later and len(market.symbols) > 1 and not gone.any():
        found.append(
            _caution(
                Guard.SURVIVORSHIP,
                "symbols",
                f"all {len(market.symbols)} still trade after {years:.0f} years: a list made at the beginning would have "
                "lost some",
            )
        )
    first = present.argmax(axis=0)
    late = [symbol for symbol, row in zip(market.symbols, first.tolist(), strict=True) if row > 0.2 * rows]
    if late:
        found.append(
            _caution(
                Guard.SURVIVORSHIP,
                ", ".join(late[:8]),
                "first bars lie years after the beginning: were they chosen for what became of them?",
            )
        )
    return found


def data_holes(market: Market) -> list[BiasWarning]:
    """Warn of bars that are missing inside a symbol's own history, and of sessions in which nobody has any."""
    found = []
    for column, symbol in enumerate(market.symbols):
        present = ~np.isnan(market.bars[:, column, 3])
        if not present.any():
            found.append(_caution(Guard.HOLES, symbol, "has no bars in this span"))
            continue
        rows = np.flatnonzero(present)
        inside = ~present[rows[0] : rows[-1] + 1]
        missing, longest = int(inside.sum()), max((end - begin for begin, end in runs(inside)), default=0)
        if missing > MISSING_SHARE * len(inside) or longest >= LONG_HOLE:
            text = (
                f"{missing} of {len(inside)} bars are missing, up to {longest} in a row: nothing fills there, stops are "
                "not seen, and the indicators stand still"
            )
            found.append(_caution(Guard.HOLES, symbol, text))
    empty = np.setdiff1d(np.arange(len(market.sessions)), market.clock.session)
    if len(empty):
        day = market.sessions[int(empty[0])].date
        text = f"{len(empty)} sessions of the exchange have no bar of any symbol, the first {day}"
        found.append(_caution(Guard.HOLES, "all symbols", text))
    return found


def _caution(guard: Guard, subject: str, text: str) -> BiasWarning:
    return BiasWarning(guard=guard, severity=Severity.CAUTION, subject=subject, text=text)
