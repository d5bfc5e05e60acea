"""Search and walk-forward of a recalibration: parameters chosen on training windows only, and what came behind them.

The parameters that are up for promotion are those of the last fold: chosen on its training window by the rule that its inner
folds chose. Its test window, the newest part of the history, has seen nothing of the choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtester.batch import Window, score
from backtester.market import Market
from backtester.search.identity import hash_of
from backtester.study import Study
from backtester.trials.ledger import Tried
from backtester.trials.search import ledger_of, numbers_of_grid
from backtester.validation.nested import Rule
from backtester.validation.overfitting import assess
from backtester.validation.selection import NO_CHOICE, Grid, neighbours
from backtester.validation.walk_forward import Choice, Method, WalkForward, walk_forward
from backtester.validation.walk_forward_report import day_span, summarise
from backtester.validation.windows import Plan, first_bar_after_warm_up, session_starts
from core.errors import ConfigError
from governance.mandate import Mandate
from performance.ratios import sharpe_ratio

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[int], None]
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is recalibrated: a study of one strategy, its candidates, and its share of the equity."""

    study: Study
    grid: Grid
    weight: float
    mandate: Mandate

    @property
    def market(self) -> Market:
        """Bars."""
        return self.study.market


def plan_of(mandate: Mandate) -> Plan:
    """Windows of the mandate."""
    asked = mandate.walk_forward
    return Plan(
        train=asked.train_sessions,
        test=asked.test_sessions,
        anchored=asked.anchored,
        purge=asked.purge_sessions,
        embargo=asked.embargo_sessions,
    )


def first_bar_of(subject: Subject) -> int:
    """First bar of the first training window: where every candidate is warm and what follows makes whole test windows.

    Raises
    ------
    ConfigError
        When the history is too short for a single fold.
    """
    market, plan = subject.market, plan_of(subject.mandate)
    warm = first_bar_after_warm_up(market, subject.study.first_bar, subject.grid.warmup_bars)
    starts = session_starts(market)
    first = int(np.searchsorted(starts[:-1], warm))
    sessions = len(starts) - 1 - first
    if sessions < plan.train + plan.test:
        raise ConfigError(
            [
                f"{sessions} sessions are too few: a fold of the mandate takes {plan.train} to train and {plan.test} to test"
            ]
        )
    return int(starts[first + (sessions - plan.train) % plan.test])


def search(subject: Subject, progress: Progress) -> dict[str, object]:
    """Run the nested walk-forward over all candidates, and write them to the trial ledger before anything can be seen.

    Returns
    -------
    dict
        Of the step: ``failure`` alone when there is none.
    """
    settings, market = subject.study.loaded.settings, subject.market
    method = Method(
        rule=Rule("sharpe", plateau=True), inner_folds=subject.mandate.walk_forward.inner_folds, audit=False
    )
    try:
        first = first_bar_of(subject)
        done = walk_forward(
            settings,
            market,
            subject.grid,
            plan_of(subject.mandate),
            method,
            weight=subject.weight,
            first_bar=first,
            on_done=progress,
        )
    except ConfigError as error:
        return {"failure": "; ".join(error.problems)}
    whole = Window(first=done.folds[0].train.first, end=done.folds[-1].test.end)
    scores = score(
        settings,
        market,
        [[one] for one in subject.grid.strategies],
        [subject.weight],
        windows=[whole],
        session_returns=True,
        on_done=progress,
    )
    table = np.asarray(scores.session_returns[0][:, 0, :])
    tried = _tried(subject, whole)
    ledger_of(subject.study).record(
        tried, ALL, numbers_of_grid(subject.study, subject.grid, subject.weight), scores.sharpe[:, 0, 0]
    )
    return _found(subject, done, whole, table, tried)


def _found(
    subject: Subject, done: WalkForward, whole: Window, table: FloatArray, tried: Tried
) -> dict[str, object]:
    summary, chosen = summarise(done), done.choices[-1].candidate
    assessed = assess(table)
    moving = table[table.std(axis=1) > 1e-12]
    sharpes = np.array([sharpe_ratio(row) for row in moving])
    return {
        "failure": "" if chosen != NO_CHOICE else "no candidate traded in the last training window",
        "study": tried.study,
        "first_bar": whole.first,
        "end": whole.end,
        "first_test_bar": done.folds[0].test.first,
        "folds": [_fold(subject.market, done, one) for one in done.choices],
        "chosen": None if chosen == NO_CHOICE else chosen,
        "values": {} if chosen == NO_CHOICE else dict(subject.grid.values[chosen]),
        "rule": str(done.choices[-1].rule),
        "in_sample_sharpe": summary.in_sample_sharpe,
        "sharpe": done.figures.sharpe,
        "cagr": done.figures.cagr,
        "max_drawdown": done.figures.max_drawdown,
        "volatility": done.figures.volatility_annual,
        "dates": [str(day) for day in done.dates],
        "returns": done.returns.tolist(),
        "whole_returns": [] if chosen == NO_CHOICE else table[chosen].tolist(),
        "candidates": len(subject.grid),
        "traded": len(moving),
        "independent": math.nan if assessed is None else assessed.independent_trials,
        "spread": float(sharpes.std(ddof=1)) if len(sharpes) > 1 else math.nan,
        "overfitting": math.nan if assessed is None else assessed.overfitting_probability,
        "plateau": _plateau(subject.grid, chosen, table, len(done.returns)),
    }


def _tried(subject: Subject, whole: Window) -> Tried:
    grid = subject.grid
    identity = {
        "mode": "recalibration",
        "data": subject.market.sha256,
        "window": [whole.first, whole.end],
        "config": subject.study.loaded.settings.model_dump(mode="json"),
        "candidates": [dict(one) for one in grid.values],
    }
    return tried_on(subject, hash_of(identity), whole.end)


def tried_on(subject: Subject, study: str, end: int) -> Tried:
    """Trials of a study, from the beginning of the data, not of the first window, which moves with every session that is added.

    So a weekly recalibration is on the same data for years, and data that was made to begin elsewhere is not.
    """
    return Tried.on(
        subject.market,
        [subject.grid.kind.name],
        study=study,
        mode="recalibration",
        first_bar=subject.study.first_bar,
        end=end,
    )


def _fold(market: Market, done: WalkForward, choice: Choice) -> dict[str, object]:
    fold, out = done.folds[choice.fold], choice.out_of_sample
    train, test = day_span(market, fold.train_sessions), day_span(market, fold.test_sessions)
    return {
        "train": f"{train[0]} to {train[1]}",
        "test": f"{test[0]} to {test[1]}",
        "first_bar": fold.test.first,
        "end": fold.test.end,
        "parameters": dict(choice.values),
        "candidate": None if choice.candidate == NO_CHOICE else choice.candidate,
        "rule": str(choice.rule),
        "in_sample_sharpe": choice.in_sample["sharpe"],
        "sharpe": out.sharpe,
        "total_return": out.total_return,
        "max_drawdown": out.max_drawdown,
        "fills": choice.fills,
    }


def _plateau(grid: Grid, chosen: int, table: FloatArray, sessions: int) -> dict[str, object]:
    """Sharpe ratios of the chosen candidate and of its neighbours over the test windows, each in an account of its own."""
    if chosen == NO_CHOICE:
        return {"own": math.nan, "sharpes": [], "values": []}
    near = [int(one) for one in neighbours(grid.points)[chosen] if one != chosen]
    behind = table[:, -sessions:]
    return {
        "own": sharpe_ratio(behind[chosen]),
        "sharpes": [sharpe_ratio(behind[one]) for one in near],
        "values": [dict(grid.values[one]) for one in near],
    }
