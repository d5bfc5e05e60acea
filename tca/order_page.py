"""One order on the terminal: its costs, its fills, and what the journal says of it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.canonical import dump
from core.journal import Record, read
from core.text import stamp

_GROUPS: Final = (
    ("Order", ("strategy", "symbol", "side", "purpose", "quantity", "filled", "missed", "outcome")),
    ("Choice", ("method", "propensity", "why", "admissible")),
    ("Context", ("spread_bps", "volatility_bps", "adv_share", "day_fraction", "urgency")),
    (
        "Prices",
        (
            "decision_price",
            "decision_source",
            "arrival_price",
            "average_price",
            "interval_vwap",
            "close_price",
            "next_open",
        ),
    ),
    ("Cost", ("delay", "execution", "opportunity", "fees", "shortfall", "shortfall_bps")),
    (
        "Against",
        ("arrival_bps", "vwap_bps", "close_bps", "next_open_bps", "reversion_1_bps", "reversion_6_bps"),
    ),
)


def print_order(connection: duckdb.DuckDBPyConnection, order_ref: str, console: Console) -> bool:
    """Print everything about one parent order; False when there is none of that name."""
    cursor = connection.execute("SELECT * FROM parents WHERE order_ref = ?", [order_ref])
    names = [column[0] for column in cursor.description or ()]
    found = cursor.fetchone()
    if found is None:
        return False
    row = dict(zip(names, found, strict=True))
    table = Table(title=Text(f"{order_ref}, decided {stamp(row['decided_ns'])}"), show_header=False)
    for group, columns in _GROUPS:
        for index, name in enumerate(columns):
            table.add_row(group if index == 0 else "", name, Text(_shown(row[name])))
    console.print(table)
    fills = connection.execute(
        "SELECT time_ns, quantity, price, fee, exec_id FROM fills WHERE order_ref = ? AND journal_id = ? "
        "ORDER BY time_ns, exec_id",
        [order_ref, row["journal_id"]],
    ).fetchall()
    fill_table = Table("time", "quantity", "price", "fee", "execution", title="Fills")
    for time_ns, *figures in fills:
        fill_table.add_row(stamp(time_ns), *(Text(_shown(figure)) for figure in figures))
    console.print(fill_table)
    path = connection.execute(
        "SELECT path FROM journals WHERE journal_id = ?", [row["journal_id"]]
    ).fetchone()
    if path is not None:
        for record in journal_of(Path(path[0]), row):
            console.print(Text(line_of(record)), soft_wrap=True)
    return True


def journal_of(journal: Path, row: dict[str, Any]) -> list[Record]:
    """Read the records that tell of an order; empty when its journal stands there no more."""
    if not journal.is_file():
        return []
    names = {row["order_ref"]}
    found = []
    executions: set[str] = set()
    for record in read(journal, int(row["first_seq"]) - 1):
        if record.seq > row["last_seq"]:
            break
        payload = record.payload
        if payload.get("parent_order_ref") in names:
            names.add(str(payload["order_ref"]))
        if payload.get("order_ref") in names:
            executions.add(str(payload.get("exec_id")))
            found.append(record)
        elif record.kind == "commission" and payload.get("exec_id") in executions:
            found.append(record)
    return found


def line_of(record: Record) -> str:
    """One record as one line."""
    moment = dt.datetime.fromtimestamp(record.time_ns / 1e9, dt.UTC).strftime("%H:%M:%S.%f")[:-3]
    return f"{record.seq:>7} {moment} {record.kind:<13} {dump(record.payload)}"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4f}"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)
