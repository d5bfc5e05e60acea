"""Recursion: how much history the signals need until it no longer matters where the bars begin.

Averages that feed on themselves (EMA, Wilder's RSI, ATR) never quite forget their first bar, and rules that wait for an
event depend on the last one. A backtest that begins years earlier than live trading warms up then knows signals that
live trading won't have. So the signals of some stretches are made again with more and more bars before them, until they
are the same as with all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from backtester.guards.look_ahead import Signals
from backtester.guards.warnings import BiasWarning, Guard, Severity

FloatArray = npt.NDArray[np.float64]

STRETCHES: Final = 4
STRETCH_BARS: Final = 50
SAME: Final = 1e-6
"""Weights that differ by less are the same."""
_STEPS: Final = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupNeed:
    """What one strategy needs.

    Attributes
    ----------
    declared
        Bars until its first weight, by its own account.
    needed
        Bars from which on more of them change nothing; None when even the longest try differs.
    longest
        Bars of the longest try.
    differing
        Share of the weights that differ from those with all bars, at ``given`` bars of warm-up.
    given
        Bars of warm-up that live trading has (``bars.warmup_bars``).
    """

    strategy: str
    declared: int
    needed: int | None
    longest: int
    differing: float
    given: int


def warmup_need(
    signals: Signals, bars: FloatArray, strategy: str, *, declared: int, given: int
) -> WarmupNeed | None:
    """Measure the warm-up that a strategy needs; None when there are too few bars to try.

    Parameters
    ----------
    signals
        Makes this strategy's signals of bars; it begins from nothing at every call.
    bars
        Shape (bars, symbols, 5).
    declared
        Bars until the first weight, by the strategy's own account.
    given
        Bars of warm-up in live trading.
    """
    stretches = _stretches(len(bars), declared)
    if not stretches:
        return None
    whole = signals(bars)
    room = min(begin for begin, _ in stretches)
    tries = _ladder(max(declared, 1), room, given)
    shares = {depth: _differing(signals, bars, whole, stretches, depth) for depth in tries}
    needed = None
    for depth in reversed(tries):
        if shares[depth] > 0:
            break
        needed = depth
    return WarmupNeed(
        strategy=strategy,
        declared=declared,
        needed=needed,
        longest=tries[-1],
        differing=shares[max(depth for depth in tries if depth <= max(given, tries[0]))],
        given=given,
    )


def recursion_warnings(needs: Sequence[WarmupNeed]) -> list[BiasWarning]:
    """Warn of strategies whose signals depend on where the bars begin, with the warm-up that they have."""
    found = []
    for one in needs:
        if one.needed is None:
            text = (
                f"even {one.longest} bars of warm-up give other signals than all bars: they depend on where the history "
                f"begins ({one.differing:.1%} of the weights differ with {one.given})"
            )
        elif one.needed > one.given:
            text = (
                f"needs {one.needed} bars of warm-up and has {one.given} (bars.warmup_bars); {one.differing:.1%} of the "
                "weights differ from those with all bars"
            )
        else:
            continue
        found.append(
            BiasWarning(guard=Guard.RECURSION, severity=Severity.CAUTION, subject=one.strategy, text=text)
        )
    return found


def _stretches(bars: int, warmup: int) -> list[tuple[int, int]]:
    """Beginnings and ends of the stretches, in the later half of the bars."""
    first = max(bars // 2, warmup)
    if bars - first < STRETCH_BARS:
        return []
    ends = np.linspace(first + STRETCH_BARS, bars, STRETCHES).astype(int).tolist()
    return [(end - STRETCH_BARS, end) for end in ends]


def _ladder(least: int, room: int, given: int) -> list[int]:
    depths = {min(round(least * step), room) for step in _STEPS} | {min(given, room), room}
    return sorted(depth for depth in depths if depth >= min(least, room))


def _differing(
    signals: Signals,
    bars: FloatArray,
    whole: FloatArray,
    stretches: Sequence[tuple[int, int]],
    depth: int,
) -> float:
    """Share of the weights in the stretches that differ when there are ``depth`` bars before them."""
    odd = total = 0
    for begin, end in stretches:
        first = max(begin - depth, 0)
        ours = signals(bars[first:end].copy())[begin - first :]
        theirs = whole[begin:end]
        known = ~np.isnan(theirs)
        same = np.abs(np.nan_to_num(ours, nan=np.inf) - theirs) <= SAME
        odd += int((known & ~same).sum())
        total += int(known.sum())
    return odd / total if total else 0.0
