"""A recalibration from its beginning to the decision: evidence step by step, then every rule of the mandate."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from backtester.progress import progress as terminal_progress
from backtester.search.identity import code_sha256, hash_of
from backtester.trials.search import ledger_of, numbers_of_grid
from backtester.validation.scenarios import DEFAULT_SHOCKS
from backtester.validation.study_folder import plain
from core.atomic_file import write_atomic
from core.code_version import code_version
from governance.evidence import (
    NAN,
    Evidence,
    FoldEvidence,
    GuardEvidence,
    LuckEvidence,
    ParityEvidence,
    PlateauEvidence,
    StressEvidence,
)
from governance.journal import ledger_problem, other_data
from governance.rules import Verdict, judge
from governance.search import Subject, search, tried_on
from governance.steps import Body, StepFolder, digest
from governance.stress import costs, guards, jitter, monte_carlo, scenarios
from performance.overfitting import expected_maximum_sharpe, probabilistic_sharpe_ratio
from performance.ratios import sharpe_ratio
from portfolio.risk_manager import SESSIONS_PER_YEAR
from strategy.base import Number

FOLDER = "recalibration"
Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the mandate says of the chosen parameters.

    Attributes
    ----------
    id
        Names the folder: everything that the evidence depends on.
    values
        Parameters that are up for promotion; empty when none was chosen.
    verdicts
        Of every rule.
    evidence, evidence_sha256
        What was judged, and its hash (the steps, the mandate, the data).
    found
        The steps, by name.
    """

    id: str
    folder: Path
    strategy: str
    values: Mapping[str, Number]
    verdicts: tuple[Verdict, ...]
    evidence: Evidence
    evidence_sha256: str
    found: Mapping[str, Body]

    @property
    def passed(self) -> bool:
        """Whether all rules pass and there is something to promote."""
        return bool(self.values) and bool(self.verdicts) and all(one.passed for one in self.verdicts)

    @property
    def failed(self) -> tuple[str, ...]:
        """Rules that don't pass."""
        return tuple(one.rule for one in self.verdicts if not one.passed)


def identity_of(subject: Subject) -> dict[str, object]:
    """Say everything that the evidence depends on, besides the ledger and the parity check."""
    study = subject.study
    return {
        "code_sha256": code_sha256(),
        "data_sha256": subject.market.sha256,
        "config": study.loaded.settings.model_dump(mode="json"),
        "first_bar": study.first_bar,
        "strategy": subject.grid.kind.name,
        "texts": [one.text for one in study.origins],
        "weight": subject.weight,
        "candidates": [dict(one) for one in subject.grid.values],
        "mandate": subject.mandate.sha256,
    }


def recalibrate(subject: Subject, log: Callable[[str], None], bar: Bar = terminal_progress) -> Decision:
    """Gather the evidence, going on with what a killed run has left, and judge it.

    Parameters
    ----------
    subject
        What is recalibrated.
    log
        Gets a line a step.
    bar
        Makes a progress bar of a label and a count.
    """
    name = subject.grid.kind.name
    number = hash_of(identity_of(subject))
    folder = subject.study.loaded.folders.results / FOLDER / f"{name}-{number}"
    found = _gather(subject, StepFolder(path=folder, log=log), bar)
    evidence = evidence_of(subject, found)
    verdicts = judge(subject.mandate, evidence)
    decision = Decision(
        id=f"{name}-{number}",
        folder=folder,
        strategy=name,
        values=dict(found["search"].get("values", {})),
        verdicts=verdicts,
        evidence=evidence,
        evidence_sha256=digest(
            {
                "steps": found,
                "mandate": subject.mandate.sha256,
                "data": subject.market.sha256,
                "verdicts": plain([_as_json(one) for one in verdicts]),
            }
        ),
        found=found,
    )
    _write(subject, decision)
    log(f"decision: {'passed' if decision.passed else 'refused'}, {len(decision.failed)} rules not met")
    return decision


