"""What Optuna knows after a search, drawn: how it went, the Pareto front, and which keys mattered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from backtester.search.optimiser import Plan
from backtester.search.pictures import new_figure, save_figure, style
from backtester.search.ranking import Objective
from backtester.search.words import figure_text, value_text
from backtester.search.work import FloatArray, Work
from performance.tear_sheet.colours import light
from performance.tear_sheet.figure import Figure, columns, label, line
from performance.tear_sheet.page import Block, Section, Table

_MOST_SHOWN = 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """How a search went.

    Attributes
    ----------
    tried
        Shape (trials, objectives): the wanted figures of each new combination that has them, in the order of the search.
    numbers
        Shape (trials,): the combinations' numbers.
    front
        Rows of ``tried`` that no other one beats in every objective, best first by the first one.
    importances
        Share of each key in what moves each objective; an empty one where it can't be told.
    """

    tried: FloatArray
    numbers: Sequence[int]
    front: Sequence[int]
    importances: Sequence[dict[str, float]]


def course_of(work: Work, plan: Plan, study: optuna.Study) -> Course:
    """Take from Optuna's study what is shown of it."""
    first: dict[int, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        places = [int(trial.params[axis.key]) for axis in work.space.axes]
        first.setdefault(work.space.number(places), trial)
    tried = np.array([trial.values for trial in first.values()], dtype=np.float64).reshape(
        -1, len(plan.objectives)
    )
    return Course(
        tried=tried,
        numbers=list(first),
        front=pareto_front(tried, plan.objectives),
        importances=[_importances(plan, study, place) for place in range(len(plan.objectives))],
    )


def pareto_front(tried: FloatArray, objectives: Sequence[Objective]) -> list[int]:
    """Rows that no other row beats: none is as good in every objective and better in one."""
    signs = np.array([1.0 if one.maximise else -1.0 for one in objectives])
    good = tried * signs
    front = [
        row
        for row in range(len(good))
        if not ((good >= good[row]).all(axis=1) & (good > good[row]).any(axis=1)).any()
    ]
    return sorted(front, key=lambda row: (-good[row, 0], row))


def _importances(plan: Plan, study: optuna.Study, place: int) -> dict[str, float]:
    try:
        found = get_param_importances(
            study,
            evaluator=FanovaImportanceEvaluator(seed=plan.seed),
            target=lambda trial: float(trial.values[place]),
        )
    except (RuntimeError, ValueError):
        return {}  # too few trials, or all alike
    return {key: float(share) for key, share in found.items() if not math.isnan(share)}


def best_so_far(values: FloatArray, *, maximise: bool) -> FloatArray:
    """Best value up to each trial."""
    return np.maximum.accumulate(values) if maximise else np.minimum.accumulate(values)


def course_section(work: Work, plan: Plan, course: Course) -> Section:
    """Show history, front and importances on the page."""
    blocks: list[Block] = []
    if len(plan.objectives) > 1 and len(course.tried):
        blocks += [_front_figure(plan, course), front_table(work, plan, course)]
    for place, objective in enumerate(plan.objectives):
        if len(course.tried):
            blocks.append(_history_figure(objective, course.tried[:, place]))
        if course.importances[place]:
            blocks.append(_importance_figure(objective, course.importances[place]))
    return Section(title="Course", blocks=blocks)


def front_table(work: Work, plan: Plan, course: Course) -> Table:
    """List the combinations of the Pareto front."""
    metrics = [one.metric for one in plan.objectives]
    rows = [
        [
            *(value_text(value) for value in work.space.values(course.numbers[row]).values()),
            *(
                figure_text(metric, value)
                for metric, value in zip(metrics, course.tried[row].tolist(), strict=True)
            ),
        ]
        for row in course.front[:_MOST_SHOWN]
    ]
    more = len(course.front) - len(rows)
    return Table(
        title="Pareto front",
        columns=[*(axis.key for axis in work.space.axes), *metrics],
        rows=rows,
        note="No other combination is as good in every objective and better in one."
        + (f" {more:,} more stand in pareto.csv." if more > 0 else ""),
    )


def _front_figure(plan: Plan, course: Course) -> Figure:
    x, y = plan.objectives[0], plan.objectives[1]
    front = sorted(course.front, key=lambda row: course.tried[row, 0])
    return Figure(
        title="Pareto front",
        traces=[
            {
                **line(course.tried[:, 0], course.tried[:, 1], "tried", "@benchmark", hover=".3f"),
                "mode": "markers",
                "marker": {"color": "@benchmark", "size": 5},
            },
            {
                **line(course.tried[front, 0], course.tried[front, 1], "front", "@equity", hover=".3f"),
                "mode": "lines+markers" if len(plan.objectives) == 2 else "markers",
                "marker": {"color": "@equity", "size": 8},
            },
        ],
        layout={
            "xaxis": {"title": {"text": label(x.metric)}},
            "yaxis": {"title": {"text": label(y.metric)}},
            "hovermode": "closest",
        },
        note="" if len(plan.objectives) == 2 else "The first two objectives; the others aren't drawn.",
        height=420,
    )


def _history_figure(objective: Objective, values: FloatArray) -> Figure:
    trials = np.arange(1, len(values) + 1)
    best = best_so_far(values, maximise=objective.maximise)
    return Figure(
        title=f"{objective.metric} over the search",
        traces=[
            {
                **line(trials, values, "each", "@benchmark", hover=".3f"),
                "mode": "markers",
                "marker": {"color": "@benchmark", "size": 4},
            },
            line(trials, best, "best so far", "@equity", hover=".3f"),
        ],
        layout={"xaxis": {"title": {"text": "combination"}}},
        height=280,
        wide=False,
    )


def _importance_figure(objective: Objective, shares: dict[str, float]) -> Figure:
    trace = columns(list(shares), list(shares.values()), "share", "@equity", hover=".0%")
    return Figure(
        title=f"What moves {objective.metric}",
        traces=[trace],
        layout={"yaxis": {"tickformat": ".0%"}, "showlegend": False},
        note="Share of the variation that each key explains (functional ANOVA, Hutter et al. 2014).",
        height=280,
        wide=False,
    )


def draw_course(plan: Plan, course: Course, folder: Path) -> list[Path]:
    """Draw history, front and importances as PNG; return the paths."""
    if not len(course.tried):
        return []
    figure = new_figure(11, 3.6 * len(plan.objectives))
    rows = figure.subplots(len(plan.objectives), 2, squeeze=False)
    for place, (objective, (left, right)) in enumerate(zip(plan.objectives, rows, strict=True)):
        values = course.tried[:, place]
        trials = np.arange(1, len(values) + 1)
        left.scatter(trials, values, s=9, color=light("@benchmark"))
        best = best_so_far(values, maximise=objective.maximise)
        left.plot(trials, best, color=light("@equity"), drawstyle="steps-post")
        left.set_xlabel("combination")
        style(left, f"{objective.metric} over the search")
        shares = course.importances[place]
        right.barh(list(shares)[::-1], list(shares.values())[::-1], color=light("@equity"))
        style(right, f"what moves {objective.metric}")
    drawn = [save_figure(figure, folder / "history.png")]
    if len(plan.objectives) > 1:
        figure = new_figure(8, 5.5)
        axes = figure.subplots()
        front = sorted(course.front, key=lambda row: course.tried[row, 0])
        axes.scatter(course.tried[:, 0], course.tried[:, 1], s=12, color=light("@benchmark"), label="tried")
        axes.plot(
            course.tried[front, 0],
            course.tried[front, 1],
            marker="o",
            linestyle="-" if len(plan.objectives) == 2 else "",
            color=light("@equity"),
            label="front",
        )
        axes.set_xlabel(plan.objectives[0].metric)
        axes.set_ylabel(plan.objectives[1].metric)
        axes.legend(frameon=False, fontsize=8)
        style(axes, "Pareto front")
        drawn.append(save_figure(figure, folder / "pareto.png"))
    return drawn
