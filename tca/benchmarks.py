"""What the market did around an order: the prices that it is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from core.vocabulary import Purpose
from tca.calculator import volume_weighted_price
from tca.story import Mark, Marks, Story

REVERSION_BARS: Final = (1, 6)
"""Bars after the last fill at which reversion is measured."""

NOT_WORKED_FROM_THE_START: Final = frozenset({Purpose.STOP, Purpose.FLATTEN})
"""A stop rests until it is hit, and of a closing order of the watchdog only the executions are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmarks:
    """Prices as far as the bars have come; None for what isn't known."""

    vwap: float | None
    """Volume-weighted, from the decision through the bar of the last fill (or of the order's end)."""
    close: float | None
    """Last bar of the session in which the order ended, or after whose close."""
    next_open: float | None
    """First bar of the next session."""
    end: float | None
    """What a missed part is valued at: the close, before that the newest bar."""
    after: tuple[float | None, ...]
    """Closes of the bars `REVERSION_BARS` after the last fill."""
    is_final: bool
    """Whether later bars change nothing."""


def measure(story: Story, marks: Marks, market_ns: int) -> Benchmarks:
    """Benchmarks of an order.

    Parameters
    ----------
    story
        The order, over or not.
    marks
        Bars and sessions so far.
    market_ns
        End of the newest row of bars.
    """
    symbol = story.symbol
    last_fill = max((one.time_ns for one in story.fills.values()), default=None)
    reached = (last_fill, story.ended_ns if story.is_over else market_ns, story.created_ns)
    end_ns = max(time_ns for time_ns in reached if time_ns is not None)
    bars = marks.between(symbol, _begin(story, marks), end_ns)
    session_close = marks.session_close(end_ns)
    close = following = None
    if session_close is not None:
        bars = [
            bar for bar in bars if bar.end_ns <= session_close
        ]  # what prints after the close is of its last bar
        following = marks.after(symbol, session_close)
        if marks.has_passed(session_close):
            close = marks.last_at(symbol, session_close)
    newest = marks.last_at(symbol, market_ns)
    after = tuple(
        None if last_fill is None else _close_of(marks.after(symbol, last_fill, n)) for n in REVERSION_BARS
    )
    return Benchmarks(
        vwap=volume_weighted_price([(bar.high, bar.low, bar.close, bar.volume) for bar in bars]),
        close=_close_of(close),
        next_open=None if following is None else following.open,
        end=_close_of(close or newest),
        after=after,
        is_final=story.is_over and following is not None and (last_fill is None or after[-1] is not None),
    )


def _close_of(mark: Mark | None) -> float | None:
    return None if mark is None else mark.close


def _begin(story: Story, marks: Marks) -> int:
    """From when on the market's volume counts: the decision, or the beginning of the bar in which a stop was hit."""
    if story.purpose not in NOT_WORKED_FROM_THE_START or not story.fills:
        return story.created_ns
    first_ns = min(one.time_ns for one in story.fills.values())
    close_ns = marks.session_close(first_ns)
    if close_ns is not None:
        first_ns = min(first_ns, close_ns)
    before = marks.last_at(story.symbol, first_ns - 1)
    return story.created_ns if before is None else before.end_ns
