"""What a search leaves behind: run.json, best.yaml, best.csv, the maps, report.html, and what is printed."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import yaml

from backtester.result import BacktestResult
from backtester.run import run_backtest
from backtester.search.folder import SearchFolder
from backtester.search.grid import change_settings
from backtester.search.luck import Luck, measure_luck
from backtester.search.maps import MOST_MAPS, curve_over, mapped_axes, parameter_maps
from backtester.search.page import SHOWN, maps_section, search_section
from backtester.search.pictures import draw_all
from backtester.search.ranking import Ranked, Ranking
from backtester.search.store import TrialStore
from backtester.search.words import figure_text, value_text
from backtester.search.work import METRICS, Work
from backtester.tear_sheet_input import report_data, this_command
from core.atomic_file import write_atomic
from performance.tear_sheet.page import LibraryMissing, Page, Section, write_page
from performance.tear_sheet.report_data import Overfitting
from performance.tear_sheet.sheet import tear_sheet
from performance.tear_sheet.words import number, percent

Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A search that is over: how much was tried, how much of it was skipped and why, and what is to be noted.

    ``earlier_trials`` counts other configurations that were tried on this data, by the trial ledger.
    """

    tried: int
    skipped: int
    notes: tuple[str, ...]
    earlier_trials: int = 0


def write_report(
    options: Namespace,
    work: Work,
    folder: SearchFolder,
    database: duckdb.DuckDBPyConnection,
    store: TrialStore,
    ranking: Ranking,
    outcome: Outcome,
    *,
    more: Sequence[Section] = (),
) -> Json:
    """Write everything but what was scored; return the figures of ``run.json``.

    Parameters
    ----------
    options
        Of the command line.
    work, folder, store, ranking, outcome
        The search, and what came of it.
    database
        `TrialStore.connect`.
    more
        Further sections of the page, after the search's own.
    """
    best = ranking.best[0] if ranking.best else None
    result = None if best is None else run_again(work, best)
    luck = None if result is None else measure_luck(result, ranking, store, outcome.earlier_trials)
    figures = _figures(ranking, luck, outcome)
    folder.save(
        state="done", finished=datetime.now(UTC).isoformat(), figures=figures, notes=list(work.market.notes)
    )
    _write_table(ranking, folder.path / "best.csv")
    if best is not None:
        write_spec(options, work, best, folder.path / "best.yaml")
    maps = parameter_maps(database, work.space, ranking.objective, best)
    curves = [curve_over(database, axis, ranking.objective) for axis in mapped_axes(work.space)]
    notes = [*outcome.notes, *_map_notes(work)]
    try:
        draw_all(maps, curves, folder.path / "maps")
        if not options.no_html:
            section = search_section(ranking, luck, tried=outcome.tried, skipped=outcome.skipped, notes=notes)
            sections = [section, *more, maps_section(maps, curves)]
            page = _page(work, folder, sections, result, luck)
            write_page(page, folder.path / "report.html")
    except (LibraryMissing, ImportError) as error:
        figures["report_missing"] = str(error)
    return figures


def run_again(work: Work, best: Ranked) -> BacktestResult:
    """Run one combination with everything recorded."""
    return run_backtest(
        change_settings(work.settings, work.changes(best.number)),
        work.market,
        work.strategies(work.kinds(), best.number),
        work.weights,
        first_bar=work.first_bar,
    )


def _figures(ranking: Ranking, luck: Luck | None, outcome: Outcome) -> Json:
    return {
        "tried": outcome.tried,
        "scored": ranking.scored,
        "skipped": outcome.skipped,
        "ranked": ranking.ranked,
        "metric": ranking.objective.metric,
        "direction": "max" if ranking.objective.maximise else "min",
        "min_fills": ranking.min_fills,
        "median": ranking.median,
        "best": [_ranked(one) for one in ranking.best],
        "steadiest": None if ranking.steadiest is None else _ranked(ranking.steadiest),
        "luck": None if luck is None else {**asdict(luck), "warning": luck.warning},
        "notes": list(outcome.notes),
    }


def _ranked(one: Ranked) -> Json:
    figures = {name: value if value == value else None for name, value in one.figures.items()}  # noqa: PLR0124 (NaN)
    return {"trial": one.number, "values": dict(one.values), "around": one.around, **figures}


def _map_notes(work: Work) -> list[str]:
    axes = mapped_axes(work.space)
    pairs = len(axes) * (len(axes) - 1) // 2
    notes = [f"{pairs} pairs of keys; the first {MOST_MAPS} are drawn."] if pairs > MOST_MAPS else []
    words = [axis.key for axis in work.space.varied if not axis.is_ordered]
    return notes + ([f"No maps over {', '.join(words)}: the values are no numbers."] if words else [])


