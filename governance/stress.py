"""What the chosen parameters are put through: resampled sessions, moved parameters, higher costs, crises, shocks, guards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backtester.batch import Window, score
from backtester.guards.suite import run_guards
from backtester.guards.warnings import Severity
from backtester.run import run_backtest
from backtester.validation.block_length import optimal_block_length
from backtester.validation.bootstrap import STATIONARY, Draw, simulate_paths
from backtester.validation.monte_carlo import COSTS, Outcomes, jittered_parameters
from backtester.validation.scenarios import (
    DEFAULT_SHOCKS,
    NotCovered,
    Scenario,
    Setting,
    crises,
    most_invested,
    run_scenario,
)
from backtester.validation.shocks import read_shock
from core.config_schema import Settings
from governance.search import Progress, Subject
from strategy.base import Strategy

Found = Mapping[str, Any]
_AROUND = 21
"""Sessions before and after a scenario."""


def chosen_strategy(subject: Subject, found: Found) -> Strategy:
    """Strategy that is up for promotion."""
    return subject.grid.strategies[int(found["chosen"])]


def monte_carlo(subject: Subject, found: Found, progress: Progress) -> dict[str, object]:
    """Resample the sessions out of sample in blocks."""
    asked, returns = subject.mandate.monte_carlo, np.array(found["returns"], dtype=np.float64)
    block, _circular = optimal_block_length(returns)
    draw = Draw(
        kind=STATIONARY,
        block=block,
        horizon=asked.horizon_sessions,
        paths=asked.paths,
        seed=asked.seed,
    )
    outcomes = Outcomes.of_paths(simulate_paths(returns, draw, on_done=progress), asked.horizon_sessions)
    return {
        "block": block,
        "paths": asked.paths,
        "growth_p5": float(np.percentile(outcomes.cagr, 5)),
        "growth_median": float(np.median(outcomes.cagr)),
        "drawdown_median": float(np.median(outcomes.max_drawdown)),
        "drawdown_p95": float(np.percentile(outcomes.max_drawdown, 95)),
    }


def jitter(subject: Subject, found: Found, progress: Progress) -> dict[str, object]:
    """Trade the test windows with parameters that are a little off."""
    asked = subject.mandate.monte_carlo
    try:
        drawn = jittered_parameters(
            chosen_strategy(subject, found), asked.jitter_paths, asked.jitter, asked.seed
        )
    except ValueError as error:
        return {"gains": math.nan, "why": str(error)}
    window = Window(first=int(found["first_test_bar"]), end=int(found["end"]))
    scores = score(
        subject.study.loaded.settings,
        subject.market,
        [[one] for one in drawn],
        [subject.weight],
        windows=[window],
        on_done=progress,
    )
    growth, traded = scores.total_return[:, 0, 0], scores.fills[:, 0, 0] > 0
    return {"gains": float(((growth > 0) & traded).mean()), "paths": len(drawn)}


def costs(subject: Subject, found: Found, progress: Progress) -> dict[str, object]:
    """Trade every test window with its own parameters at higher and at the present costs, each in a new account.

    Those of the walk-forward go on from window to window, so its figures are no measure of what the costs change.
    """
    folds = found["folds"]
    if any(fold["candidate"] is None for fold in folds):
        return {"sharpe": math.nan}
    candidates = [subject.grid.strategies[int(fold["candidate"])] for fold in folds]
    windows = [Window(first=int(fold["first_bar"]), end=int(fold["end"])) for fold in folds]

    def sharpes(factor: float) -> list[float]:
        scores = score(
            dearer(subject.study.loaded.settings, factor),
            subject.market,
            [[one] for one in candidates],
            [subject.weight],
            windows=windows,
            on_done=progress,
        )
        return [float(scores.sharpe[place, place, 0]) for place in range(len(folds))]

    at_higher, at_present = sharpes(subject.mandate.costs.factor), sharpes(1.0)
    return {
        "sharpe": float(np.mean(at_higher)),
        "folds": at_higher,
        "present": float(np.mean(at_present)),
    }


def dearer(settings: Settings, factor: float) -> Settings:
    """Multiply spread, slippage and impact."""
    changed = {name: getattr(settings.backtest, name) * factor for name in COSTS}
    return settings.model_copy(update={"backtest": settings.backtest.model_copy(update=changed)})


def scenarios(subject: Subject, found: Found, progress: Progress) -> dict[str, object]:
    """Trade every crisis of the mandate and every shock."""
    settings, strategy = subject.study.loaded.settings, chosen_strategy(subject, found)
    first = int(found["first_bar"])
    setting = Setting(
        settings=settings,
        market=subject.market,
        strategies=[strategy],
        weights=[subject.weight],
        first_bar=first,
        lead=_AROUND,
        follow=_AROUND,
    )
    plain = run_backtest(settings, subject.market, [strategy], [subject.weight], first_bar=first)
    exposed = most_invested(plain, subject.market, _AROUND)
    deep: dict[str, dict[str, float]] = {"crises": {}, "shocks": {}}
    wanted = [one for one in crises() if one.name in subject.mandate.scenarios.crises]
    wanted += [Scenario(name=text, shocks=(read_shock(text),)) for text in DEFAULT_SHOCKS]
    for scenario in wanted:
        outcome = run_scenario(setting, scenario, exposed)
        kind = "shocks" if scenario.crisis is None else "crises"
        if isinstance(outcome, NotCovered):
            deep[kind][scenario.name] = math.nan
        else:
            figures = outcome.inside if scenario.crisis is not None else outcome.figures
            deep[kind][scenario.name] = figures.max_drawdown
        progress(1)
    return dict(deep)


def guards(subject: Subject, found: Found) -> dict[str, object]:
    """Run every guard on the chosen strategy."""
    strategy, settings = chosen_strategy(subject, found), subject.study.loaded.settings
    study = replace(
        subject.study, strategies=(strategy,), weights=(subject.weight,), first_bar=int(found["first_bar"])
    )
    result = run_backtest(settings, study.market, study.strategies, study.weights, first_bar=study.first_bar)
    report = run_guards(study, result)
    return {
        "ran": [guard.value for guard, _what in report.ran],
        "biases": [one.sentence() for one in report.warnings if one.severity is Severity.BIAS],
        "cautions": [one.sentence() for one in report.warnings if one.severity is not Severity.BIAS],
    }
