"""The page of a recalibration: the decision line by line, then the evidence behind each line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backtester.validation.figures import curve_of
from core.code_version import code_version
from governance.pipeline import Decision
from governance.search import Subject
from performance.tear_sheet.figure import Figure, columns, line
from performance.tear_sheet.page import Block, Page, Section, Table, Text, Tile, Tiles, write_page
from performance.tear_sheet.words import DASH, count, many, number, percent

REPORT = "report.html"


def write_report(subject: Subject, decision: Decision) -> Path:
    """Write ``report.html`` into the decision's folder.

    Raises
    ------
    LibraryMissing
        When plotly isn't installed.
    """
    sections = [_decision(subject, decision)]
    first = decision.found["search"]
    if "folds" in first:
        sections += [_walk_forward(first), _plateau(first), _luck(decision), _stress(decision)]
    sections.append(_record(subject, decision))
    market = subject.market
    page = Page(
        title=f"Recalibration of {decision.strategy}",
        subtitle=(
            f"{', '.join(market.symbols[:8])}{' ...' if len(market.symbols) > 8 else ''}, {market.sessions[0].date} to "
            f"{market.sessions[-1].date}, {many(len(subject.grid), 'candidate')}"
        ),
        sections=sections,
        footer=f"{decision.id}, evidence {decision.evidence_sha256[:16]}",
    )
    return write_page(page, decision.folder / REPORT)


def _decision(subject: Subject, decision: Decision) -> Section:
    met = len(decision.verdicts) - len(decision.failed)
    good, bad = "@gain", "@loss"
    tiles = [
        Tile(
            name="Decision",
            value="passed" if decision.passed else "refused",
            hint="every rule must hold",
            tone=good if decision.passed else bad,
        ),
        Tile(
            name="Rules that hold",
            value=f"{met} of {len(decision.verdicts)}",
            tone=good if decision.passed else bad,
        ),
        Tile(name="Parameters", value=_values(decision.values), hint="chosen on the last training window"),
        Tile(name="Candidates", value=count(len(subject.grid))),
    ]
    rows = [
        ["holds" if one.passed else "FAILS", one.rule, _figure(one.figure), _figure(one.limit), one.sentence]
        for one in decision.verdicts
    ]
    blocks: list[Block] = [
        Tiles(tiles=tiles),
        Table(
            title="The mandate, rule by rule",
            columns=["", "rule", "figure", "limit", "in words"],
            rows=rows,
            note="A figure that isn't known never holds. The limits stand in validation_mandate.yaml.",
        ),
    ]
    failure = decision.found["search"]["failure"]
    if failure:
        blocks.append(Text(title="There is no walk-forward", paragraphs=[str(failure)]))
    return Section(title="Decision", blocks=blocks)


def _walk_forward(first: Mapping[str, Any]) -> Section:
    folds = first["folds"]
    rows = [
        [
            str(place + 1),
            fold["train"],
            fold["test"],
            fold["rule"],
            _values(fold["parameters"]),
            number(fold["in_sample_sharpe"]),
            number(fold["sharpe"]),
            percent(fold["total_return"]),
            percent(fold["max_drawdown"]),
            count(fold["fills"]),
        ]
        for place, fold in enumerate(folds)
    ]
    names = [fold["test"][:10] for fold in folds]
    dates = np.array(first["dates"], dtype="datetime64[D]")
    curve = curve_of(np.array(first["returns"], dtype=np.float64))[1:]
    return Section(
        title="Walk-forward",
        blocks=[
            Figure(
                title="Out of sample",
                traces=[line(dates, curve, "equity", "@equity", hover=".3f")],
                layout={},
                note="All test windows on one curve, from 1; parameters are those that each training window chose.",
            ),
            Figure(
                title="Sharpe ratio, promised and delivered",
                traces=[
                    columns(names, [_known(fold["in_sample_sharpe"]) for fold in folds], "in training", "@benchmark", hover=".2f"),
                    columns(names, [_known(fold["sharpe"]) for fold in folds], "out of sample", "@equity", hover=".2f"),
                ],
                layout={"barmode": "group", "xaxis": {"type": "category"}},
                note="By the first session of each test window.",
            ),
            Table(
                title="Folds",
                columns=["fold", "training", "test", "rule", "chosen", "Sharpe in", "Sharpe out", "return", "drawdown", "fills"],
                rows=rows,
            ),
        ],
    )  # fmt: skip


def _plateau(first: Mapping[str, Any]) -> Section:
    found = first["plateau"]
    rows = [["the chosen", _values(first["values"]), number(found["own"])]]
    rows += [
        ["neighbour", _values(values), number(sharpe)]
        for values, sharpe in zip(found["values"], found["sharpes"], strict=True)
    ]
    table = Table(
        title="The chosen parameters and those one step away",
        columns=["", "parameters", "Sharpe ratio"],
        rows=rows,
        note="Over all test windows, each in an account of its own.",
    )
    return Section(title="Plateau", blocks=[table])


def _luck(decision: Decision) -> Section:
    found = decision.evidence.luck
    rows = [
        ["trials of this study", count(found.own_trials), "candidates"],
        ["other trials on this data", count(found.earlier_trials), "by the trial ledger: same strategy, shared symbols and days"],
        ["other sets of data", count(found.other_data), "other symbols, or another beginning, that the strategy was tried on"],
        ["counted as independent", number(found.counted_trials, 1), "this study's by their correlation, once more for each other set; the others in full"],
        ["Sharpe ratio by luck", number(found.sharpe_by_luck), "expected of the best of so many trials without skill"],
        ["Sharpe ratio of the chosen", number(found.sharpe), "over the whole history, training included"],
        ["spread of the trials", number(found.spread), "standard deviation of this study's Sharpe ratios"],
        ["best trial in the ledger", number(found.best_in_ledger), "Sharpe ratio of any trial on this data"],
        ["deflated Sharpe ratio", percent(found.deflated_sharpe), "probability that the true one is above luck"],
        ["probability of overfitting", percent(found.overfitting_probability), "best of one half below the median of the other (CSCV)"],
        ["trial ledger", found.ledger or "holds", ""],
    ]  # fmt: skip
    return Section(
        title="Luck", blocks=[Table(title="What luck alone would show", columns=["", "", ""], rows=rows)]
    )


def _stress(decision: Decision) -> Section:
    evidence, found = decision.evidence, decision.found
    monte, stress = found.get("monte_carlo", {}), evidence.stress
    blocks: list[Block] = [
        Tiles(
            tiles=[
                Tile(name="Growth, 5th percentile", value=percent(stress.growth_p5), hint=f"{count(monte.get('paths'))} resampled histories"),
                Tile(name="Drawdown, 95th percentile", value=percent(stress.drawdown_p95), hint=f"blocks of {number(monte.get('block'), 1)} sessions"),
                Tile(name="Moved parameters that gain", value=percent(stress.jitter_gains)),
                Tile(name="Sharpe at higher costs", value=number(stress.costs_sharpe)),
            ]
        ),
        Table(
            title="Crises and shocks",
            columns=["", "largest drawdown"],
            rows=[[name, percent(_known(one))] for name, one in (*stress.crises.items(), *stress.shocks.items())],
        ),
    ]  # fmt: skip
    guards = evidence.guards
    told = [*(f"Bias: {text}" for text in guards.biases), *(f"Caution: {text}" for text in guards.cautions)]
    blocks.append(Text(title="Guards", paragraphs=[f"Ran: {', '.join(guards.ran) or 'none'}.", *told]))
    return Section(title="Stress", blocks=blocks)


def _record(subject: Subject, decision: Decision) -> Section:
    rows = [
        ["recalibration", decision.id],
        ["evidence", decision.evidence_sha256],
        ["mandate", subject.mandate.sha256],
        ["data", subject.market.sha256],
        ["configuration", subject.study.loaded.sha256],
        ["code", code_version()],
    ]
    blocks: list[Block] = [Table(title="What was judged", columns=["", ""], rows=rows)]
    notes = list(dict.fromkeys(subject.market.notes))
    if notes:
        blocks.append(Text(title="Notes on the data", paragraphs=notes))
    return Section(title="Record", blocks=blocks)


def _values(values: Mapping[str, object]) -> str:
    return (
        ", ".join(f"{name} {value:g}" for name, value in values.items() if isinstance(value, int | float))
        or "none"
    )


def _figure(value: float | None) -> str:
    return DASH if value is None else f"{value:,.6g}"


def _known(value: float | None) -> float:
    return float("nan") if value is None else float(value)
