"""Searches that learn: deterministic, going on after a stop as if there had been none, and honest about the front."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.distributed_runner import LocalRunner
from backtester.search.optimise_report import course_of, pareto_front
from backtester.search.optimiser import Plan, new_study, search
from backtester.search.ranking import Objective
from backtester.search.store import TrialStore
from tests.backtester.search.cases import CONFLICTS, SPACE, counter, small_work


@pytest.fixture(scope="module")
def work():
    return small_work(keep_returns=False)


def plan(sampler="tpe", trials=16, seed=1, objectives=("sharpe",)) -> Plan:
    return Plan(
        sampler=sampler,
        seed=seed,
        trials=trials,
        batch=8,
        objectives=tuple(Objective.of(one) for one in objectives),
        min_fills=1,
    )


def searched(work, folder, asked):
    study = new_study(asked)
    seen, on_done = counter()
    store = TrialStore(folder=folder, space=SPACE)
    return search(work, asked, study, LocalRunner(work), store, on_done), study, sum(seen)


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(work, tmp_path, sampler):
    whole, _, _ = searched(work, tmp_path / "whole", plan(sampler, trials=24))
    first, _, _ = searched(work, tmp_path / "parts", plan(sampler, trials=8))
    second, _, scored = searched(work, tmp_path / "parts", plan(sampler, trials=24))
    assert list(whole.known) == list(second.known)
    assert whole.known == second.known
    assert list(first.known) == list(whole.known)[: len(first.known)]
    assert (second.found, whole.found) == (len(first.known), 0)
    assert scored == len(second.known)


def test_a_search_that_asks_for_less_than_was_tried_knows_of_all_that_was(work, tmp_path):
    whole, _, _ = searched(work, tmp_path, plan(trials=24))
    again, study, _ = searched(work, tmp_path, plan(trials=8))
    assert list(again.known.items()) == list(whole.known.items())
    assert again.found == len(whole.known)
    asked = plan(trials=8)
    wanted = [number for number, values in whole.known.items() if values is not None]
    assert course_of(work, asked, study).numbers == wanted


def test_the_seed_decides(work, tmp_path):
    first, _, _ = searched(work, tmp_path / "a", plan(seed=1))
    again, _, _ = searched(work, tmp_path / "b", plan(seed=1))
    other, _, _ = searched(work, tmp_path / "c", plan(seed=2))
    assert list(first.known) == list(again.known)
    assert list(first.known) != list(other.known)


def test_a_space_that_is_smaller_than_asked_for_is_searched_to_its_end(work, tmp_path):
    found, _, _ = searched(work, tmp_path, plan(trials=1_000))
    assert len(found.known) == SPACE.size - CONFLICTS
    assert len(found.conflicts) == CONFLICTS
    assert not set(found.known) & found.conflicts
    assert found.example is not None
    assert "must be less than slow_window" in found.example


def test_several_objectives_give_a_front_and_importances(work, tmp_path):
    asked = plan("nsga2", trials=24, objectives=("sharpe", "max_drawdown:min"))
    found, study, _ = searched(work, tmp_path, asked)
    course = course_of(work, asked, study)
    assert course.numbers == [number for number, values in found.known.items() if values is not None]
    best = max(course.tried[:, 0])
    assert course.tried[course.front[0], 0] == best
    least = min(course.tried[:, 1])
    assert least in course.tried[course.front, 1]
    for shares in course.importances:
        assert sum(shares.values()) == pytest.approx(1.0)
        assert set(shares) == {axis.key for axis in SPACE.axes}


def test_the_front_holds_what_nothing_beats():
    tried = np.array([[1.0, 5.0], [2.0, 4.0], [2.0, 6.0], [0.5, 3.0], [0.4, 3.5]])
    objectives = (Objective.of("sharpe"), Objective.of("max_drawdown"))
    assert pareto_front(tried, objectives) == [1, 3]
