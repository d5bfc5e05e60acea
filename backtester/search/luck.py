"""What the best of many is worth: its Sharpe ratio against what luck shows, and how often the best in one half fails in the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backtester.result import BacktestResult
from backtester.search.ranking import Ranking
from backtester.search.store import TrialStore
from performance.overfitting import (
    expected_maximum_sharpe,
    minimum_backtest_length,
    probabilistic_sharpe_ratio,
    probability_of_overfitting,
)
from performance.series import FloatArray
from portfolio.risk_manager import SESSIONS_PER_YEAR

_BLOCKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """Measures of `performance.overfitting` for the best combination; None for what can't be told.

    Attributes
    ----------
    trials, earlier_trials
        Combinations that have a Sharpe ratio, and other configurations that were tried on this data before (the former
        includes the latter).
    luckiest_sharpe
        Annual Sharpe ratio to expect of the best of so many without any skill.
    probabilistic, deflated
        Probability that the true Sharpe ratio is above zero, and above ``luckiest_sharpe``.
    overfitting
        Probability of backtest overfitting over all combinations.
    years, years_needed
        Of history, and below how many of it the best without skill would show a Sharpe ratio of 1.
    overfitting_note
        Why ``overfitting`` is None, or what it was taken of.
    """

    trials: int
    earlier_trials: int
    luckiest_sharpe: float | None
    probabilistic: float | None
    deflated: float | None
    overfitting: float | None
    years: float
    years_needed: float
    overfitting_note: str

    @property
    def warning(self) -> str:
        """What a reader of the best result must know."""
        earlier = f" ({self.earlier_trials:,} of them tried earlier)" if self.earlier_trials else ""
        return (
            f"The best of {self.trials:,} combinations{earlier} on the bars that it was chosen on says little about others: "
            "choose a plateau, and try it out of sample (--mode walk_forward)."
        )


def measure_luck(
    result: BacktestResult, ranking: Ranking, store: TrialStore, earlier_trials: int = 0
) -> Luck:
    """Measure the best combination, run once more as ``result``, against all that were tried, in earlier searches too."""
    trials = ranking.trials + earlier_trials
    closes = np.concatenate([[float(result.opening_cash)], result.session_closes()])
    solvent = bool((closes > 0).all())
    returns = closes[1:] / closes[:-1] - 1.0
    spread = ranking.sharpe_deviation
    luckiest = None if spread is None else expected_maximum_sharpe(trials, spread)
    overfitting, note = _overfitting(store)
    return Luck(
        trials=trials,
        earlier_trials=earlier_trials,
        luckiest_sharpe=luckiest,
        probabilistic=_above(returns, 0.0) if solvent else None,
        deflated=_above(returns, luckiest) if solvent and luckiest is not None else None,
        overfitting=overfitting,
        years=len(returns) / SESSIONS_PER_YEAR,
        years_needed=minimum_backtest_length(max(trials, 1)),
        overfitting_note=note,
    )


def _above(returns: FloatArray, benchmark: float) -> float | None:
    value = probabilistic_sharpe_ratio(
        returns, periods_per_year=SESSIONS_PER_YEAR, benchmark_sharpe_annual=benchmark
    )
    return None if math.isnan(value) else value


def _overfitting(store: TrialStore) -> tuple[float | None, str]:
    kept = store.returns()
    if kept is None:
        return None, "not told: session returns weren't kept (--keep-returns keeps them)"
    table = kept[1].T
    table = table[:, np.isfinite(table).all(axis=0)]
    if table.shape[1] < 2 or len(table) < 2 * _BLOCKS:
        return None, "not told: too few combinations or sessions"
    value = probability_of_overfitting(table, blocks=_BLOCKS)
    return (
        value,
        f"over {table.shape[1]:,} combinations, {_BLOCKS} blocks of {len(table) // _BLOCKS:,} sessions",
    )
