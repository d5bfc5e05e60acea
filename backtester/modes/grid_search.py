"""Mode ``grid_search``: every combination of a space, or some drawn from it, scored and ranked."""

from __future__ import annotations

from argparse import Namespace

from backtester.distributed_runner import open_runner
from backtester.progress import progress
from backtester.search.chunked import Scored, chunk_length, left_to_do, score_draw
from backtester.search.draw import Draw
from backtester.search.folder import SearchFolder, open_folder
from backtester.search.grid import make_space
from backtester.search.identity import study_identity
from backtester.search.ranking import Objective, rank
from backtester.search.report import Outcome, as_json, text_of, write_report
from backtester.search.store import FOLDER, TrialStore
from backtester.search.work import Work
from backtester.study import Request, open_study
from backtester.trials.search import SearchTrials
from core.exit_codes import ExitCode

RETURNS_UP_TO = 2_000
"""Combinations up to which all session returns are kept without being asked for."""


def run(options: Namespace) -> ExitCode:
    """Search, go on with a search that was stopped, or report on one that is done.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    objective = Objective.of(options.metric)
    study = open_study(Request.of(options))
    space = make_space(options.grid, study.strategies, study.loaded.settings)
    count = space.size if options.random is None else min(options.random, space.size)
    draw = Draw(size=space.size, count=count, seed=None if options.random is None else options.seed)
    work = Work.of(study, space, keep_returns=options.keep_returns or count <= RETURNS_UP_TO)
    identity = study_identity("grid_search", work, {"seed": draw.seed, "count": count})
    length = options.chunk or chunk_length(work)
    with open_folder(study.loaded.folders.results, "grid_search", identity, chunk=length) as folder:
        trials = SearchTrials.of(study, work, "grid_search", identity)
        store = TrialStore(folder=folder.path / FOLDER, space=space, before_saving=trials.note)
        scored = _score(options, work, draw, store, folder)
        with store.connect() as database:
            ranking = rank(database, space, objective, top=options.top, min_fills=options.min_fills)
            outcome = Outcome(
                tried=count,
                skipped=count - ranking.scored,
                notes=_notes(scored, work, draw),
                earlier_trials=trials.earlier(draw.numbers(0, count)),
            )
            figures = write_report(options, work, folder, database, store, ranking, outcome)
        print(as_json(figures, folder.path) if options.json else text_of(ranking, figures, outcome))
        if not options.json:
            print(f"results: {folder.path}")
    return ExitCode.CLEAN


def _score(options: Namespace, work: Work, draw: Draw, store: TrialStore, folder: SearchFolder) -> Scored:
    length = int(str(folder.record["chunk"]))  # that of the first run: the files are cut by it
    left = left_to_do(draw, store, length)
    if not left:
        return Scored(found=draw.count, done=0, conflicts=0, example=None)
    with (
        open_runner(work, options.cluster) as runner,
        progress("grid", draw.count, done=draw.count - left, unit="combinations") as advance,
    ):
        return score_draw(runner, draw, store, length, advance)


def _notes(scored: Scored, work: Work, draw: Draw) -> tuple[str, ...]:
    notes = []
    if scored.found:
        notes.append(f"{scored.found:,} combinations were done before and found in the folder")
    if scored.example is not None:
        notes.append(f"skipped, for instance: {scored.example}")
    if draw.count < work.space.size:
        notes.append(f"drawn at random from {work.space.size:,} combinations, seed {draw.seed}")
    return tuple(notes)
