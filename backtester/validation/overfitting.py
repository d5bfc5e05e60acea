"""How much the best of many trials says: counts of trials, deflated Sharpe ratio, probability of overfitting.

The formulas stand in `performance.overfitting`; here they meet the trials of a study. Trials that move together are hardly
more than one, so that independent ones are estimated from their correlation.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from performance.overfitting import (
    expected_maximum_sharpe,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    probability_of_overfitting,
)
from portfolio.risk_manager import SESSIONS_PER_YEAR

FloatArray = npt.NDArray[np.float64]
_MOST_TRIALS_FOR_CORRELATION = 2_000
_FEWEST_SESSIONS_A_BLOCK = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """What the trials say about the best of them. Sharpe ratios are annual; NaN where there is too little to tell.

    Attributes
    ----------
    trials, earlier_trials
        Configurations of this study that traded, and those that were tried before it.
    independent_trials
        Of this study, estimated from the mean correlation of their returns; with the earlier ones added.
    best
        Number of the best trial, of all given (those that never traded included).
    best_sharpe
        Over the whole history.
    sharpe_by_luck, sharpe_by_luck_independent
        What the best of as many trials without skill would be expected to show.
    probabilistic_sharpe
        Probability that the best one's true Sharpe ratio is above 0, selection not considered.
    deflated_sharpe, deflated_sharpe_independent
        Probability that it is above what luck would have shown, with all trials and with the independent ones.
    minimum_track_record_sessions
        Sessions needed to tell the best one's Sharpe ratio from 0 at 95%.
    sessions
        That there are.
    overfitting_probability, blocks
        Share of the splits in which the best in one half is below the median in the other (CSCV), and its blocks.
    """

    trials: int
    earlier_trials: int
    independent_trials: float
    best: int
    best_sharpe: float
    sharpe_by_luck: float
    sharpe_by_luck_independent: float
    probabilistic_sharpe: float
    deflated_sharpe: float
    deflated_sharpe_independent: float
    minimum_track_record_sessions: float
    sessions: int
    overfitting_probability: float
    blocks: int

    def as_dict(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


def assess(returns: FloatArray, *, earlier_trials: int = 0, blocks: int = 10) -> Overfitting | None:
    """Measure the trials of a study.

    Parameters
    ----------
    returns
        Session returns of every trial, shape (trials, sessions). Trials that never moved count as trials for PBO and
        for the number of trials, but have no Sharpe ratio.
    earlier_trials
        Trials that were made before this study on the same data; each counts as independent.
    blocks
        Of the cross-validation; fewer are taken when the history is short.

    Returns
    -------
    Overfitting or None
        None when no trial ever moved.
    """
    table = np.asarray(returns, dtype=np.float64)
    moves = table.std(axis=1) > 1e-12
    if not moves.any() or table.shape[1] < 2 * _FEWEST_SESSIONS_A_BLOCK:
        return None
    sharpes = np.full(len(table), np.nan)
    sharpes[moves] = (
        table[moves].mean(axis=1) / table[moves].std(axis=1, ddof=1) * math.sqrt(SESSIONS_PER_YEAR)
    )
    best = int(np.nanargmax(sharpes))
    trials = len(table)
    independent = independent_trials(table[moves])
    # Never-trading trials have no skill and no luck: they leave the spread as it is, as the paper's do with N trials.
    spread = float(np.nanstd(sharpes, ddof=1)) if moves.sum() > 1 else 0.0
    by_luck = expected_maximum_sharpe(trials + earlier_trials, spread)
    by_luck_independent = expected_maximum_sharpe(max(round(independent) + earlier_trials, 1), spread)
    blocks = min(blocks, table.shape[1] // _FEWEST_SESSIONS_A_BLOCK // 2 * 2)
    chance = (
        probability_of_overfitting(np.ascontiguousarray(table.T), blocks=blocks)
        if trials > 1 and blocks >= 2
        else math.nan
    )
    own = table[best]
    return Overfitting(
        trials=trials,
        earlier_trials=earlier_trials,
        independent_trials=independent + earlier_trials,
        best=best,
        best_sharpe=float(sharpes[best]),
        sharpe_by_luck=by_luck,
        sharpe_by_luck_independent=by_luck_independent,
        probabilistic_sharpe=probabilistic_sharpe_ratio(own),
        deflated_sharpe=probabilistic_sharpe_ratio(own, benchmark_sharpe_annual=by_luck),
        deflated_sharpe_independent=probabilistic_sharpe_ratio(
            own, benchmark_sharpe_annual=by_luck_independent
        ),
        minimum_track_record_sessions=minimum_track_record_length(own),
        sessions=table.shape[1],
        overfitting_probability=chance,
        blocks=blocks,
    )


def independent_trials(returns: FloatArray) -> float:
    """Estimate how many independent trials make the same spread: ``r + (1 - r) * M`` with the mean correlation ``r``.

    Parameters
    ----------
    returns
        Shape (trials, sessions), each of which moves. Beyond 2,000 trials an even sample is correlated.

    Notes
    -----
    Source: D. H. Bailey and M. Lopez de Prado, "The Deflated Sharpe Ratio", J. Portfolio Management 40 (2014), appendix 3.
    """
    count = len(returns)
    if count < 2:
        return float(count)
    rows = returns[
        np.linspace(0, count - 1, min(count, _MOST_TRIALS_FOR_CORRELATION)).round().astype(np.int64)
    ]
    scaled = rows - rows.mean(axis=1, keepdims=True)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    # The mean over all pairs needs no matrix: |sum of unit vectors|^2 = M + sum of the correlations.
    size = len(rows)
    total = float((scaled.sum(axis=0) ** 2).sum())
    mean = min(max((total - size) / (size * (size - 1)), 0.0), 1.0)
    return mean + (1.0 - mean) * count
