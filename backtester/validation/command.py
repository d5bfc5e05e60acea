"""What the validation modes read from the command line besides `backtester.study`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

import numpy as np

from backtester.batch import Window, score
from backtester.progress import progress
from backtester.search.grid import make_space
from backtester.search.identity import code_sha256, hash_of
from backtester.study import Study, split_list
from backtester.trials.ledger import Tried
from backtester.trials.search import note_grid
from backtester.validation.overfitting import Overfitting, assess
from backtester.validation.selection import METRICS, Grid, make_grid
from core.config_schema import Settings
from core.errors import ConfigError

_MOST_RETURNS = 60_000_000
"""Candidates times sessions of which all returns are kept (480 MB)."""


def grid_of(study: Study, options: Namespace) -> Grid:
    """Candidates of the one strategy: those of ``--grid``, else all values worth searching but for those that ``--param`` sets.

    Raises
    ------
    ConfigError
        When there are several strategies, or no combination fits together.
    """
    if len(study.strategies) != 1:
        names = ", ".join(one.name for one in study.strategies)
        raise ConfigError(
            [f"--mode {options.mode}: takes one strategy, not {names}: choose one by --strategy"]
        )
    strategy = study.strategies[0]
    fixed = strategy.parameters._asdict()
    if options.grid:
        axes = make_space(options.grid, study.strategies, study.loaded.settings).axes
        others = [axis.key for axis in axes if axis.strategy is None]
        if others:
            raise ConfigError(
                [
                    f"--grid {key}: --mode {options.mode} chooses parameters of the strategy only"
                    for key in others
                ]
            )
        space = {
            axis.name: tuple(one for one in axis.values if isinstance(one, int | float)) for axis in axes
        }
    else:
        keys = (text.partition("=")[0].strip() for text in split_list(options.param))
        set_by_hand = {key.partition(".")[2] for key in keys}
        searched = strategy.kind.search_space().items()
        space = {name: values for name, values in searched if name not in set_by_hand}
    return make_grid(strategy.kind, space, fixed, strategy.pairs)


def weight_of(study: Study) -> float:
    """Share of the equity of the one strategy."""
    return study.weights[0]


def metric_of(options: Namespace, allowed: Sequence[str] = tuple(METRICS)) -> str:
    """Metric to choose by.

    Raises
    ------
    ConfigError
        For another one.
    """
    metric = str(options.metric)
    if metric not in allowed:
        raise ConfigError([f"--metric {metric}: must be one of {', '.join(allowed)}"])
    return metric


def check_counts(options: Namespace, least: dict[str, int]) -> None:
    """Refuse options below what they may be.

    Raises
    ------
    ConfigError
        With each of them.
    """
    problems = []
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and not value >= bound:
            problems.append(f"--{name.replace('_', '-')} {value}: must be at least {bound}")
    if problems:
        raise ConfigError(problems)


def assess_trials(
    settings: Settings, study: Study, grid: Grid, window: Window, weight: float, earlier_trials: int
) -> tuple[Overfitting | None, str]:
    """Overfitting measures of all candidates over one window, and why there are none, if so.

    The candidates are written to the trial ledger first; what it holds of other configurations on this data is added to
    ``earlier_trials``.
    """
    market = study.market
    study_id = hash_of(
        {
            "mode": "walk_forward",
            "code": code_sha256(),
            "data": market.sha256,
            "window": [window.first, window.end],
            "config": settings.model_dump(mode="json"),
            "candidates": [dict(one) for one in grid.values],
        }
    )
    tried = Tried.on(
        market, [grid.kind.name], study=study_id, mode="walk_forward", first_bar=window.first, end=window.end
    )
    sessions = int(market.clock.session[window.end - 1] - market.clock.session[window.first]) + 1
    if len(grid) * sessions > _MOST_RETURNS:
        note_grid(study, grid, weight, np.full(len(grid), np.nan), tried)
        return (
            None,
            f"{len(grid):,} candidates are too many to keep all their returns: no overfitting measures",
        )
    with progress("candidates over the whole history", len(grid)) as on_done:
        scores = score(
            settings,
            market,
            [[one] for one in grid.strategies],
            [weight],
            windows=[window],
            session_returns=True,
            on_done=on_done,
        )
    earlier_trials += note_grid(study, grid, weight, scores.sharpe[:, 0, 0], tried)
    found = assess(np.asarray(scores.session_returns[0][:, 0, :]), earlier_trials=earlier_trials)
    return found, "" if found is not None else "no candidate ever traded: no overfitting measures"
