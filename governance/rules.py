"""The rules of the mandate: each a pure function from mandate and evidence to a verdict.

A figure that isn't known (NaN, None, nothing there) never passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, median

from backtester.guards.warnings import Guard
from governance.evidence import Evidence
from governance.mandate import Mandate


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a rule says: its figure, the limit, and a sentence with both. ``figure`` is None where it isn't known."""

    rule: str
    passed: bool
    figure: float | None
    limit: float | None
    sentence: str


Rule = Callable[[Mandate, Evidence], Verdict]
NAN = float("nan")
_NEEDED_GUARDS = frozenset(guard.value for guard in Guard)


def judge(mandate: Mandate, evidence: Evidence) -> tuple[Verdict, ...]:
    """Apply every rule; the evidence is enough when all of them pass."""
    return tuple(rule(mandate, evidence) for rule in RULES)


def _at_least(  # noqa: PLR0917 (they read in this order)
    rule: str, what: str, figure: float, limit: float, show: Callable[[float], str], why: str = ""
) -> Verdict:
    return _verdict(rule, what, figure, limit, show, figure >= limit, "at least", why)


def _at_most(  # noqa: PLR0917 (they read in this order)
    rule: str, what: str, figure: float, limit: float, show: Callable[[float], str], why: str = ""
) -> Verdict:
    return _verdict(rule, what, figure, limit, show, figure <= limit, "at most", why)


def _verdict(  # noqa: PLR0917 (they read in this order)
    rule: str,
    what: str,
    figure: float,
    limit: float,
    show: Callable[[float], str],
    holds: bool,
    bound: str,
    why: str,
) -> Verdict:
    known = math.isfinite(figure)
    found = show(figure) if known else f"not known{f' ({why})' if why else ''}"
    return Verdict(
        rule=rule,
        passed=known and holds,
        figure=figure if known else None,
        limit=limit,
        sentence=f"{what}: {found}; {bound} {show(limit)} is asked for",
    )


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _mean(values: list[float]) -> float:
    """Mean of all values; NaN of none, or when one of them isn't known."""
    return fmean(values) if values else NAN