def _page(
    work: Work,
    folder: SearchFolder,
    sections: list[Section],
    result: BacktestResult | None,
    luck: Luck | None,
) -> Page:
    names = ", ".join(kind.name for kind in work.kinds())
    title = f"{str(folder.record['mode']).replace('_', ' ').capitalize()} of {names}"
    if result is None:
        return Page(title=title, sections=sections)
    facts = {
        "run": folder.path.name,
        "started": str(folder.record.get("started")),
        "code": str(folder.record.get("code_version")),
        "data (SHA-256)": work.market.sha256,
        "seed": str(folder.record.get("seed")),
    }
    data = report_data(result, work.market, work.settings, run=facts, command=this_command())
    if luck is not None:
        data = replace(
            data,
            overfitting=Overfitting(
                trials=luck.trials,
                deflated_sharpe=luck.deflated,
                probability_of_overfitting=luck.overfitting,
                note="combinations scored in this search",
            ),
        )
    sheet = tear_sheet(data)
    best = [replace(one, title=f"Best: {one.title.lower()}" if one.title else "") for one in sheet.sections]
    return Page(title=title, subtitle=sheet.subtitle, sections=[*sections, *best], footer=sheet.footer)


def _write_table(ranking: Ranking, path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    keys = list(ranking.best[0].values) if ranking.best else []
    writer.writerow(["trial", *keys, "around", *METRICS])
    for one in ranking.best:
        writer.writerow(
            [one.number, *one.values.values(), one.around, *(one.figures[name] for name in METRICS)]
        )
    write_atomic(path, text.getvalue().encode(), durable=False, mode=0o644)


def write_spec(options: Namespace, work: Work, best: Ranked, path: Path) -> None:
    """Write the best combination as a YAML study, so that ``--spec best.yaml`` runs it alone."""
    searched = {axis.key for axis in work.space.axes if axis.strategy is None}
    parameters = {
        f"{kind.name}.{name}": value
        for kind, one in zip(work.kinds(), work.strategies(work.kinds(), best.number), strict=True)
        for name, value in one.parameters._asdict().items()
    }
    kept = [one for one in options.set if one.partition("=")[0].strip() not in searched]
    changes = dict(one.partition("=")[::2] for one in kept) | {key: best.values[key] for key in searched}
    study: dict[str, object] = {
        "mode": "single",
        "config": str(options.config),
        "strategy": [
            f"{f'{one.path}:{one.name}' if one.path else one.name}={weight!r}"
            for one, weight in zip(work.origins, work.weights, strict=True)
        ],
        "pairs": [f"{first}/{second}" for one in work.origins for first, second in one.pairs],
        "param": parameters,
        "set": changes,
        "symbols": options.symbols,
        "start": options.start,
        "end": options.end,
        "data": options.data,
        "quality": options.quality,
        "cash": options.cash,
    }
    study = {key: value for key, value in study.items() if value not in (None, [], {})}
    head = f"# The best of a search, by itself: python run_backtest.py --spec {path.name}\n"
    write_atomic(path, (head + yaml.safe_dump(study, sort_keys=False)).encode(), durable=False, mode=0o644)


def text_of(ranking: Ranking, figures: Json, outcome: Outcome) -> str:
    """Write the result of a search for a terminal."""
    metric = ranking.objective.metric
    lines = [
        f"combinations   {outcome.tried:,}, {outcome.skipped:,} of them skipped",
        f"ranked         {ranking.ranked:,} by {metric}, with {ranking.min_fills:,} fills or more",
        f"median         {metric} {figure_text(metric, ranking.median)}",
    ]
    if ranking.best:
        lines += ["", *best_lines(ranking), ""]
    else:
        lines.append(
            f"nothing to rank: no combination has {ranking.min_fills:,} fills and a {metric}; run one alone to see its denials"
        )
    luck = figures["luck"]
    if isinstance(luck, dict):
        known = luck["overfitting"] is not None
        lines += [
            f"luck           Sharpe ratio {number(luck['luckiest_sharpe'])} for the best of {luck['trials']:,} without skill",
            f"deflated       {percent(luck['deflated'])} probability that the best one's Sharpe ratio is above that",
            f"overfitting    PBO {percent(luck['overfitting']) if known else ''} {luck['overfitting_note']}",
            f"note           {luck['warning']}",
        ]
    return "\n".join([*lines, *(f"{'note':<14} {note}" for note in outcome.notes)])


def best_lines(ranking: Ranking) -> list[str]:
    """Table of the best combinations, aligned."""
    metric = ranking.objective.metric
    names = [metric, *(name for name in SHOWN if name != metric)]
    keys = list(ranking.best[0].values)
    rows = [["", *keys, names[0], "neighbours", *names[1:]]]
    steady = ranking.steadiest
    shown = [(f"{place}", one) for place, one in enumerate(ranking.best, 1)]
    if steady is not None and all(one.number != steady.number for one in ranking.best):
        shown.append(("steady", steady))
    for place, one in shown:
        figures = [figure_text(name, one.figures[name]) for name in names]
        values = [value_text(value) for value in one.values.values()]
        rows.append([place, *values, figures[0], figure_text(metric, one.around), *figures[1:]])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]


def as_json(figures: Json, folder: Path) -> str:
    """Figures for a program."""
    return json.dumps({**figures, "folder": str(folder)}, indent=2, default=str)
