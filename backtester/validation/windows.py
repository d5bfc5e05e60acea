"""Windows of a walk-forward, counted in sessions: training, what is left out, test.

A parameter set is chosen on the training window and traded on the test window that follows it. Bars before a window warm
the strategies up and are never traded on. Between the two, ``purge`` and ``embargo`` sessions are left out of the training:

purge
    A position that is opened late in training is still open when the test begins, and its value at the end of training
    says something about the first test prices. So training ends this many sessions earlier.
embargo
    What follows a test can't be used for training at once, because windows of indicators and volatility reach back into
    it. In a walk-forward no training follows its own test, so that it only widens the gap; in a combinatorial
    cross-validation (`backtester.validation.combinatorial`) training also lies behind tests.

M. Lopez de Prado, "Advances in Financial Machine Learning" (2018), chapters 7 and 12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtester.batch import Window
from backtester.market import Market
from core.errors import ConfigError

SMALLEST_TEST = 2
"""Sessions: one has no variation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Lengths of the windows in sessions.

    Attributes
    ----------
    train, test
        Lengths; with ``anchored`` every training window begins with the first one, and ``train`` is the first one's length.
    step
        From one test window to the next; None for the length of a test, so that they touch.
    purge, embargo
        Sessions between training and test.
    """

    train: int
    test: int
    step: int | None = None
    anchored: bool = False
    purge: int = 0
    embargo: int = 0

    @property
    def stride(self) -> int:
        """Sessions from one test window to the next."""
        return self.test if self.step is None else self.step

    def problems(self) -> list[str]:
        """Every value that can't be, in the words of the command line."""
        gap = self.purge + self.embargo
        found = []
        if self.train < SMALLEST_TEST:
            found.append(f"--train {self.train}: must be at least {SMALLEST_TEST} sessions")
        if self.test < SMALLEST_TEST:
            found.append(f"--test {self.test}: must be at least {SMALLEST_TEST} sessions")
        if self.purge < 0 or self.embargo < 0:
            found.append(f"--purge {self.purge} --embargo {self.embargo}: must not be negative")
        elif self.train - gap < SMALLEST_TEST:
            found.append(
                f"--purge {self.purge} --embargo {self.embargo}: leave nothing of --train {self.train} sessions"
            )
        if self.step is not None and self.step < self.test:
            found.append(
                f"--step {self.step}: must be at least --test ({self.test}), else the test windows would overlap and no "
                "single curve could be made of them"
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One training window and its test window, as sessions and as bars (`Window`).

    ``train_sessions`` and ``test_sessions`` are (first, end) with ``end`` left out, counted from the market's first session.
    """

    train: Window
    test: Window
    train_sessions: tuple[int, int]
    test_sessions: tuple[int, int]


def make_folds(market: Market, plan: Plan, *, first_bar: int = 0) -> list[Fold]:
    """Cut a market into folds; the last test window may be shorter, down to two sessions.

    Parameters
    ----------
    market
        Aligned bars.
    plan
        Lengths.
    first_bar
        First bar that may be traded on; bars before it warm up.

    Raises
    ------
    ConfigError
        When the lengths are impossible, or the history is too short for one fold.
    """
    problems = plan.problems()
    if problems:
        raise ConfigError(problems)
    starts = session_starts(market)
    last = len(starts) - 1
    first = int(np.searchsorted(starts[:-1], first_bar))
    folds = []
    begin = first + plan.train
    while begin + SMALLEST_TEST <= last:
        train = (first if plan.anchored else begin - plan.train, begin - plan.purge - plan.embargo)
        test = (begin, min(begin + plan.test, last))
        folds.append(
            Fold(
                train=window_of(starts, train),
                test=window_of(starts, test),
                train_sessions=train,
                test_sessions=test,
            )
        )
        begin += plan.stride
    if not folds:
        sentence = (
            f"--train {plan.train} --test {plan.test}: there are only {last - first} sessions to trade on, and a fold "
            f"needs at least {plan.train + SMALLEST_TEST}; choose shorter windows or a longer history"
        )
        raise ConfigError([sentence])
    return folds


def session_starts(market: Market) -> np.ndarray:
    """First bar of every session, and the number of bars at the end; shape (sessions + 1,).

    A session without bars begins where the next one does.
    """
    numbers = np.arange(len(market.sessions) + 1)
    return np.searchsorted(market.clock.session, numbers).astype(np.int64)


def window_of(starts: np.ndarray, sessions: tuple[int, int]) -> Window:
    """Bars of sessions (first, end)."""
    return Window(first=int(starts[sessions[0]]), end=int(starts[sessions[1]]))


def first_bar_after_warm_up(market: Market, first_bar: int, warmup_bars: int) -> int:
    """First bar of the first session with at least ``warmup_bars`` bars before it, not before ``first_bar``.

    Every candidate is ready there, so that none is judged on a shorter window than another.
    """
    starts = session_starts(market)
    wanted = max(first_bar, warmup_bars)
    place = int(np.searchsorted(starts, wanted))
    return int(starts[min(place, len(starts) - 1)])
