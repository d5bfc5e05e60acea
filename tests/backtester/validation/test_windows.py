"""Windows: what is trained on lies before what is tested, with the gap that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.validation.windows import Plan, first_bar_after_warm_up, make_folds, session_starts
from core.errors import ConfigError
from tests.backtester.cases import make_market

BARS = np.tile([100.0, 101.0, 99.0, 100.0, 1e6], (120, 1))
MARKET = make_market({"A": BARS})
INTRADAY = make_market({"A": np.tile(BARS, (3, 1))}, size_s=1800)


def spans(plan: Plan, **more: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    return [(fold.train_sessions, fold.test_sessions) for fold in make_folds(MARKET, plan, **more)]


def test_rolling_windows_move_by_the_length_of_a_test_and_the_last_one_takes_what_is_left():
    assert spans(Plan(train=50, test=20)) == [
        ((0, 50), (50, 70)),
        ((20, 70), (70, 90)),
        ((40, 90), (90, 110)),
        ((60, 110), (110, 120)),
    ]


def test_anchored_windows_all_begin_with_the_first_session():
    found = spans(Plan(train=50, test=30, anchored=True), first_bar=5)
    assert found == [((5, 55), (55, 85)), ((5, 85), (85, 115)), ((5, 115), (115, 120))]


def test_purge_and_embargo_are_taken_from_the_end_of_the_training():
    assert spans(Plan(train=50, test=60, purge=3, embargo=2)) == [
        ((0, 45), (50, 110)),
        ((60, 105), (110, 120)),
    ]


def test_one_session_is_no_test_window():
    assert spans(Plan(train=99, test=20))[-1] == ((0, 99), (99, 119))


def test_a_longer_step_leaves_sessions_untraded():
    assert [test for _train, test in spans(Plan(train=30, test=10, step=40))] == [
        (30, 40),
        (70, 80),
        (110, 120),
    ]


def test_sessions_of_many_bars_are_cut_between_sessions():
    starts = session_starts(INTRADAY)
    per_session = int(starts[1])
    assert per_session == 13
    folds = make_folds(INTRADAY, Plan(train=10, test=5))
    assert (folds[0].train.first, folds[0].train.end) == (0, 130)
    assert (folds[0].test.first, folds[0].test.end) == (130, 195)


@given(
    train=st.integers(3, 60),
    test=st.integers(2, 40),
    more=st.integers(0, 20),
    gap=st.integers(0, 5),
    anchored=st.booleans(),
)
def test_no_training_reaches_its_test_and_no_session_is_tested_twice(train, test, more, gap, anchored):
    plan = Plan(train=train, test=test, step=test + more, purge=gap, anchored=anchored)
    if plan.problems():
        return
    tested: list[int] = []
    for fold in make_folds(MARKET, plan):
        assert fold.train_sessions[1] + gap == fold.test_sessions[0]
        assert fold.train.end <= fold.test.first
        tested += range(*fold.test_sessions)
    assert len(set(tested)) == len(tested)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(train=1, test=20), "--train 1: must be at least 2"),
        (Plan(train=50, test=1), "--test 1: must be at least 2"),
        (Plan(train=50, test=20, step=10), "would overlap"),
        (Plan(train=50, test=20, purge=-1), "must not be negative"),
        (Plan(train=10, test=20, purge=5, embargo=4), "leave nothing of --train 10"),
        (Plan(train=500, test=20), "only 120 sessions"),
    ],
)
def test_lengths_that_cannot_be_are_refused_in_words(plan, words):
    with pytest.raises(ConfigError, match=words):
        make_folds(MARKET, plan)


def test_training_begins_where_every_candidate_is_ready():
    assert first_bar_after_warm_up(MARKET, 0, 30) == 30
    assert first_bar_after_warm_up(MARKET, 40, 30) == 40
    assert first_bar_after_warm_up(INTRADAY, 0, 14) == 26
