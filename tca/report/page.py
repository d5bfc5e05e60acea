"""The report as one HTML file."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.atomic_file import write_atomic
from core.text import stamp
from performance.tear_sheet.page import Page, Section, Table, Text, Tile, Tiles, render
from tca.learning_curve.figure import curve_figure
from tca.learning_curve.summary import Curve
from tca.order_page import journal_of, line_of
from tca.report import figures
from tca.report.queries import COMPONENTS, GROUPINGS, Group, Source
from tca.report.terminal import interval_text, number

_MEANS = ("method", "size", "time of day", "symbol")


def write_report_page(
    source: Source, path: Path, *, outliers: int, curve: Curve | None, subtitle: str
) -> None:
    """Write the page; it needs no network and no other file."""
    dearest = source.dearest(outliers)
    page = Page(
        title="What trading has cost",
        subtitle=subtitle,
        sections=(
            _overview(source),
            _comparison(source),
            _groupings(source),
            _learning(curve),
            *_outliers(dearest),
        ),
        footer="python -m tca report. Positive figures are costs. The columns are explained in docs/tca.md.",
    )
    text = _with_links(render(page), [str(row["order_ref"]) for row in dearest])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.encode(), durable=False, mode=0o644)


def _overview(source: Source) -> Section:
    totals = source.totals()
    if not totals.parents:
        return Section(
            title="", blocks=(Text(paragraphs=("The database holds no measured parent order yet.",)),)
        )
    tiles = Tiles(
        tiles=(
            Tile(name="Parent orders", value=f"{totals.parents:,}", hint=_unmeasured(totals.unmeasured)),
            Tile(name="Notional", value=f"{totals.notional:,.0f}", hint="at decision prices"),
            Tile(name="Shortfall", value=f"{totals.cost:,.2f}", hint="in money, all components"),
            Tile(name="Shortfall", value=f"{totals.in_bps(totals.cost):+.2f} bps", hint="of notional"),
            Tile(
                name="Mean order",
                value=f"{totals.mean_bps.estimate:+.2f} bps",
                hint=f"95 %: {totals.mean_bps.low:+.2f} to {totals.mean_bps.high:+.2f}",
            ),
        )
    )
    return Section(title="", blocks=(tiles, figures.waterfall(totals), figures.over_time(source.over_time())))


def _unmeasured(count: int) -> str:
    return f"{count:,} without a decision price are left out" if count else ""


def _comparison(source: Source) -> Section:
    rows = source.reweighted()
    table = Table(
        title="The same in figures",
        columns=("method", "chosen", "might have been", "effective orders", "bps, 95 %"),
        rows=tuple(
            (
                one.method,
                f"{one.chosen:,}",
                f"{one.might_have:,}",
                f"{one.effective:,.0f}",
                interval_text(one.bps),
            )
            for one in rows
        ),
    )
    return Section(
        title="Methods",
        blocks=(
            figures.reweighted(rows),
            table,
            figures.means("Plain mean by method", source.grouped("method")),
            figures.quantiles(source.spread_of_costs()),
        ),
        note="How sure it is: an interval that reaches across another method's leaves open which is cheaper.",
    )


def _groupings(source: Source) -> Section:
    grouped = {name: source.grouped(name) for name in GROUPINGS}
    plots = [figures.means(f"By {name}", grouped[name]) for name in _MEANS if name != "method"]
    return Section(
        title="Breakdown", blocks=(*plots, *(_group_table(name, rows) for name, rows in grouped.items()))
    )


def _group_table(name: str, groups: Sequence[Group]) -> Table:
    return Table(
        title=f"By {name}",
        columns=(
            name,
            "orders",
            "notional",
            "cost",
            "bps",
            "mean bps, 95 %",
            "vs arrival",
            "vs VWAP",
            "vs close",
            "vs next open",
            "reversion",
            "missed",
        ),
        rows=tuple(
            (
                one.key,
                f"{one.parents:,}",
                f"{one.notional:,.0f}",
                f"{one.cost:,.2f}",
                f"{one.bps:+.2f}",
                interval_text(one.mean_bps),
                number(one.arrival_bps),
                number(one.vwap_bps),
                number(one.close_bps),
                number(one.next_open_bps),
                number(one.reversion_bps),
                f"{one.missed_share:.1%}",
            )
            for one in groups
        ),
    )


def _learning(curve: Curve | None) -> Section:
    title = "The algo wheel in simulation"
    if curve is None:
        how = "There is no learning curve beside the database yet: python -m tca learning-curve draws it."
        return Section(title=title, blocks=(Text(paragraphs=(how,)),))
    return Section(
        title=title,
        blocks=(curve_figure(curve),),
        note=f"{curve.seeds} simulated markets; off-policy intervals held the truth in "
        f"{curve.coverage['doubly_robust']:.1%} of them (doubly robust).",
    )


def _outliers(dearest: Sequence[Mapping[str, Any]]) -> list[Section]:
    table = Table(
        title="Orders that cost most",
        columns=(
            "order",
            "decided",
            "symbol",
            "side",
            "method",
            "quantity",
            "filled",
            *COMPONENTS,
            "shortfall",
            "bps",
        ),
        rows=tuple(
            (
                str(row["order_ref"]),
                stamp(row["decided_ns"]),
                str(row["symbol"]),
                str(row["side"]),
                str(row["method"]),
                f"{row['quantity']:,f}".rstrip("0").rstrip("."),
                f"{row['filled']:,f}".rstrip("0").rstrip("."),
                *(f"{row[name]:,.2f}" for name in COMPONENTS),
                f"{row['shortfall']:,.2f}",
                f"{row['shortfall_bps']:+.1f}",
            )
            for row in dearest
        ),
        note="The name of an order leads to its journal below.",
    )
    journals = tuple(_journal(row) for row in dearest)
    return [
        Section(title="Outliers", blocks=(table,)),
        Section(title="Journal of the outliers", blocks=journals),
    ]


def _journal(row: Mapping[str, Any]) -> Text:
    records = journal_of(Path(row["path"]), dict(row)) if row["path"] else []
    ref = str(row["order_ref"])
    if not records:
        return Text(title=ref, paragraphs=(f"The journal {row['path']} holds no record of it any more.",))
    return Text(
        title=ref,
        paragraphs=(f"{row['path']}, records {records[0].seq} to {records[-1].seq}",),
        code="\n".join(line_of(record) for record in records),
    )


def _with_links(page: str, refs: Sequence[str]) -> str:
    """Let each outlier's name in the table lead to the card of that title. The page itself knows no links."""
    for ref in refs:
        safe = html.escape(ref)
        anchor = "order-" + re.sub(r"[^\w-]", "-", ref)
        page = page.replace(f"<td>{safe}</td>", f'<td><a href="#{anchor}">{safe}</a></td>')
        page = page.replace(f"<h3>{safe}</h3>", f'<h3 id="{anchor}">{safe}</h3>')
    return page
