"""The report's tables on the terminal."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.text import stamp
from tca.intervals import Interval
from tca.report.queries import COMPONENTS, Source

_WIDE = 110
ON_THE_TERMINAL = ("method", "symbol", "size", "time of day")


def print_report(source: Source, console: Console) -> None:
    """Print totals, components and the main groupings."""
    totals = source.totals()
    if not totals.parents:
        console.print("The database holds no measured parent order yet.")
        return
    first, last = stamp(totals.first_ns or 0), stamp(totals.last_ns or 0)
    table = Table(title=f"{totals.parents:,} parent orders, {first} to {last}")
    for name in ("component", "money", "bps of notional"):
        table.add_column(name, justify="left" if name == "component" else "right")
    for name in COMPONENTS:
        table.add_row(name, f"{totals.parts[name]:,.2f}", f"{totals.in_bps(totals.parts[name]):+.2f}")
    table.add_row("shortfall", f"{totals.cost:,.2f}", f"{totals.in_bps(totals.cost):+.2f}", style="bold")
    console.print(table)
    console.print(f"mean over the orders: {interval_text(totals.mean_bps)} bps (95 %, Student's t)")
    if totals.unmeasured:
        console.print(f"{totals.unmeasured:,} orders have no decision price and are left out")
    for name in ON_THE_TERMINAL:
        console.print(_grouping(source, name, wide=console.width >= _WIDE))


def _grouping(source: Source, name: str, *, wide: bool) -> Table:
    """One grouping; a narrow terminal gets fewer columns, not narrower ones."""
    table = Table(title=f"Cost by {name}")
    table.add_column(name, no_wrap=True)
    headings = ("orders", "cost", "bps", "mean bps, 95 %")
    for heading in (*headings, "notional", "vs VWAP", "reversion") if wide else headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for one in source.grouped(name):
        cells = (f"{one.parents:,}", f"{one.cost:,.2f}", f"{one.bps:+.2f}", interval_text(one.mean_bps))
        more = (f"{one.notional:,.0f}", number(one.vwap_bps), number(one.reversion_bps))
        table.add_row(Text(one.key), *cells, *(more if wide else ()))
    return table


def interval_text(one: Interval) -> str:
    """Estimate with its bounds."""
    if not math.isfinite(one.estimate):
        return "-"
    if not math.isfinite(one.low):
        return f"{one.estimate:+.2f} (one order)"
    return f"{one.estimate:+.2f} ({one.low:+.2f} to {one.high:+.2f})"


def number(value: float | None) -> str:
    """Basis points with their sign, a dash for none."""
    return "-" if value is None else f"{value:+.2f}"
