"""The fast lane's kernels: one candidate's signals, traded in every window and account, and the figures of each.

A lane holds the tapes of all accounts side by side: arrays have an axis of accounts in front. Either one account
trades all symbols, or each symbol has one of its own. What a run writes is used again by the next, so that memory doesn't
depend on the number of candidates.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.book import FillColumn, IntMatrix, IntVector
from backtester.corporate_actions import Events
from backtester.engine import Desk, Rules, Run, Start, run_account
from backtester.money import dollars
from backtester.tape import Clock, MarketScan, Tape, Watch, list_news
from backtester.valuation import EXPOSURE_STEPS
from core.kernel import borrowing_kernel, kernel
from portfolio.risk_manager import SESSIONS_PER_YEAR

FloatArray = npt.NDArray[np.float64]
FloatTensor = npt.NDArray[np.float64]
FloatVector = npt.NDArray[np.float64]


class Figure(IntEnum):
    """Columns of a row of figures, in the order of `backtester.batch.FIGURES`."""

    TOTAL_RETURN = 0
    CAGR = 1
    VOLATILITY_ANNUAL = 2
    SHARPE = 3
    MAX_DRAWDOWN = 4
    MEAN_EXPOSURE = 5
    TURNOVER = 6
    COMMISSION = 7
    FILLS = 8


class Lane(NamedTuple):
    """Tapes of several accounts: fields of `backtester.tape.Tape` with an axis of accounts in front.

    ``event_rows`` of shape (accounts + 1,) says which rows of ``events`` belong to each account.
    """

    bars: FloatTensor
    close: FloatTensor
    atr: FloatTensor
    average_volume: FloatTensor
    low: IntMatrix
    high: IntMatrix
    close_micros: IntMatrix
    turns: npt.NDArray[np.uint8]
    begun: IntMatrix
    clock: Clock
    events: Events
    event_rows: IntVector


class Signals(NamedTuple):
    """Signals of one candidate: (symbols, strategies, bars), and by account their news (accounts, bars + 1) and steadiness."""

    weights: FloatTensor
    news: IntMatrix
    is_steady: npt.NDArray[np.bool_]


def lane_of(tapes: list[Tape]) -> Lane:
    """Put the tapes of accounts side by side; all have the same clock and number of symbols."""
    rows = np.cumsum([0, *(len(tape.events.bar) for tape in tapes)])
    return Lane(
        bars=np.stack([tape.bars for tape in tapes]),
        close=np.stack([tape.market.close for tape in tapes]),
        atr=np.stack([tape.market.atr for tape in tapes]),
        average_volume=np.stack([tape.market.average_volume for tape in tapes]),
        low=np.stack([tape.watch.low for tape in tapes]),
        high=np.stack([tape.watch.high for tape in tapes]),
        close_micros=np.stack([tape.watch.close for tape in tapes]),
        turns=np.stack([tape.watch.turns for tape in tapes]),
        begun=np.stack([tape.watch.begun for tape in tapes]),
        clock=tapes[0].clock,
        events=Events(
            *(np.concatenate(columns) for columns in zip(*(tape.events for tape in tapes), strict=True))
        ),
        event_rows=rows.astype(np.int64),
    )


@kernel
def list_lane_news(lane: Lane, signals: Signals) -> None:
    """Write news and steadiness (`backtester.tape.list_news`) of every account."""
    symbols, marks = lane.low.shape[2], np.empty(lane.low.shape[1], dtype=np.uint8)
    for account in range(lane.low.shape[0]):
        weights = signals.weights[account * symbols : (account + 1) * symbols]
        signals.is_steady[account] = list_news(weights, lane.turns[account], marks, signals.news[account])


@kernel
def _tape(lane: Lane, signals: Signals, account: int) -> Tape:
    """Tape of one account, all views."""
    symbols = lane.low.shape[2]
    first, last = lane.event_rows[account], lane.event_rows[account + 1]
    every = lane.events
    return Tape(
        lane.bars[account],
        signals.weights[account * symbols : (account + 1) * symbols],
        signals.news[account],
        signals.is_steady[account],
        MarketScan(lane.close[account], lane.atr[account], lane.average_volume[account]),
        Watch(
            lane.low[account],
            lane.high[account],
            lane.close_micros[account],
            lane.turns[account],
            lane.begun[account],
        ),
        lane.clock,
        Events(
            every.bar[first:last],
            every.symbol[first:last],
            every.kind[first:last],
            every.numerator[first:last],
            every.denominator[first:last],
            every.amount[first:last],
        ),
    )


@kernel
def run_lane(
    lane: Lane,
    signals: Signals,
    rules: Rules,
    cash: int,
    windows: IntMatrix,
    desk: Desk,
    figures: FloatTensor,
    returns: FloatTensor,
) -> Run:
    """Trade one candidate in every window and account.

    Parameters
    ----------
    lane, signals, rules
        What is traded, and how.
    cash
        Opening cash in micro-dollars.
    windows
        Shape (windows, 2): first bar that is traded on, and the bar behind the last.
    desk
        Written by each run anew.
    figures
        Written: shape (windows, accounts, len(Figure)). All are NaN when the account grew beyond
        `backtester.money.LARGEST_NLV`, which a number of fills of -1 tells.
    returns
        Written if it has room: shape (windows, accounts, sessions), the return of each session.

    Returns
    -------
    Run
        The last one.
    """
    records = desk.records
    for window in range(windows.shape[0]):
        start = Start(windows[window, 0], windows[window, 1], cash)
        for account in range(lane.low.shape[0]):
            tape = _tape(lane, signals, account)
            run = run_account(
                tape, rules, start, Desk(records, desk.closes, desk.curve, desk.returns, desk.due)
            )
            records = run.records
            row = figures[window, account]
            if run.done < start.end:
                row[:] = math.nan
                row[Figure.FILLS] = -1.0
                continue
            _account_figures(run, start, row)
            _session_figures(desk.closes[: run.day.sessions], start, row)
            if returns.size != 0:
                _session_returns(desk.closes, start, returns[window, account])
    return run


@borrowing_kernel
def _account_figures(run: Run, start: Start, row: FloatVector) -> None:
    """Write the figures that the fills and the bars give."""
    day, fills, count = run.day, run.records.fills, run.records.counts[0]
    turnover, cost = 0.0, 0
    for number in range(count):
        quantity, price = fills[number, FillColumn.QUANTITY], fills[number, FillColumn.PRICE]
        turnover += abs(quantity) * price
        cost += fills[number, FillColumn.COMMISSION]
    row[Figure.TOTAL_RETURN] = (day.nlv - start.cash) / start.cash
    row[Figure.MAX_DRAWDOWN] = day.drawdown
    row[Figure.MEAN_EXPOSURE] = day.exposure / EXPOSURE_STEPS / (start.end - start.first)
    row[Figure.TURNOVER] = turnover / 1e6
    row[Figure.COMMISSION] = dollars(cost)
    row[Figure.FILLS] = count


@borrowing_kernel
def _session_figures(closes: IntVector, start: Start, row: FloatVector) -> None:
    """Write what `backtester.report.annual_measures` finds in the values at the ends of sessions."""
    row[Figure.CAGR] = row[Figure.VOLATILITY_ANNUAL] = row[Figure.SHARPE] = math.nan
    count = closes.size
    if count < 2:
        return
    total, before, lowest = 0.0, float(start.cash), float(start.cash)
    for session in range(count):
        value = float(closes[session])
        total += value / before - 1.0
        lowest = min(lowest, value)
        before = value
    if lowest <= 0.0:
        return
    mean = total / count
    squares, before = 0.0, float(start.cash)
    for session in range(count):
        value = float(closes[session])
        deviation = value / before - 1.0 - mean
        squares += deviation * deviation
        before = value
    deviation = math.sqrt(squares / (count - 1))
    root = math.sqrt(SESSIONS_PER_YEAR)
    row[Figure.CAGR] = (before / start.cash) ** (SESSIONS_PER_YEAR / count) - 1.0
    row[Figure.VOLATILITY_ANNUAL] = deviation * root
    if deviation > 0.0:
        row[Figure.SHARPE] = mean / deviation * root


@borrowing_kernel
def _session_returns(closes: IntVector, start: Start, returns: FloatVector) -> None:
    before = float(start.cash)
    for session in range(returns.size):
        value = float(closes[session])
        returns[session] = value / before - 1.0
        before = value
