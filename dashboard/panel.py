"""The terminal panel, drawn with rich."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dashboard.view import SystemView, format_market_time, format_money

_FRESH_S, _LATE_S = 1.0, 3.0


def render(
    view: SystemView, messages: Sequence[str], *, run_id: str, width: int | None = None
) -> RenderableType:
    """Draw the panel.

    Parameters
    ----------
    view
        The moment to show.
    messages
        The newest lines of the processes, oldest first.
    run_id
        Shown in the title.
    width
        Columns to fill; None for all that there are.
    """
    columns = Table.grid(expand=True, padding=(0, 3))
    columns.add_column(ratio=2)
    columns.add_column(ratio=3)
    columns.add_row(_account(view), _processes(view))
    columns.add_row(_positions(view), _checks(view))
    body = Group(_headline(view), Text(), columns, Text(), _messages(messages))
    return Panel(body, title=f"Backstop {run_id}", border_style=_border(view), padding=(0, 1), width=width)


def _border(view: SystemView) -> str:
    if view.halt != "none":
        return "red"
    return "green" if view.watchdog is not None and view.watchdog.lease else "yellow"


def _headline(view: SystemView) -> Text:
    text = Text(format_market_time(view.market_ns), style="bold")
    gateway = view.gateway
    if gateway.sessions:
        text.append(
            f"   session {min(gateway.sessions_done + 1, gateway.sessions)} of {gateway.sessions}", "default"
        )
    if gateway.speed > 0:  # False for NaN too
        text.append(f"   {gateway.speed:,.0f}x real time", "dim")
    return text


def _account(view: SystemView) -> Table:
    main = view.main
    grid = _grid()
    if main is None:
        grid.add_row("account", "main has not reported yet")
        return grid
    grid.add_row("account", main.account or "–")
    grid.add_row("NLV", format_money(main.nlv))
    grid.add_row("P&L this run", _signed(main.pnl))
    grid.add_row("drawdown", "–" if math.isnan(main.drawdown) else f"{main.drawdown:.2%}")
    grid.add_row("commission", format_money(main.commission))
    grid.add_row("orders", f"{main.working_orders} working, {main.orders_sent} sent, {main.fills} fills")
    grid.add_row("signals", f"{main.signals}, {main.denials} denials, {main.breaks} breaks")
    return grid


def _processes(view: SystemView) -> Table:
    main, watchdog, now_ns = view.main, view.watchdog, view.monotonic_ns
    grid = _grid()
    if main is not None:
        line = Text(f"{main.phase}, broker {main.connection}, heartbeat ")
        grid.add_row("main", line.append_text(_age(main.age_s(now_ns))))
    else:
        grid.add_row("main", "starting")
    if watchdog is not None:
        line = Text(f"{watchdog.state}, broker {watchdog.connection}, heartbeat ")
        grid.add_row("watchdog", line.append_text(_age(watchdog.age_s(now_ns))))
        lease = Text("granted", "green") if watchdog.lease else Text("none: main opens no risk", "yellow")
        grid.add_row("lease", lease)
    else:
        grid.add_row("watchdog", "starting")
    halt = view.halt
    grid.add_row("halt", Text(halt, "green" if halt == "none" else "bold red"))
    if main is not None:
        grid.add_row("queue", f"{main.queue_depth} events")
    return grid


def _positions(view: SystemView) -> Table:
    grid = _grid()
    positions = view.main.positions if view.main else {}
    lines = [f"{symbol} {quantity}" for symbol, quantity in sorted(positions.items())]
    grid.add_row("positions", "flat" if not lines else ", ".join(lines))
    return grid


def _checks(view: SystemView) -> Table:
    grid = _grid()
    text = Text()
    for name, status in (view.watchdog.checks if view.watchdog else {}).items():
        if text:
            text.append(", ")
        if status == "ok":
            text.append(name, "green")
        else:
            text.append(f"{name} {status}", "red" if status == "breach" else "yellow")
    grid.add_row("checks", text or "–")
    return grid


def _messages(messages: Sequence[str]) -> Group:
    return Group(*(Text(message, style="dim", no_wrap=True, overflow="ellipsis") for message in messages))


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=12)
    grid.add_column(overflow="fold")
    return grid


def _age(seconds: float) -> Text:
    style = "green" if seconds < _FRESH_S else "yellow" if seconds < _LATE_S else "bold red"
    return Text(f"{seconds:.1f} s", style)


def _signed(value: float) -> Text:
    style = "" if math.isnan(value) or value == 0 else "green" if value > 0 else "red"
    return Text(format_money(value, signed=True), style)
