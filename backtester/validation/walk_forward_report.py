"""A walk-forward as figures, tables and a verdict."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from backtester.market import Market
from backtester.validation.figures import Figures
from backtester.validation.overfitting import Overfitting
from backtester.validation.selection import NO_CHOICE, Grid
from backtester.validation.study_folder import Frame
from backtester.validation.walk_forward import Choice, WalkForward
from core.reasons import Reason

SHORT = 2
"""Folds below which a walk-forward says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the folds say together.

    Attributes
    ----------
    in_sample_sharpe, in_sample_cagr
        Means over the folds (and accounts) that had a choice; in_sample_fills likewise.
    efficiency
        Out-of-sample growth a year over the in-sample mean; NaN unless the latter is above 0.
    sharpe_efficiency
        The same of Sharpe ratios.
    positive_folds
        Share of the folds with a return above 0.
    median_rank
        Of the chosen candidate among all on the test windows: 0.5 is what a blind choice has.
    kept_parameters
        Share of the changes from fold to fold in which the choice stayed; NaN with one fold.
    empty, idle
        Folds (and accounts) without a choice, and those with one that traded nothing out of sample.
    """

    in_sample_sharpe: float
    in_sample_cagr: float
    efficiency: float
    sharpe_efficiency: float
    positive_folds: float
    median_rank: float
    kept_parameters: float
    empty: int
    idle: int

    def as_dict(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


def summarise(done: WalkForward) -> Summary:
    """Compare what was promised with what came."""
    chosen = [one for one in done.choices if one.candidate != NO_CHOICE]
    sharpe = _mean([one.in_sample["sharpe"] for one in chosen])
    growth = _mean([one.in_sample["cagr"] for one in chosen])
    figures = done.figures
    ranks = [one.rank for one in chosen if not math.isnan(one.rank)]
    return Summary(
        in_sample_sharpe=sharpe,
        in_sample_cagr=growth,
        efficiency=figures.cagr / growth if growth > 0 else math.nan,
        sharpe_efficiency=figures.sharpe / sharpe if sharpe > 0 else math.nan,
        positive_folds=_mean([float(one.out_of_sample.total_return > 0) for one in done.choices]),
        median_rank=float(np.median(ranks)) if ranks else math.nan,
        kept_parameters=_kept(done.choices),
        empty=sum(one.candidate == NO_CHOICE for one in done.choices),
        idle=sum(one.candidate != NO_CHOICE and one.fills == 0 for one in done.choices),
    )


def _mean(values: Sequence[float]) -> float:
    known = [one for one in values if not math.isnan(one)]
    return sum(known) / len(known) if known else math.nan


def _kept(choices: Sequence[Choice]) -> float:
    accounts: dict[int, list[int]] = {}
    for one in choices:
        accounts.setdefault(one.account, []).append(one.candidate)
    pairs = [(a, b) for row in accounts.values() for a, b in itertools.pairwise(row)]
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else math.nan


def verdict(
    done: WalkForward, summary: Summary, found: Overfitting | None, held: Figures | None = None
) -> str:
    """One sentence that says what to make of it; it never says that a strategy works."""
    if len(done.folds) < SHORT:
        return "one fold only: this says nothing about the choice of parameters"
    if summary.empty == len(done.choices):
        return "no candidate traded in any training window: there is nothing to judge"
    if not any(one.fills for one in done.choices):
        return "nothing was traded out of sample: there is nothing to judge"
    reasons = _doubts(done.figures, summary, found, held)
    if not reasons:
        return "nothing here speaks against the choice of parameters; that is no promise"
    return "doubtful: " + "; ".join(reasons)


def _doubts(figures: Figures, summary: Summary, found: Overfitting | None, held: Figures | None) -> list[str]:
    reasons = []
    if figures.total_return <= 0:
        reasons.append("it lost money out of sample")
    if summary.sharpe_efficiency < 0.5:
        reasons.append(
            f"only {summary.sharpe_efficiency:.0%} of the in-sample Sharpe ratio was left out of sample"
        )
    if summary.median_rank < 0.5:
        reasons.append("the chosen parameters did worse than a blind choice in most test windows")
    if held is not None and figures.sharpe < held.sharpe:
        reasons.append(f"holding the same symbols had the better Sharpe ratio ({held.sharpe:.2f})")
    if found is not None and found.overfitting_probability >= 0.5:
        reasons.append(f"the probability of overfitting is {found.overfitting_probability:.0%}")
    if found is not None and found.deflated_sharpe < 0.95:
        reasons.append(
            f"the best candidate's Sharpe ratio can't be told from luck over {found.trials + found.earlier_trials} trials "
            f"(deflated: {found.deflated_sharpe:.1%})"
        )
    return reasons


def warnings_of(done: WalkForward, summary: Summary, market: Market) -> list[str]:
    """Tell what must not pass silently."""
    notes = list(dict.fromkeys(market.notes))
    if summary.empty:
        notes.append(
            f"{summary.empty} of {len(done.choices)} choices could not be made, because no candidate traded in training; "
            "those windows were not traded"
        )
    if summary.idle:
        notes.append(f"{summary.idle} of {len(done.choices)} choices traded nothing in their test window")
    throttled = sum(one.denials_by_reason().get(Reason.DRAWDOWN_THROTTLE.code, 0) for one in done.results)
    if throttled:
        notes.append(
            f"the drawdown throttle scaled down or refused {throttled:,} entries out of sample; with --fold-end carry or close "
            "it counts from the highest value of all windows"
        )
    last = done.folds[-1]
    first = done.folds[0]
    lengths = [fold.test_sessions[1] - fold.test_sessions[0] for fold in (first, last)]
    if len(done.folds) > 1 and lengths[1] < lengths[0]:
        notes.append(f"the last test window has {lengths[1]} sessions only, the others {lengths[0]}")
    return notes


def day_span(market: Market, sessions: tuple[int, int]) -> tuple[str, str]:
    """First and last date of sessions (first, end)."""
    return str(market.sessions[sessions[0]].date), str(market.sessions[sessions[1] - 1].date)


def parameters_text(values: Mapping[str, float]) -> str:
    """``fast_window=20 slow_window=100``; a dash for none."""
    return " ".join(f"{name}={value:g}" for name, value in values.items()) or "–"


def fold_frame(done: WalkForward, market: Market, grid: Grid) -> Frame:
    """One row a fold and account."""
    rows: dict[str, list[object]] = {
        name: []
        for name in (
            "fold", "account", "train_first", "train_last", "test_first", "test_last", "rule", *grid.names,
            "in_sample_sharpe", "in_sample_cagr", "in_sample_return", "in_sample_max_drawdown", "in_sample_fills",
            "sharpe", "cagr", "total_return", "max_drawdown", "fills", "rank",
        )
    }  # fmt: skip
    for one in done.choices:
        fold = done.folds[one.fold]
        train, test = day_span(market, fold.train_sessions), day_span(market, fold.test_sessions)
        result = done.results[one.account]
        values: dict[str, object] = {
            "fold": one.fold + 1,
            "account": result.symbols[0] if len(done.results) > 1 else "all",
            "train_first": train[0],
            "train_last": train[1],
            "test_first": test[0],
            "test_last": test[1],
            "rule": str(one.rule),
            **{name: float(one.values[name]) if one.values else math.nan for name in grid.names},
            "in_sample_sharpe": one.in_sample["sharpe"],
            "in_sample_cagr": one.in_sample["cagr"],
            "in_sample_return": one.in_sample["total_return"],
            "in_sample_max_drawdown": one.in_sample["max_drawdown"],
            "in_sample_fills": one.in_sample["fills"],
            "sharpe": one.out_of_sample.sharpe,
            "cagr": one.out_of_sample.cagr,
            "total_return": one.out_of_sample.total_return,
            "max_drawdown": one.out_of_sample.max_drawdown,
            "fills": one.fills,
            "rank": one.rank,
        }
        for name, column in rows.items():
            column.append(values[name])
    return Frame(name="folds", columns=rows)


def equity_frame(done: WalkForward) -> Frame:
    """Out-of-sample equity after each session."""
    return Frame(
        name="equity",
        columns={
            "session": [str(day) for day in done.dates],
            "nlv": done.equity.tolist(),
            "return": done.returns.tolist(),
        },
    )
