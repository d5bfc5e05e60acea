"""Combinatorial cross-validation: the splits and paths of skfolio, and choices that know their training only."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from skfolio.model_selection import CombinatorialPurgedCV

from backtester.batch import Window, score
from backtester.market import align
from backtester.validation.combinatorial import Combinations, Split, cross_validate
from backtester.validation.selection import make_grid
from core.config_schema import Settings
from core.errors import ConfigError
from data.packaged import load_packaged, packaged_calendar
from strategy.momentum import MOMENTUM

SETTINGS = Settings()
GRID = make_grid(MOMENTUM, {"fast_window": (5, 20), "slow_window": (30, 60)})
CUT = Combinations(groups=4, test_groups=2, purge=3, embargo=2)
FIRST = 60


@pytest.fixture(scope="module")
def market():
    return align(load_packaged(("AAPL", "IBM")), packaged_calendar(), settlement_days=1).head(660)


@pytest.fixture(scope="module")
def done(market):
    return cross_validate(SETTINGS, market, GRID, CUT, first_bar=FIRST)


@pytest.mark.parametrize(
    ("groups", "tests", "purge", "embargo"), [(4, 2, 0, 0), (6, 2, 3, 0), (7, 3, 2, 4), (5, 4, 1, 1)]
)
def test_splits_kept_sessions_and_paths_are_those_of_skfolio(groups, tests, purge, embargo):
    sessions = 103
    theirs = CombinatorialPurgedCV(
        n_folds=groups, n_test_folds=tests, purged_size=purge, embargo_size=embargo
    )
    cut = Combinations(groups=groups, test_groups=tests, purge=purge, embargo=embargo)
    splits, edges = cut.splits(), cut.edges(sessions)
    assert cut.paths == theirs.n_test_paths
    assert len(splits) == theirs.n_splits == comb(groups, tests)
    for split, (train, test_sets) in zip(splits, theirs.split(np.zeros((sessions, 2))), strict=True):
        kept: list[int] = []
        for group, (begin, end) in enumerate(edges):
            if group not in split.tests:
                first, last = cut.kept(split, group, end - begin)
                kept += range(begin + first, begin + last)
        assert kept == train.tolist()
        assert [list(range(*edges[group])) for group in split.tests] == [one.tolist() for one in test_sets]
    recombined = theirs.recombined_paths
    for group in range(groups):
        assert [number for number, split in enumerate(splits) if group in split.tests] == recombined[
            group
        ].tolist()


def test_each_path_covers_every_session_once(done):
    assert done.returns.shape == (CUT.paths, sum(end - begin for begin, end in done.spans))
    assert done.spans[0][0] == FIRST
    assert len(done.splits) == 6


def test_a_path_is_made_of_the_chosen_candidates_returns(market, done):
    windows = [Window(first=begin, end=end) for begin, end in done.spans]
    scores = score(
        SETTINGS, market, [[one] for one in GRID.strategies], [1.0], windows=windows, session_returns=True
    )
    for path in range(CUT.paths):
        parts = []
        for group, table in enumerate(scores.session_returns):
            split = [number for number, one in enumerate(done.splits) if group in one.tests][path]
            parts.append(table[done.chosen[split], 0])
        assert np.array_equal(np.concatenate(parts), done.returns[path])


def test_the_choice_of_a_split_doesnt_look_at_its_test_groups(market, done):
    number = done.splits.index(Split(tests=(1, 3)))
    bars = market.bars.copy()
    rng = np.random.default_rng(1)
    for group in (3,):  # the last group: earlier ones warm later ones up
        begin, end = done.spans[group]
        bars[begin:end, :, :4] *= np.exp(np.cumsum(rng.normal(0, 0.03, end - begin)))[:, None, None]
    changed = cross_validate(
        SETTINGS, replace(market, bars=bars, sha256="changed"), GRID, CUT, first_bar=FIRST
    )
    assert changed.chosen[number] == done.chosen[number]
    assert changed.in_sample[number] == done.in_sample[number]
    assert not np.array_equal(changed.returns, done.returns)


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (Combinations(groups=2, test_groups=1), "at least 3 groups"),
        (Combinations(groups=5, test_groups=5), "1 to 4"),
        (Combinations(groups=40, test_groups=20), "at most 100,000"),
        (Combinations(groups=5, test_groups=2, purge=-1), "negative"),
        (Combinations(groups=301, test_groups=1), "too short"),
    ],
)
def test_groups_that_cannot_be_are_refused(market, cut, words):
    with pytest.raises(ConfigError, match=words):
        cross_validate(SETTINGS, market, GRID, cut, first_bar=FIRST)


def test_a_metric_that_depends_on_the_order_of_groups_is_refused(market):
    with pytest.raises(ConfigError, match="knows sharpe, cagr, total_return"):
        cross_validate(SETTINGS, market, GRID, CUT, metric="max_drawdown", first_bar=FIRST)
