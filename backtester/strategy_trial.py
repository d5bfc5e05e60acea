"""A quick trial of a strategy that isn't ours, whether it keeps the contract of `strategy.base`."""

from __future__ import annotations

import numbers
from traceback import extract_tb

import numpy as np

from core.errors import ConfigError
from core.text import escape
from strategy.base import BarRow, Strategy, StrategyKind

_BARS = 300
_MOST_BARS = 5_000


def trial_problems(kind: StrategyKind, path: str) -> list[str]:
    """Run a strategy over a few hundred made-up bars; return the first thing that is wrong with it, or nothing.

    Parameters
    ----------
    kind
        The strategy; its defaults are tried.
    path
        The file that it stands in, to tell the line of an error.
    """
    if kind.trades_pairs:
        return []  # one bar is not enough for its step
    try:
        strategy = kind.create({})
        warmup = int(strategy.warmup_bars)
    except ConfigError as error:
        return [f"the defaults don't fit: {problem}" for problem in error.problems]
    except Exception as error:  # noqa: BLE001 (a user's code may raise anything)
        return [f"its parameters failed{line_in(path, error)}: {words_of(error)}"]
    rows = _walk(min(max(_BARS, warmup + 50), _MOST_BARS))
    weights, problem = _weights(strategy, rows, path)
    again, _ = _weights(strategy, rows, path)
    ready = int(np.argmax(~np.isnan(weights))) + 1 if not np.isnan(weights).all() else 0
    if problem is None and not np.array_equal(weights, again, equal_nan=True):
        problem = "says something else when it is run again: what it remembers belongs into the state"
    if problem is None and ready > warmup > 1:
        problem = f"warmup_bars says {warmup}, but the first weight came after {ready} bars"
    return [] if problem is None else [problem]


def _weights(strategy: Strategy, rows: list[BarRow], path: str) -> tuple[list[float], str | None]:
    """Weights of all bars, or the first problem."""
    weights: list[float] = []
    try:
        state = strategy.new_state()
    except Exception as error:  # noqa: BLE001
        return [], f"new_state failed{line_in(path, error)}: {words_of(error)}"
    for number, row in enumerate(rows):
        try:
            answer = strategy.kind.step(strategy.parameters, state, row)
        except Exception as error:  # noqa: BLE001
            return [], f"failed on bar {number} of a trial{line_in(path, error)}: {words_of(error)}"
        problem = _problem(answer)
        if problem is not None:
            return [], f"on bar {number} of a trial: {problem}"
        state, weight = answer
        weights.append(float(weight))
    return weights, None


def _problem(answer: object) -> str | None:
    if not isinstance(answer, tuple) or len(answer) != 2:
        return f"must return (state, weight), not {escape(repr(answer), 80)}"
    weight = answer[1]
    if isinstance(weight, bool | np.bool_) or not isinstance(weight, numbers.Real):
        return f"the weight must be a number from -1 to 1, or NaN while it warms up, not {escape(repr(weight), 80)}"
    if abs(float(weight)) > 1:
        return f"the weight {float(weight):g} is out of range: allowed -1 to 1, or NaN while it warms up"
    return None


def _walk(bars: int) -> list[BarRow]:
    """Bars of a random walk with long swings, so that rules of trends and of extremes both have something to say."""
    rng = np.random.default_rng(1)
    swing = 0.004 * np.sin(np.arange(bars) / 25.0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.012, bars) + swing))
    begin = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(begin, close) * (1.0 + rng.uniform(0.0, 0.01, bars))
    low = np.minimum(begin, close) * (1.0 - rng.uniform(0.0, 0.01, bars))
    volume = rng.integers(100_000, 1_000_000, bars).astype(np.float64)
    return [BarRow(*row) for row in np.column_stack([begin, high, low, close, volume]).tolist()]


def line_in(path: str, error: BaseException) -> str:
    """`` line N`` of the user's file at which an error arose; empty when it arose elsewhere."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f" line {error.lineno}"
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == path]
    return f" line {lines[-1]}" if lines else ""


def words_of(error: BaseException) -> str:
    """Error in one line: its type and the first things that it says."""
    told = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {escape(' '.join(told[:3]), 300)}" if told else type(error).__name__
