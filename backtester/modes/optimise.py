"""Mode ``optimise``: parameters by TPE, random or genetic search, for one objective or several."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from pathlib import Path

import numpy as np

from backtester.distributed_runner import open_runner
from backtester.progress import progress
from backtester.search.folder import open_folder
from backtester.search.grid import make_space
from backtester.search.identity import study_identity
from backtester.search.optimise_report import Course, course_of, course_section, draw_course
from backtester.search.optimiser import BATCHES, Plan, Progress, new_study, search
from backtester.search.ranking import Objective, rank
from backtester.search.report import Outcome, as_json, text_of, write_report
from backtester.search.space import Space
from backtester.search.store import FOLDER, TrialStore
from backtester.search.work import Work
from backtester.study import Request, open_study
from backtester.trials.search import SearchTrials
from core.atomic_file import write_atomic
from core.errors import ConfigError
from core.exit_codes import ExitCode

_RETURNS_UP_TO = 2_000


def run(options: Namespace) -> ExitCode:
    """Search, or go on with a search that was stopped.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    plan = _plan(options)
    study = open_study(Request.of(options))
    space = make_space(options.grid, study.strategies, study.loaded.settings)
    work = Work.of(study, space, keep_returns=options.keep_returns or plan.trials <= _RETURNS_UP_TO)
    draw: dict[str, object] = {
        "seed": plan.seed,
        "sampler": plan.sampler,
        "batch": plan.batch,
        "objectives": [f"{one.metric}:{'max' if one.maximise else 'min'}" for one in plan.objectives],
        "min_fills": plan.min_fills,
        # Only where it was asked for: what comes with --trials mustn't stand between a search and its continuation.
        "keep_returns": options.keep_returns,
    }
    identity = study_identity("optimise", work, draw)
    with open_folder(study.loaded.folders.results, "optimise", identity) as folder:
        trials = SearchTrials.of(study, work, "optimise", identity)
        store = TrialStore(folder=folder.path / FOLDER, space=space, before_saving=trials.note)
        proposed = new_study(plan)
        with (
            open_runner(work, options.cluster) as runner,
            progress("optimise", _total(plan, space, store), unit="combinations") as advance,
        ):
            seen = search(work, plan, proposed, runner, store, advance)
        course = course_of(work, plan, proposed)
        with store.connect() as database:
            ranking = rank(database, space, plan.objectives[0], top=options.top, min_fills=plan.min_fills)
            outcome = Outcome(
                tried=len(seen.known) + len(seen.conflicts),
                skipped=len(seen.conflicts),
                notes=_notes(plan, work, seen),
                earlier_trials=trials.earlier(np.array(sorted(seen.known), dtype=np.int64)),
            )
            more = [course_section(work, plan, course)]
            figures = write_report(options, work, folder, database, store, ranking, outcome, more=more)
        draw_course(plan, course, folder.path / "maps")
        figures["objectives"] = draw["objectives"]
        figures["pareto"] = _pareto(work, plan, course, folder.path / "pareto.csv")
        figures["importances"] = [dict(one) for one in course.importances]
        folder.save(state="done", figures=figures)
        print(as_json(figures, folder.path) if options.json else text_of(ranking, figures, outcome))
        if not options.json:
            print("\n".join([*_course_lines(plan, course), f"results: {folder.path}"]))
    return ExitCode.CLEAN


def _total(plan: Plan, space: Space, store: TrialStore) -> int:
    return min(max(plan.trials, store.chunks() * plan.batch), space.size)


def _plan(options: Namespace) -> Plan:
    objectives = tuple(Objective.of(text, "--objective") for text in options.objective or [options.metric])
    if len({one.metric for one in objectives}) < len(objectives):
        raise ConfigError(["--objective: the same figure is given twice"])
    return Plan(
        sampler=options.sampler,
        seed=options.seed,
        trials=options.trials,
        batch=options.chunk or BATCHES[options.sampler],
        objectives=objectives,
        min_fills=options.min_fills,
    )


def _notes(plan: Plan, work: Work, seen: Progress) -> tuple[str, ...]:
    notes = []
    if seen.found:
        notes.append(f"{seen.found:,} combinations were done before and found in the folder")
    if seen.found > -(-plan.trials // plan.batch) * plan.batch:
        notes.append(f"{plan.trials:,} were asked for, but all that were tried are ranked and count for luck")
    if seen.example is not None:
        notes.append(f"skipped, for instance: {seen.example}")
    if work.space.size <= plan.trials:
        notes.append(
            f"the space has {work.space.size:,} combinations only: --mode grid_search tries them all"
        )
    without = sum(values is None for values in seen.known.values())
    if without:
        notes.append(f"{without:,} combinations had too few fills, or no value of an objective")
    return tuple(notes)


def _pareto(work: Work, plan: Plan, course: Course, path: Path) -> list[dict[str, object]]:
    metrics = [one.metric for one in plan.objectives]
    rows: list[dict[str, object]] = [
        {
            "trial": course.numbers[row],
            **work.space.values(course.numbers[row]),
            **dict(zip(metrics, course.tried[row].tolist(), strict=True)),
        }
        for row in course.front
    ]
    if rows:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomic(path, text.getvalue().encode(), durable=False, mode=0o644)
    return rows


def _course_lines(plan: Plan, course: Course) -> list[str]:
    lines = []
    for objective, shares in zip(plan.objectives, course.importances, strict=True):
        if shares:
            told = ", ".join(f"{key} {share:.0%}" for key, share in shares.items())
            lines.append(f"{'moved by':<14} {objective.metric}: {told}")
    if len(plan.objectives) > 1:
        lines.append(f"{'Pareto front':<14} {len(course.front):,} combinations (pareto.csv, maps/pareto.png)")
    return lines
