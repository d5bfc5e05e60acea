"""Search that learns: Optuna proposes batches of combinations, which are scored together, so that all cores are busy.

A batch is saved before Optuna hears of it, and each has a seed of its own. A search that was stopped is played again from
what was saved: the same proposals come, are answered from the folder, and from there on it goes on exactly as if it had
never been stopped. (Optuna's own storage would leave trials behind that never end, and doesn't hold a sampler's state.)
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from backtester.distributed_runner import Runner
from backtester.search.draw import shuffled
from backtester.search.ranking import Objective
from backtester.search.store import TrialStore
from backtester.search.work import Part, Work, joined
from core.errors import ConfigError
from strategy.base import StrategyKind

BATCHES = {"tpe": 16, "random": 64, "nsga2": 48}
"""Combinations of a batch for each sampler; the genetic one's generation."""

_PATIENCE = 50
"""Proposals in a row that bring nothing new; then one is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to search: sampler, seed, how many combinations at least (in whole batches), and what is wanted."""

    sampler: str
    seed: int
    trials: int
    batch: int
    objectives: tuple[Objective, ...]
    min_fills: int


@dataclass(slots=True, kw_only=True)
class Progress:
    """What a search knows: the wanted figures of every combination so far (None: none to be had), in order.

    ``conflicts`` are combinations whose values don't fit together, ``example`` says why for one of them, ``found`` how many
    were saved before.
    """

    known: dict[int, tuple[float, ...] | None] = field(default_factory=dict)
    conflicts: set[int] = field(default_factory=set)
    example: str | None = None
    found: int = 0


def new_study(plan: Plan) -> optuna.Study:
    """Open an empty study of Optuna's, in memory, without its messages."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    better = {True: StudyDirection.MAXIMIZE, False: StudyDirection.MINIMIZE}
    directions = [better[one.maximise] for one in plan.objectives]
    return optuna.create_study(directions=directions)


def search(
    work: Work,
    plan: Plan,
    study: optuna.Study,
    runner: Runner,
    store: TrialStore,
    on_done: Callable[[int], None],
) -> Progress:
    """Propose, score and tell, batch by batch, until there are enough or no combination is left.

    All that was saved is played again, also beyond what is asked for now: who looked at more combinations before has seen
    them, and the best is the best of all of them.

    Parameters
    ----------
    work, plan
        What and how.
    study
        From `new_study`; holds all trials in the end.
    runner
        Who scores.
    store
        Holds the batches that are done, and gets the others.
    on_done
        Called with the number of combinations that were finished since the last call.
    """
    seen, kinds = Progress(), work.kinds()
    for batch in count():
        is_enough = len(seen.known) >= plan.trials and not store.has(batch)
        if is_enough or len(seen.known) + len(seen.conflicts) >= work.space.size:
            return seen
        study.sampler = new_sampler(plan, batch)
        asked = _ask(work, kinds, study, seen, plan.batch, np.random.default_rng([plan.seed, batch, 1]))
        if not asked:
            return seen
        part = store.read(batch)
        if part is None:
            part = _score(runner, list(asked), on_done)
            store.write(batch, part)
        else:
            seen.found += len(part.numbers)
            on_done(len(part.numbers))
        _tell(work, study, plan, seen, asked, part)
    raise AssertionError("count() doesn't end")


def new_sampler(plan: Plan, batch: int) -> BaseSampler:
    """Sampler for one batch; its draws depend on the seed and the batch's number alone."""
    seed = int(np.random.SeedSequence([plan.seed, batch]).generate_state(1)[0])
    match plan.sampler:
        case "tpe":
            return TPESampler(seed=seed, multivariate=True, constant_liar=True)
        case "nsga2":
            return NSGAIISampler(seed=seed, population_size=plan.batch)
        case _:
            return RandomSampler(seed=seed)


def _ask(
    work: Work,
    kinds: Sequence[StrategyKind],
    study: optuna.Study,
    seen: Progress,
    wanted: int,
    spare: np.random.Generator,
) -> dict[int, list[Trial]]:
    """Ask for combinations that are new; what is known is told at once, what doesn't fit is told as failed."""
    asked: dict[int, list[Trial]] = {}
    idle = 0
    while len(asked) < wanted and len(seen.known) + len(asked) + len(seen.conflicts) < work.space.size:
        if idle >= _PATIENCE:
            _enqueue(work, study, seen, asked, spare)
        trial = study.ask()
        number = work.space.number(_suggest(work, trial))
        fresh = number not in seen.known and number not in asked and number not in seen.conflicts
        idle = 0 if fresh else idle + 1
        if fresh and (problem := _conflict(work, kinds, number)) is not None:
            seen.conflicts.add(number)
            seen.example = seen.example or problem
        if number in seen.conflicts:
            study.tell(trial, state=TrialState.FAIL)
        elif number in seen.known:
            _tell_one(study, trial, seen.known[number])
        else:
            asked.setdefault(number, []).append(trial)
    return asked


def _suggest(work: Work, trial: Trial) -> list[int]:
    """Places on the axes: values are proposed by their place, so that any spacing of them is searched evenly."""
    places = []
    for axis in work.space.axes:
        last = len(axis.values) - 1
        if axis.is_ordered:
            places.append(trial.suggest_int(axis.key, 0, last))
        else:
            places.append(int(trial.suggest_categorical(axis.key, list(range(last + 1)))))
    return places


def _enqueue(
    work: Work, study: optuna.Study, seen: Progress, asked: dict[int, list[Trial]], spare: np.random.Generator
) -> None:
    """Let the next proposal be a combination that is new, drawn at random."""
    order = int(spare.integers(2**32))
    for position in range(work.space.size):
        number = int(shuffled(np.array([position]), work.space.size, order)[0])
        if number not in seen.known and number not in asked and number not in seen.conflicts:
            places = work.space.places(number)
            study.enqueue_trial(
                {axis.key: place for axis, place in zip(work.space.axes, places, strict=True)}
            )
            return


def _conflict(work: Work, kinds: Sequence[StrategyKind], number: int) -> str | None:
    try:
        work.strategies(kinds, number)
        work.settings_of(number)
    except ConfigError as error:
        return error.problems[0]
    return None


def _score(runner: Runner, numbers: list[int], on_done: Callable[[int], None]) -> Part:
    """Score a batch, cut into as many chunks as can be worked on at a time."""
    slices = np.array_split(np.array(numbers, dtype=np.int64), min(runner.slots, len(numbers)))
    parts = dict(runner.run(enumerate(slices), on_done))
    return joined([parts[place] for place in sorted(parts)])


def _tell(
    work: Work, study: optuna.Study, plan: Plan, seen: Progress, asked: dict[int, list[Trial]], part: Part
) -> None:
    rows = {number: row for row, number in enumerate(part.numbers.tolist())}
    for number, trials in asked.items():
        values = None
        if number in rows and part.figures["fills"][rows[number]] >= plan.min_fills:
            figures = tuple(float(part.figures[one.metric][rows[number]]) for one in plan.objectives)
            values = None if any(math.isnan(value) for value in figures) else figures
        seen.known[number] = values
        for trial in trials:
            trial.set_user_attr("values", work.space.values(number))
            _tell_one(study, trial, values)


def _tell_one(study: optuna.Study, trial: Trial, values: tuple[float, ...] | None) -> None:
    if values is None:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, list(values))