def _gather(subject: Subject, steps: StepFolder, bar: Bar) -> dict[str, Body]:
    """Take every step; after a search without a walk-forward there is no other."""
    windows = len(subject.grid)

    def with_bar(label: str, total: int, work: Callable[..., Body]) -> Callable[[], Body]:
        def make() -> Body:
            with bar(label, total) as advance:
                return work(advance)

        return make

    found: dict[str, Body] = {
        "search": steps.run(
            "search", with_bar("candidates in all windows", 2 * windows, lambda on: search(subject, on))
        )
    }
    first = found["search"]
    if not first["failure"]:
        asked = subject.mandate.monte_carlo
        several = len(subject.mandate.scenarios.crises) + len(DEFAULT_SHOCKS)
        plan: tuple[tuple[str, int, Callable[..., Body]], ...] = (
            ("monte_carlo", asked.paths, lambda on: monte_carlo(subject, first, on)),
            ("jitter", asked.jitter_paths, lambda on: jitter(subject, first, on)),
            ("costs", 2 * len(first["folds"]), lambda on: costs(subject, first, on)),
            ("scenarios", several, lambda on: scenarios(subject, first, on)),
            ("guards", 1, lambda _on: guards(subject, first)),
        )
        for step, total, work in plan:
            found[step] = steps.run(step, with_bar(step.replace("_", " "), total, work))
    return found


def evidence_of(subject: Subject, found: Mapping[str, Body]) -> Evidence:
    """Put the steps together; what a step doesn't tell stays unknown."""
    first = found["search"]
    mandate, market = subject.mandate, subject.market
    bare = Evidence(
        failure=str(first["failure"]),
        parity=parity_evidence(subject.study.loaded.root / mandate.parity.file),
        bar_size_s=market.size_s,
        traded_size_s=subject.study.loaded.settings.bars.size_s,
        age_days=age_days(int(market.end_ns[-1])),
    )
    if "folds" not in first:
        return bare
    return replace(
        bare,
        folds=tuple(_fold(one) for one in first["folds"]),
        in_sample_sharpe=_number(first["in_sample_sharpe"]),
        out_of_sample_sharpe=_number(first["sharpe"]),
        plateau=PlateauEvidence(
            own_sharpe=_number(first["plateau"]["own"]),
            sharpes=tuple(_number(one) for one in first["plateau"]["sharpes"]),
        ),
        luck=luck_evidence(subject, first),
        stress=_stress(found),
        guards=GuardEvidence(
            **{name: tuple(found.get("guards", {}).get(name, ())) for name in ("ran", "biases", "cautions")}
        ),
    )


def luck_evidence(subject: Subject, first: Body) -> LuckEvidence:
    """Deflate the chosen parameters' Sharpe ratio by every trial that the ledger holds on this data, as it is now.

    It is their Sharpe ratio over the whole history that is deflated, as the formula wants it: the one by which they may have been
    chosen among so many. That they do well where nobody chose is for the rules of the walk-forward.

    Luck is a Sharpe ratio of 0, give or take its standard error over this history, in each of the independent trials. The paper
    takes the spread that the trials show; but that holds their true differences, too, so that some poor candidates would raise
    the bar for a good one. Without any skill both are the same. What the ledger holds of others counts in full.

    The same candidates on other symbols, or from another beginning on, are other trials, although the ledger knows them as the same
    configurations: whoever looks at ten sets of data shows the best of ten. So this study's count once more for each other set.
    """
    ledger = ledger_of(subject.study)
    control = subject.study.loaded.folders.control
    tried = tried_on(subject, str(first["study"]), int(first["end"]))
    problem = ledger_problem(control, ledger, tried.study)
    if problem:
        return LuckEvidence(own_trials=int(first["candidates"]), ledger=problem)
    numbers = numbers_of_grid(subject.study, subject.grid, subject.weight)
    earlier, counts, others = ledger.earlier(tried, numbers), ledger.counts(tried), other_data(ledger, tried)
    returns = np.array(first["whole_returns"], dtype=np.float64)
    trials = _number(first["independent"]) * (1 + others) + earlier
    known = math.isfinite(trials) and len(returns) > 1
    error = math.sqrt(SESSIONS_PER_YEAR / (len(returns) - 1)) if known else NAN
    by_luck = expected_maximum_sharpe(max(round(trials), 1), error) if known else NAN
    deflated = probabilistic_sharpe_ratio(returns, benchmark_sharpe_annual=by_luck) if known else NAN
    return LuckEvidence(
        own_trials=int(first["candidates"]),
        earlier_trials=earlier,
        other_data=others,
        counted_trials=trials,
        sharpe_by_luck=by_luck,
        sharpe=sharpe_ratio(returns) if len(returns) > 1 else NAN,
        deflated_sharpe=deflated,
        spread=_number(first["spread"]),
        best_in_ledger=counts.sharpe_best,
        overfitting_probability=_number(first["overfitting"]),
        ledger="",
    )


