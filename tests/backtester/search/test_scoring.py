"""Scores of combinations: what single runs say, kept in chunks, ranked and mapped."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.distributed_runner import open_runner
from backtester.run import run_backtest
from backtester.search.chunked import left_to_do, score_draw
from backtester.search.draw import Draw
from backtester.search.grid import change_settings
from backtester.search.luck import measure_luck
from backtester.search.maps import parameter_maps, plateau, smoothed
from backtester.search.ranking import Objective, rank
from backtester.search.report import run_again
from backtester.search.store import TrialStore
from backtester.search.work import METRICS, evaluate
from core.errors import ConfigError
from strategy.registry import create
from tests.backtester.search.cases import CONFLICTS, SPACE, counter, small_work

EVERYTHING = Draw(size=SPACE.size, count=SPACE.size)


@pytest.fixture(scope="module")
def work():
    return small_work()


@pytest.fixture(scope="module")
def done(work, tmp_path_factory):
    """A store of the whole grid, and what scoring it said."""
    store = TrialStore(folder=tmp_path_factory.mktemp("trials"), space=SPACE)
    seen, on_done = counter()
    with open_runner(work, None) as runner:
        scored = score_draw(runner, EVERYTHING, store, 7, on_done)
    assert sum(seen) == SPACE.size
    return store, scored


def test_a_combination_scores_what_a_single_run_gives(work):
    number = SPACE.number((1, 2, 0))
    part = evaluate(work, np.array([number]))
    settings = change_settings(work.settings, (("sizing.risk_per_trade", 0.005),))
    strategy = create("momentum", {"fast_window": 3, "slow_window": 15})
    result = run_backtest(settings, work.market, [strategy], [1.0])
    assert part.numbers.tolist() == [number]
    assert part.figures["total_return"][0] == result.total_return
    assert part.figures["fills"][0] == len(result.fills()) > 0
    assert part.returns is not None
    assert np.prod(1 + part.returns[0]) == pytest.approx(1 + result.total_return, rel=1e-12)


def test_combinations_that_do_not_fit_are_skipped_counted_and_explained(done):
    store, scored = done
    assert scored.conflicts == CONFLICTS > 0
    assert scored.example == "fast_window: 8 must be less than slow_window (6)"
    with store.connect() as database:
        row = database.execute("SELECT count(*) FROM trials").fetchone()
    assert row == (SPACE.size - CONFLICTS,)


def test_the_files_say_by_themselves_what_was_tried(done):
    store, _ = done
    with store.connect() as database:
        rows = database.execute(
            'SELECT trial, "momentum.fast_window", "sizing.risk_per_trade" FROM trials'
        ).fetchall()
    assert all(SPACE.values(trial)["momentum.fast_window"] == fast for trial, fast, _ in rows)
    assert all(SPACE.values(trial)["sizing.risk_per_trade"] == risk for trial, _, risk in rows)


def test_what_is_done_is_not_done_again_and_the_rest_comes_out_the_same(work, done, tmp_path):
    whole, _ = done
    store = TrialStore(folder=tmp_path, space=SPACE)
    for first in (0, 14, 21):
        for path in whole.folder.glob(f"{first:015d}.*"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert left_to_do(EVERYTHING, store, 7) == SPACE.size - 21
    seen, on_done = counter()
    with open_runner(work, None) as runner:
        scored = score_draw(runner, EVERYTHING, store, 7, on_done)
    assert (scored.found, sum(seen)) == (21, SPACE.size - 21)
    for first, _ in EVERYTHING.chunks(7):
        assert store.path(first).read_bytes() == whole.path(first).read_bytes()


def test_a_chunk_that_was_not_finished_does_not_count(tmp_path):
    cut = TrialStore(folder=tmp_path, space=SPACE)
    cut.path(0).with_suffix(".returns.npy").write_bytes(b"half")
    (tmp_path / f".{cut.path(0).name}.0123456789ab.tmp").write_bytes(b"half")
    assert not cut.has(0)
    with cut.connect() as database:
        assert database.execute("SELECT count(*) FROM trials").fetchone() == (0,)


def test_the_best_are_listed_with_what_their_neighbours_do(done):
    store, _ = done
    with store.connect() as database:
        table = dict(database.execute("SELECT trial, sharpe FROM trials WHERE NOT isnan(sharpe)").fetchall())
        ranking = rank(database, SPACE, Objective.of("sharpe"), top=5, min_fills=1)
    best = sorted(table, key=lambda number: (-table[number], number))[:5]
    assert [one.number for one in ranking.best] == best
    assert ranking.ranked == len(table)
    assert ranking.median == pytest.approx(np.median(list(table.values())))
    around = [table[one] for one in SPACE.neighbours(best[0]) if one in table]
    assert ranking.best[0].around == pytest.approx(np.median(around))
    assert ranking.steadiest is not None
    assert ranking.steadiest.around == max(
        np.median(values)
        for values in ([table[one] for one in SPACE.neighbours(number) if one in table] for number in table)
        if len(values) >= 2
    )


def test_a_figure_that_is_better_when_small_is_ranked_so_and_few_fills_can_be_left_out(done):
    store, _ = done
    with store.connect() as database:
        small = rank(database, SPACE, Objective.of("max_drawdown"), top=100, min_fills=1)
        large = rank(database, SPACE, Objective.of("max_drawdown:max"), top=100, min_fills=1)
        many = rank(database, SPACE, Objective.of("sharpe"), top=100, min_fills=20)
    falls = [one.figures["max_drawdown"] for one in small.best]
    assert falls == sorted(falls)
    assert [one.figures["max_drawdown"] for one in large.best] == sorted(falls, reverse=True)
    assert 0 < len(many.best) < len(small.best)
    assert all(one.figures["fills"] >= 20 for one in many.best)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sharp", "there is no figure sharp; did you mean sharpe?"),
        ("sharpe:up", "the direction must be max or min"),
    ],
)
def test_a_wrong_figure_is_told(text, told):
    with pytest.raises(ConfigError, match=told.replace("?", r"\?")):
        Objective.of(text)


def test_luck_is_measured_over_all_combinations(work, done):
    store, _ = done
    with store.connect() as database:
        ranking = rank(database, SPACE, Objective.of("sharpe"), top=1, min_fills=1)
        result = run_again(work, ranking.best[0])
        luck = measure_luck(result, ranking, store)
    assert result.total_return == ranking.best[0].figures["total_return"]
    assert luck.trials == SPACE.size - CONFLICTS
    assert luck.luckiest_sharpe is not None
    assert luck.probabilistic is not None
    assert luck.deflated is not None
    assert luck.deflated < luck.probabilistic
    assert luck.overfitting is not None
    assert 0 <= luck.overfitting <= 1
    assert "says little" in luck.warning


def test_without_returns_the_probability_of_overfitting_is_not_told(done, tmp_path):
    work = small_work(keep_returns=False)
    store = TrialStore(folder=tmp_path, space=SPACE)
    with open_runner(work, None) as runner:
        score_draw(runner, EVERYTHING, store, 20, lambda _count: None)
    assert store.returns() is None
    assert done[0].returns() is not None


def test_a_map_shows_the_median_over_the_other_keys_and_where_the_best_stands(done):
    store, _ = done
    with store.connect() as database:
        ranking = rank(database, SPACE, Objective.of("sharpe"), top=1, min_fills=1)
        maps = parameter_maps(database, SPACE, Objective.of("sharpe"), ranking.best[0])
        pair = database.execute(
            'SELECT median(sharpe) FROM trials WHERE "momentum.fast_window" = 3 AND "momentum.slow_window" = 15'
        ).fetchone()
    assert len(maps) == 3
    first = maps[0]
    assert (list(first.x), list(first.y)) == ([2, 3, 5, 8, 20], [6, 10, 15, 30])
    assert pair is not None
    assert first.values[2, 1] == pytest.approx(pair[0])
    assert np.isnan(first.values[0, 4])  # 20 and 6 don't fit together
    assert first.chosen == tuple(ranking.best[0].values[key] for key in (first.x_name, first.y_name))


def test_a_plateau_is_where_the_neighbours_do_well_too():
    values = np.zeros((9, 9))
    values[5:8, 5:8] = 1.0
    values[1, 1] = 5.0
    marked = plateau(values, maximise=True)
    assert marked[6, 6]
    assert not marked[1, 1]
    assert smoothed(values)[1, 1] == 0
    assert not marked[:4].any()
    assert not plateau(np.ones((4, 4)), maximise=True).any()
    assert not plateau(np.full((3, 3), np.nan), maximise=True).any()


def test_every_metric_is_a_column(done):
    store, _ = done
    part = store.read(0)
    assert part is not None
    assert set(part.figures) == set(METRICS)
