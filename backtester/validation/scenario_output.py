"""Run scenarios for the command line: folder, page, picture, text."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np

from backtester.progress import progress
from backtester.run import run_backtest
from backtester.study import Study
from backtester.tear_sheet_input import this_command
from backtester.validation.command import check_counts
from backtester.validation.pages import table_lines, write_pages
from backtester.validation.scenarios import (
    DEFAULT_SHOCKS,
    NotCovered,
    Outcome,
    Scenario,
    Setting,
    crises,
    most_invested,
    read_scenarios,
    run_scenario,
)
from backtester.validation.shocks import KINDS, read_shock
from backtester.validation.study_folder import Frame, Record, plain, write_study
from core.errors import ConfigError
from performance.tear_sheet.colours import SERIES, light
from performance.tear_sheet.figure import Figure, line, span_shapes
from performance.tear_sheet.page import Block, Choice, Page, Section, Table, Text
from performance.tear_sheet.words import DASH, count, money, percent

Outcomes = list[Outcome | NotCovered]
COLUMNS = (
    "scenario", "from", "to", "return", "without", "in the shock", "drawdown", "worst day", "under water", "fills",
    "stops hit", "beyond", "lost beyond", "denials",
)  # fmt: skip


def scenarios_of(options: Namespace) -> list[Scenario]:
    """Crises and default shocks, or what the command line names.

    Raises
    ------
    ConfigError
        With every problem.
    """
    if not options.shock and options.scenarios is None:
        return [*crises(), *(Scenario(name=text, shocks=(read_shock(text),)) for text in DEFAULT_SHOCKS)]
    problems: list[str] = []
    found: list[Scenario] = []
    for text in options.shock:
        try:
            found.append(Scenario(name=text, shocks=(read_shock(text),)))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return [*found, *(read_scenarios(options.scenarios) if options.scenarios is not None else [])]


def run_scenarios(options: Namespace, study: Study) -> tuple[str, dict[str, object]]:
    """Run them and write their folder; return the text for a terminal and the figures for JSON.

    Raises
    ------
    ConfigError
        For options that can't be.
    """
    check_counts(options, {"lead": 0, "follow": 1})
    wanted = scenarios_of(options)
    market = study.market
    setting = Setting(
        settings=study.loaded.settings, market=market, strategies=study.strategies, weights=study.weights,
        first_bar=study.first_bar, lead=options.lead, follow=options.follow,
    )  # fmt: skip
    base = run_backtest(setting.settings, market, study.strategies, study.weights, first_bar=study.first_bar)
    exposed = most_invested(base, market, options.lead)
    outcomes: Outcomes = []
    with progress("scenarios", len(wanted)) as on_done:
        for one in wanted:
            outcomes.append(run_scenario(setting, one, exposed))
            on_done(1)
    notes = [*dict.fromkeys(market.notes)]
    if any(shock.day is None for one in wanted for shock in one.shocks):
        share = float((base.gross_micros / np.maximum(base.nlv_micros, 1)).max())
        notes.append(
            f"shocks without a day begin on {market.sessions[exposed].date}, after the session that ended with most "
            f"invested (at most {share:.0%})"
        )
    said = _verdict(outcomes)
    record = _record(options, study, outcomes, said, notes)
    folder = write_study(study.loaded, record, [_frame(outcomes), *_curve_frames(outcomes)])
    names = ", ".join(one.name for one in study.strategies)
    page = _page(names, outcomes, said, notes, options)
    lines = write_pages(options, folder, page, lambda path: _picture(page.title, outcomes, path))
    shown = plain({**record.figures, "folder": str(folder)})
    assert isinstance(shown, dict)
    return "\n".join([*_text(outcomes, said, notes), f"results: {folder}", *lines]), shown


def _record(options: Namespace, study: Study, outcomes: Outcomes, said: str, notes: list[str]) -> Record:
    used = {
        "shocks": list(options.shock),
        "scenarios": str(options.scenarios or ""),
        "lead": options.lead,
        "follow": options.follow,
    }
    figures: dict[str, object] = {
        "mode": "scenario_analysis",
        "strategies": {one.name: weight for one, weight in zip(study.strategies, study.weights, strict=True)},
        "symbols": list(study.market.symbols),
        "lead": options.lead,
        "follow": options.follow,
        "scenarios": [_figures(one) for one in outcomes],
        "verdict": said,
        "data_sha256": study.market.sha256,
    }
    return Record(
        mode="scenario_analysis",
        options=used,
        seed=None,
        figures=figures,
        data_sha256=study.market.sha256,
        notes=notes,
    )


def _text(outcomes: Outcomes, said: str, notes: list[str]) -> list[str]:
    left_out = [
        f"not covered by the data: {one.scenario.name} ({one.why_not})"
        for one in outcomes
        if isinstance(one, NotCovered)
    ]
    said_and_noted = [f"{'verdict':<14} {said}", *(f"{'note':<14} {one}" for one in notes)]
    return [*table_lines(_table(outcomes)), "", *left_out, *said_and_noted]


def _verdict(outcomes: Outcomes) -> str:
    done = [one for one in outcomes if isinstance(one, Outcome)]
    if not done:
        return "no scenario is covered by the data"
    worst = max(done, key=lambda one: one.figures.max_drawdown)
    idle = [one.scenario.name for one in done if not len(one.result.fill_table)]
    said = f"the worst drawdown was {worst.figures.max_drawdown:.1%}, in {worst.scenario.name}"
    gaps = [one for one in done if one.stops.beyond]
    if gaps:
        most = max(gaps, key=lambda one: one.stops.cost)
        said += (
            f"; stops that were jumped over lost up to {most.stops.worst:.0%} beyond their price "
            f"({most.scenario.name}: {money(most.stops.cost)})"
        )
    if idle:
        said += f"; nothing was traded in {', '.join(idle)}, which therefore says nothing"
    return said


def _figures(one: Outcome | NotCovered) -> dict[str, object]:
    found: dict[str, object] = {
        "name": one.scenario.name,
        "shocks": [str(shock) for shock in one.scenario.shocks],
        "covered": isinstance(one, Outcome),
    }
    if isinstance(one, NotCovered):
        return {**found, "why_not": one.why_not}
    return {
        **found,
        "first": one.first,
        "last": one.last,
        "begun": one.result.sessions[0],
        "ended": one.result.sessions[-1],
        "data_sha256": one.result.data_sha256,
        "fills": len(one.result.fill_table),
        "in_shock": one.inside.as_dict(),
        **one.figures.as_dict(),
        "without_shock": None if one.without is None else one.without.as_dict(),
        "denials": one.result.denials_by_reason(),
        "stops_hit": one.stops.stops,
        "stops_beyond": one.stops.beyond,
        "stops_worst_beyond": one.stops.worst,
        "stops_lost_beyond": one.stops.cost,
    }


def _table(outcomes: Outcomes) -> Table:
    rows = []
    for one in outcomes:
        if isinstance(one, NotCovered):
            rows.append([one.scenario.name, "not covered", *[DASH] * (len(COLUMNS) - 2)])
            continue
        denials = dict(list(one.result.denials_by_reason().items())[:2])
        rows.append(
            [
                one.scenario.name,
                str(one.first),
                str(one.last),
                percent(one.figures.total_return),
                percent(one.without.total_return) if one.without is not None else DASH,
                percent(one.inside.total_return),
                percent(one.figures.max_drawdown),
                percent(one.figures.worst_session),
                count(one.figures.longest_under_water),
                str(len(one.result.fill_table)),
                str(one.stops.stops),
                str(one.stops.beyond),
                money(one.stops.cost) if one.stops.stops else DASH,
                ", ".join(f"{reason} {number}" for reason, number in denials.items()) or "none",
            ]
        )
    return Table(
        title="Scenarios",
        columns=list(COLUMNS),
        rows=rows,
        note="Return, drawdown, worst day and sessions under water are of the whole run, which begins in cash before the shock; "
        "'without' is the same run on the real prices. 'Beyond' counts stops that the open jumped over; 'lost beyond' is what all "
        "stops lost against their price, costs included.",
    )


def _frame(outcomes: Outcomes) -> Frame:
    keys = (
        "name", "covered", "first", "last", "begun", "ended", "total_return", "max_drawdown", "worst_session",
        "longest_under_water", "fills", "stops_hit", "stops_beyond", "stops_worst_beyond", "stops_lost_beyond",
    )  # fmt: skip
    rows = [_figures(one) for one in outcomes]
    columns = {key: [_cell(row.get(key)) for row in rows] for key in keys}
    columns["in_shock_return"] = [_nested(row, "in_shock") for row in rows]
    columns["without_shock_return"] = [_nested(row, "without_shock") for row in rows]
    return Frame(name="scenarios", columns=columns)


def _cell(value: object) -> object:
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _nested(row: dict[str, object], name: str) -> float | None:
    inner = row.get(name)
    return float(inner["total_return"]) if isinstance(inner, dict) else None


def _curve_frames(outcomes: Outcomes) -> list[Frame]:
    columns: dict[str, list[object]] = {"scenario": [], "session": [], "nlv": []}
    for one in outcomes:
        if isinstance(one, Outcome):
            days, values = _curve(one)
            columns["scenario"] += [one.scenario.name] * len(days)
            columns["session"] += [str(day) for day in days]
            columns["nlv"] += values.tolist()
    return [Frame(name="equity", columns=columns)]


def _curve(one: Outcome, *, without: bool = False) -> tuple[np.ndarray, np.ndarray]:
    result = one.plain if without else one.result
    assert result is not None
    numbers = np.unique(result.session_of).tolist()
    return np.array(
        [result.sessions[number] for number in numbers], dtype="datetime64[D]"
    ), result.session_closes()


def _equity_figure(one: Outcome) -> Figure:
    days, values = _curve(one)
    name = "with the shock" if one.plain is not None else "account"
    traces = [line(days, values, name, "@equity", hover="$,.0f")]
    if one.plain is not None:
        before, plain_values = _curve(one, without=True)
        traces.insert(0, line(before, plain_values, "without", "@benchmark", hover="$,.0f"))
    crisis = one.scenario.crisis
    return Figure(
        title=one.scenario.name,
        traces=traces,
        layout={
            "shapes": span_shapes([(one.first, one.last)], "@loss/0.14"),
            "yaxis": {"tickprefix": "$", "tickformat": ",.3~s"},
        },
        note=(f"{crisis.note}. " if crisis is not None else "") + f"Shaded: {one.first} to {one.last}.",
    )


def _page(names: str, outcomes: Outcomes, said: str, notes: list[str], options: Namespace) -> Page:
    figures = {one.scenario.name: _equity_figure(one) for one in outcomes if isinstance(one, Outcome)}
    missing = [
        f"{one.scenario.name} is not covered: {one.why_not}."
        for one in outcomes
        if isinstance(one, NotCovered)
    ]
    meanings = Table(
        title="Kinds of shocks",
        columns=["kind", "size"],
        rows=[[name, meaning] for name, (_low, _high, meaning) in KINDS.items()],
    )
    blocks: list[Block] = [
        Text(title="Verdict", paragraphs=[said[0].upper() + said[1:] + ".", *missing, *notes]),
        _table(outcomes),
        Choice(title="Equity in each scenario", label="scenario", figures=figures),
    ]
    return Page(
        title=f"Scenarios of {names}",
        subtitle=f"accounts begin {options.lead} sessions before and end {options.follow} after",
        sections=[
            Section(title="Scenarios", blocks=blocks),
            Section(
                title="Run",
                blocks=[meanings, Text(title="To run it again", paragraphs=[], code=this_command())],
            ),
        ],
    )


def _picture(title: str, outcomes: Outcomes, path: Path) -> Path:
    from backtester.validation.pictures import draw_table, new_figure, save, style  # noqa: PLC0415 (matplotlib is slow to load)

    done = [one for one in outcomes if isinstance(one, Outcome)]
    table = _table(outcomes)
    height = 0.26 * (len(table.rows) + 1)
    figure = new_figure(title, 4.0 + height + 0.8)
    axes = figure.subplots(2, 1, height_ratios=[4.0, height])
    style(axes[0], "Equity from the beginning of each scenario's run, as a multiple of the opening cash")
    for place, one in enumerate(done):
        _days, values = _curve(one)
        axes[0].plot(values / float(one.result.opening_cash), color=light(SERIES[place % len(SERIES)]), linewidth=1.1,
                     linestyle=("-", "--", ":")[place // len(SERIES) % 3], label=one.scenario.name)  # fmt: skip
    axes[0].legend(loc="best", frameon=False, fontsize=7, ncols=3)
    axes[0].set_xlabel("sessions", fontsize=8)
    short = (0, 1, 2, 3, 4, 6, 7, 8, 10, 11, 12)
    draw_table(
        axes[1],
        [table.columns[place] for place in short],
        [[row[place] for place in short] for row in table.rows],
    )
    return save(figure, path)