def age_days(end_ns: int, now: datetime | None = None) -> float:
    """Whole days since a bar's end; NaN when it lies ahead."""
    seconds = (now or datetime.now(UTC)).timestamp() - end_ns / 1e9
    return float(seconds // _DAY_S) if seconds >= 0 else NAN


def parity_evidence(path: Path, now: datetime | None = None) -> ParityEvidence:
    """Read what the last parity check found (``results/parity.json``)."""
    try:
        document = json.loads(path.read_bytes())
        written = datetime.fromisoformat(document["written"])
        age_s = ((now or datetime.now(UTC)) - written).total_seconds()
        return ParityEvidence(
            problem="",
            differences=int(document["differences"]),
            sessions=int(document["sessions"]),
            age_days=age_s / _DAY_S if age_s >= 0 else NAN,
            same_code=document["code_sha256"] == code_sha256(),
        )
    except FileNotFoundError:
        return ParityEvidence(problem=f"there is no {path}: run make parity")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return ParityEvidence(problem=f"{path} can't be used: {error!r}")


def _stress(found: Mapping[str, Body]) -> StressEvidence:
    monte, moved, dear, worlds = (
        found.get(name, {}) for name in ("monte_carlo", "jitter", "costs", "scenarios")
    )
    return StressEvidence(
        growth_p5=_number(monte.get("growth_p5")),
        drawdown_p95=_number(monte.get("drawdown_p95")),
        jitter_gains=_number(moved.get("gains")),
        costs_sharpe=_number(dear.get("sharpe")),
        present_costs_sharpe=_number(dear.get("present")),
        crises={name: _number(one) for name, one in worlds.get("crises", {}).items()},
        shocks={name: _number(one) for name, one in worlds.get("shocks", {}).items()},
    )


def _fold(body: Mapping[str, Any]) -> FoldEvidence:
    return FoldEvidence(
        train=body["train"],
        test=body["test"],
        parameters=body["parameters"],
        in_sample_sharpe=_number(body["in_sample_sharpe"]),
        sharpe=_number(body["sharpe"]),
        total_return=_number(body["total_return"]),
        max_drawdown=_number(body["max_drawdown"]),
        fills=int(body["fills"]),
    )


def _number(value: object) -> float:
    return NAN if value is None else float(str(value))


def _as_json(verdict: Verdict) -> dict[str, object]:
    return {
        "rule": verdict.rule,
        "passed": verdict.passed,
        "figure": verdict.figure,
        "limit": verdict.limit,
        "sentence": verdict.sentence,
    }


def decision_json(decision: Decision, subject: Subject) -> dict[str, object]:
    """Everything about a decision but the steps' own bulk."""
    market = subject.market
    return {
        "id": decision.id,
        "strategy": decision.strategy,
        "passed": decision.passed,
        "values": dict(decision.values),
        "failed": list(decision.failed),
        "verdicts": [_as_json(one) for one in decision.verdicts],
        "evidence_sha256": decision.evidence_sha256,
        "mandate_sha256": subject.mandate.sha256,
        "data_sha256": market.sha256,
        "symbols": list(market.symbols),
        "sessions": len(market.sessions),
        "candidates": len(subject.grid),
        "code_version": code_version(),
        "code_sha256": code_sha256(),
        "folder": str(decision.folder),
    }


def _write(subject: Subject, decision: Decision) -> None:
    decision.folder.mkdir(parents=True, exist_ok=True)
    body = plain({**decision_json(decision, subject), "written": datetime.now(UTC).isoformat()})
    write_atomic(decision.folder / "decision.json", (json.dumps(body, indent=2) + "\n").encode(), mode=0o644)
