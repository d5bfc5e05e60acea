"""The page of a drift report, and its lines for a terminal."""

from __future__ import annotations

import numpy as np

from ml.drift.measures import kolmogorov_smirnov, population_stability
from ml.drift.steps import Check, DriftReport, Evidence
from ml.reference import Reference
from performance.tear_sheet.page import Page, Section, Table, Text, Tile, Tiles
from performance.tear_sheet.words import number

WORDS = (
    "nothing to do",
    "warned: nothing is restricted yet",
    "new risk is halved",
    "nothing is opened any more",
)


def lines_of(report: DriftReport) -> list[str]:
    """Describe a report for a terminal."""
    before, state = report.before.level, report.state
    lines = [
        f"{report.strategy} {report.version}: level {state.level.name.lower()}, before {before.name.lower()}: {WORDS[state.level]}"
    ]
    lines += [f"  {one.name:<24}{_value(one):>8}  {_level(one):<12}{one.detail}" for one in report.checks]
    if state.calm:
        lines.append(f"  {state.calm} calm reports in a row")
    if not report.is_news:
        lines.append(f"  {_no_news(report)}")
    return lines


def page_of(report: DriftReport, reference: Reference, evidence: Evidence) -> Page:
    """Compose the page."""
    level = report.state.level
    tiles = Tiles(
        tiles=[
            Tile(name="Level", value=level.name.lower(), hint=WORDS[level]),
            Tile(name="Before", value=report.before.level.name.lower()),
            Tile(name="This report asks for", value=report.asked.name.lower()),
            Tile(name="Calm reports in a row", value=str(report.state.calm)),
        ]
    )
    checks = Table(
        title="Measures",
        columns=["measure", "value", "level", "warn from", "halve from", "stop from", "what was measured"],
        rows=[[one.name, _value(one), _level(one), *_limits(one), one.detail] for one in report.checks],
    )
    words = [report.reason] if report.is_news else [report.reason, _no_news(report)]
    return Page(
        title=f"Drift of {report.strategy} {report.version}",
        sections=[
            Section(title="Summary", blocks=[tiles, Text(paragraphs=words), checks]),
            Section(title="Features", blocks=[_features(reference, evidence)]),
        ],
    )


def _no_news(report: DriftReport) -> str:
    return f"the bars reach no further than those of {report.state.session}, which were judged before: no calm report is counted"


def _features(reference: Reference, evidence: Evidence) -> Table:
    rows = []
    for name, quantiles in reference.quantiles.items():
        values = evidence.features.get(name, np.empty(0))
        known = values[~np.isnan(values)]
        rows.append(
            [
                name,
                number(float(quantiles[50]), 4),
                number(float(np.median(known)) if len(known) else None, 4),
                number(population_stability(quantiles, values), 3),
                number(kolmogorov_smirnov(quantiles, values), 3),
            ]
        )
    return Table(
        title="Distributions",
        columns=["feature", "median in training", "median lately", "stability index", "distance"],
        rows=rows,
        note="Of all days and symbols, in the training's time and lately.",
    )


def _value(one: Check) -> str:
    return "-" if np.isnan(one.value) else f"{one.value:.2f}"


def _level(one: Check) -> str:
    if one.limits is None:
        return "told"
    return one.limits.level_of(one.value).name.lower() if one.counts else "too few"


def _limits(one: Check) -> tuple[str, str, str]:
    if one.limits is None:
        return "", "", ""
    return f"{one.limits.warn:g}", f"{one.limits.halve:g}", f"{one.limits.stop:g}"
