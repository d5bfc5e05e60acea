"""The page of a search: its counts and warnings, the best combinations, the maps, and the tear sheet of the best one."""

from __future__ import annotations

from collections.abc import Sequence

from backtester.search.luck import Luck
from backtester.search.maps import Curve
from backtester.search.ranking import Ranked, Ranking
from backtester.search.words import figure_text, value_text
from performance.tear_sheet.figure import Figure, line
from performance.tear_sheet.page import Block, Choice, Section, Table, Text, Tile, Tiles
from performance.tear_sheet.panels.search import parameter_figure
from performance.tear_sheet.report_data import ParameterMap
from performance.tear_sheet.words import count, number, percent

SHOWN = ("sharpe", "cagr", "max_drawdown", "calmar", "volatility_annual", "fills")
"""Figures of a table of combinations."""


def search_section(
    ranking: Ranking, luck: Luck | None, *, tried: int, skipped: int, notes: Sequence[str]
) -> Section:
    """Compose counts, the warning, and the table of the best."""
    metric = ranking.objective.metric
    tiles = [
        Tile(
            name="Combinations",
            value=count(tried),
            hint=f"{skipped:,} of them skipped: their values don't fit",
        ),
        Tile(
            name="Ranked",
            value=count(ranking.ranked),
            hint=f"by {metric}, with {ranking.min_fills:,} fills or more",
        ),
        Tile(name=f"Median {metric}", value=number(ranking.median), hint="over all that were ranked"),
    ]
    if ranking.best:
        tiles.append(Tile(name=f"Best {metric}", value=number(ranking.best[0].figures[metric])))
    blocks: list[Block] = [Tiles(tiles=tiles)]
    if luck is not None:
        blocks += [luck_tiles(luck), Text(paragraphs=[luck.warning, *notes])]
    elif notes:
        blocks.append(Text(paragraphs=list(notes)))
    blocks.append(best_table(ranking))
    return Section(title="Search", blocks=blocks)


def luck_tiles(luck: Luck) -> Tiles:
    """Show what luck alone would give, and what is left of the best beside it."""
    return Tiles(
        tiles=[
            Tile(
                name="Luckiest of so many",
                value=number(luck.luckiest_sharpe),
                hint=f"Sharpe ratio to expect of the best of {luck.trials:,} without skill",
            ),
            Tile(
                name="Deflated Sharpe",
                value=percent(luck.deflated),
                hint="probability that the best is above that",
            ),
            Tile(name="Overfitting (PBO)", value=percent(luck.overfitting), hint=luck.overfitting_note),
            Tile(
                name="History",
                value=f"{luck.years:.1f} years",
                hint=f"below {luck.years_needed:.1f}, so many trials without skill show a Sharpe ratio of 1",
            ),
        ]
    )


def best_table(ranking: Ranking) -> Table:
    """List the best combinations, each with its neighbours' median."""
    metric = ranking.objective.metric
    names = [metric, *(name for name in SHOWN if name != metric)]
    keys = list(ranking.best[0].values) if ranking.best else []
    note = f"Neighbours: the median {metric} of the combinations one step away. A best one that stands alone is luck."
    if ranking.steadiest is not None:
        told = ", ".join(f"{key} {value_text(value)}" for key, value in ranking.steadiest.values.items())
        note += f" Of the best hundred, the one with the best neighbours: {told} ({figure_text(metric, ranking.steadiest.around)})."
    return Table(
        title="Best combinations",
        columns=["", *keys, names[0], "neighbours", *names[1:]],
        rows=[_row(place, one, names) for place, one in enumerate(ranking.best, 1)],
        note=note,
    )


def _row(place: int, one: Ranked, names: Sequence[str]) -> list[str]:
    figures = [figure_text(name, one.figures[name]) for name in names]
    return [
        f"{place}",
        *(value_text(value) for value in one.values.values()),
        figures[0],
        figure_text(names[0], one.around),
        *figures[1:],
    ]


def maps_section(maps: Sequence[ParameterMap], curves: Sequence[Curve]) -> Section:
    """Show a map of each pair of keys, picked by name, and a curve of each key."""
    blocks: list[Block] = []
    if len(maps) == 1:
        blocks.append(parameter_figure(maps[0]))
    elif maps:
        figures = {f"{one.x_name} and {one.y_name}": parameter_figure(one) for one in maps}
        blocks.append(Choice(title="Maps", label="keys", figures=figures))
    blocks += [curve_figure(one) for one in curves]
    return Section(
        title="Parameters",
        blocks=blocks,
        note="A plateau is a place where neighbouring values do about as well; a peak beside bad values is luck.",
    )


def curve_figure(curve: Curve) -> Figure:
    """Draw the figure over one key."""
    trace = line(curve.x, curve.y, curve.metric, "@equity", hover=".3f")
    return Figure(
        title=f"{curve.metric} by {curve.key}",
        traces=[{**trace, "mode": "lines+markers"}],
        layout={"xaxis": {"title": {"text": curve.key}}, "showlegend": False},
        note="Median over the other keys.",
        height=260,
        wide=False,
    )