def folds(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge whether there are enough folds."""
    count = float(len(evidence.folds)) if evidence.folds else NAN
    limit = mandate.walk_forward.min_folds
    return _at_least("folds", "folds of the walk-forward", count, limit, _number, evidence.failure)


def mean_sharpe(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the test windows' mean Sharpe ratio."""
    figure = _mean([fold.sharpe for fold in evidence.folds])
    limit = mandate.walk_forward.min_mean_sharpe
    return _at_least(
        "mean Sharpe ratio", "mean Sharpe ratio of the test windows", figure, limit, _ratio, _why(evidence)
    )


def worst_sharpe(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the worst test window's Sharpe ratio; one that isn't known makes the worst unknown."""
    values = [fold.sharpe for fold in evidence.folds]
    figure = NAN if not values or any(math.isnan(one) for one in values) else min(values)
    limit = mandate.walk_forward.min_worst_sharpe
    return _at_least(
        "worst fold", "Sharpe ratio of the worst test window", figure, limit, _ratio, _why(evidence)
    )


def mean_drawdown(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the test windows' mean largest drawdown."""
    figure = _mean([fold.max_drawdown for fold in evidence.folds])
    limit = mandate.walk_forward.max_mean_drawdown
    return _at_most(
        "drawdown", "mean largest drawdown of the test windows", figure, limit, _share, _why(evidence)
    )


def positive_folds(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the share of test windows with a gain."""
    returns = [fold.total_return for fold in evidence.folds]
    figure = _mean([NAN if math.isnan(one) else float(one > 0) for one in returns])
    limit = mandate.walk_forward.min_positive_folds
    return _at_least("folds with a gain", "test windows with a gain", figure, limit, _share, _why(evidence))


def efficiency(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge what is left out of sample of the Sharpe ratio in training."""
    promised = evidence.in_sample_sharpe
    figure = evidence.out_of_sample_sharpe / promised if promised > 0 else NAN
    limit = mandate.walk_forward.min_efficiency
    return _at_least(
        "efficiency",
        "Sharpe ratio out of sample over that in training",
        figure,
        limit,
        _share,
        _why(evidence),
    )


def fills(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge whether there are enough fills together."""
    figure = float(sum(fold.fills for fold in evidence.folds)) if evidence.folds else NAN
    return _at_least(
        "fills", "fills out of sample", figure, mandate.trades.min_fills, _number, _why(evidence)
    )


def fills_a_fold(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge whether there are enough fills in every fold."""
    figure = float(min((fold.fills for fold in evidence.folds), default=NAN))
    limit = mandate.trades.min_fills_a_fold
    return _at_least("fills a fold", "fills in the fold with the fewest", figure, limit, _number)


def neighbours(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge whether there are enough neighbours to speak of a plateau."""
    count = float(len(evidence.plateau.sharpes))
    limit = mandate.plateau.min_neighbours
    return _at_least("neighbours", "neighbours of the chosen parameters", count or NAN, limit, _number)


def plateau_kept(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the neighbours' median against the chosen parameters."""
    own, others = evidence.plateau.own_sharpe, evidence.plateau.sharpes
    known = bool(others) and own > 0 and not any(math.isnan(one) for one in others)
    figure = median(others) / own if known else NAN
    limit = mandate.plateau.min_kept_sharpe
    return _at_least(
        "plateau", "median Sharpe ratio of the neighbours over that of the chosen", figure, limit, _share
    )


def plateau_holds(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the share of the neighbours that hold; one whose figure isn't known doesn't."""
    bar, others = mandate.plateau.holding_sharpe, evidence.plateau.sharpes
    figure = _mean([float(one >= bar) for one in others])
    limit = mandate.plateau.min_holding_share
    return _at_least(
        "neighbours hold",
        f"neighbours with a Sharpe ratio of {bar:.2f} or more out of sample",
        figure,
        limit,
        _share,
    )


def ledger(_mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the trial ledger holds and knows of these trials."""
    found = evidence.luck
    problem = found.ledger or ("no trial was made" if found.own_trials < 1 else "")
    counted = f"{found.own_trials:,} trials of this study and {found.earlier_trials:,} others on this data"
    counted += f" (other sets of data that the strategy was tried on: {found.other_data:,})"
    return Verdict(
        rule="trial ledger",
        passed=not problem,
        figure=float(found.own_trials + found.earlier_trials),
        limit=None,
        sentence=f"trial ledger: {problem or f'it holds {counted}'}; a whole one is asked for",
    )


def deflated_sharpe(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the chosen parameters' Sharpe ratio against the luck of all trials."""
    found = evidence.luck
    what = (
        f"probability that the chosen one's Sharpe ratio over the history ({_told(found.sharpe)}) is above what "
        f"{_told(found.counted_trials, _number)} independent trials show by luck ({_told(found.sharpe_by_luck)})"
    )
    limit = mandate.luck.min_deflated_sharpe
    return _at_least("deflated Sharpe ratio", what, found.deflated_sharpe, limit, _share, _why(evidence))


def overfitting(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge how often the best of one half is below the median of the other."""
    figure = evidence.luck.overfitting_probability
    limit = mandate.luck.max_overfitting_probability
    return _at_most("overfitting", "probability of overfitting (CSCV)", figure, limit, _share, _why(evidence))


def growth_p5(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge growth of the unlucky histories."""
    figure, limit = evidence.stress.growth_p5, mandate.monte_carlo.min_growth_p5
    return _at_least(
        "Monte Carlo growth", "5th percentile of the growth a year, resampled", figure, limit, _share
    )


def drawdown_p95(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge drawdown of the unlucky histories."""
    figure, limit = evidence.stress.drawdown_p95, mandate.monte_carlo.max_drawdown_p95
    return _at_most(
        "Monte Carlo drawdown", "95th percentile of the largest drawdown, resampled", figure, limit, _share
    )


def jitter(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge parameters that are a little off gain, too."""
    figure, limit = evidence.stress.jitter_gains, mandate.monte_carlo.min_jitter_gains
    what = f"parameter sets within {mandate.monte_carlo.jitter:.0%} that gain out of sample"
    return _at_least("moved parameters", what, figure, limit, _share)


def costs(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge higher costs."""
    stress = evidence.stress
    present = _told(stress.present_costs_sharpe, _ratio)
    figure = stress.costs_sharpe if math.isfinite(stress.present_costs_sharpe) else NAN
    what = (
        f"mean Sharpe ratio of the test windows, each in a new account, at {mandate.costs.factor:g} times the costs "
        f"(at the present ones {present})"
    )
    return _at_least("costs", what, figure, mandate.costs.min_mean_sharpe, _ratio)


def crises(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge every crisis of the mandate is in the data, and none went too deep. The figure is the one closest to its limit."""
    limits = mandate.scenarios.crises
    found = {name: evidence.stress.crises.get(name, NAN) for name in limits}
    missing = [name for name, figure in found.items() if not math.isfinite(figure)]
    deepest = max(found, key=lambda name: found[name] - limits[name]) if found and not missing else None
    told = "; ".join(
        f"{name} {_told(figure, _share)} (at most {limits[name]:.1%})" for name, figure in found.items()
    )
    return Verdict(
        rule="crises",
        passed=deepest is not None and all(figure <= limits[name] for name, figure in found.items()),
        figure=None if deepest is None else found[deepest],
        limit=None if deepest is None else limits[deepest],
        sentence=f"largest drawdown inside crises: {told or 'none is asked for, which is no evidence'}",
    )


def shocks(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the worst shock."""
    found = evidence.stress.shocks
    unknown = not found or any(not math.isfinite(one) for one in found.values())
    worst = None if unknown else max(found, key=lambda name: found[name])
    figure = NAN if worst is None else found[worst]
    what = f"largest drawdown under the worst shock{f' ({worst})' if worst else ''}"
    return _at_most("shocks", what, figure, mandate.scenarios.max_shock_drawdown, _share)


def guards(_mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge every guard ran, found no bias, and nothing at all about look-ahead."""
    found = evidence.guards
    missing = sorted(_NEEDED_GUARDS - set(found.ran))
    ahead = tuple(text for text in found.cautions if text.startswith(f"{Guard.LOOK_AHEAD.value}:"))
    problems = [*found.biases, *ahead]
    told = "nothing"
    if missing:
        told = f"{', '.join(missing)} did not run"
    elif problems:
        told = problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
    return Verdict(
        rule="bias guards",
        passed=not missing and not problems,
        figure=None if missing else float(len(problems)),
        limit=0.0,
        sentence=f"what the guards hold for a bias: {told}; nothing is asked for",
    )


def bar_size(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the evidence is of the bars that are traded."""
    own, traded = evidence.bar_size_s, evidence.traded_size_s
    same = own == traded and own > 0
    allowed = "" if mandate.bars.same_size else " (the mandate lets them differ)"
    return Verdict(
        rule="bar size",
        passed=own > 0 and (same or not mandate.bars.same_size),
        figure=float(own),
        limit=float(traded),
        sentence=f"bars of the evidence: {own:,} s, bars that are traded: {traded:,} s{allowed}",
    )


def age(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge the evidence reaches up to now."""
    limit = float(mandate.bars.max_age_days)
    return _at_most("age of the data", "days since the newest bar", evidence.age_days, limit, _number)


def parity(mandate: Mandate, evidence: Evidence) -> Verdict:
    """Judge live trading was held against the backtest, lately, long enough, without a difference."""
    asked, found = mandate.parity, evidence.parity
    problem = found.problem
    if not problem and (found.differences is None or found.differences != 0):
        problem = f"{found.differences} differences"
    elif not problem and (found.sessions is None or found.sessions < asked.min_sessions):
        problem = f"only {found.sessions} sessions of at least {asked.min_sessions}"
    elif not problem and not found.age_days <= asked.max_age_days:
        problem = f"it is {found.age_days:.0f} days old, at most {asked.max_age_days:g} are allowed"
    elif not problem and asked.same_code and not found.same_code:
        problem = "it was made with other code than this: run make parity again"
    told = problem or f"no difference in {found.sessions} sessions, {found.age_days:.1f} days ago"
    if not asked.required:
        told = "not asked for by the mandate"
    return Verdict(
        rule="parity",
        passed=not asked.required or not problem,
        figure=None if found.differences is None else float(found.differences),
        limit=0.0,
        sentence=f"live against backtest: {told}",
    )


def _why(evidence: Evidence) -> str:
    return evidence.failure


def _told(value: float, show: Callable[[float], str] = _ratio) -> str:
    return show(value) if math.isfinite(value) else "not known"


RULES: tuple[Rule, ...] = (
    folds,
    mean_sharpe,
    worst_sharpe,
    mean_drawdown,
    positive_folds,
    efficiency,
    fills,
    fills_a_fold,
    neighbours,
    plateau_kept,
    plateau_holds,
    ledger,
    deflated_sharpe,
    overfitting,
    growth_p5,
    drawdown_p95,
    jitter,
    costs,
    crises,
    shocks,
    guards,
    bar_size,
    age,
    parity,
)
"""Every rule, in the order in which they are told."""
