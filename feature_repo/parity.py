"""Is a feature the same everywhere? Online, offline, and computed from nothing but the bars that were known that day."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.bar_table import BarTable
from data.exchange_calendar import Session
from feature_repo.locations import FeatureFolder
from feature_repo.store import OnlineRow, Store
from feature_repo.tables import EVENT_S, NS_PER_S, SYMBOL
from feature_repo.work import bars_until, materialise_daily
from features.catalogue import FEATURES, compute
from features.panel import panel_of

_MOST_TOLD: Final = 20
_ROWS: Final = max(feature.window for feature in FEATURES.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What a comparison found.

    Attributes
    ----------
    sessions, values
        How many sessions, and values of a symbol and feature, were compared; ``known`` of these weren't unknown.
    differences
        The first that differ, in words.
    """

    sessions: int
    values: int
    known: int
    differences: tuple[str, ...]


def compare(
    folder: FeatureFolder,
    tables: Mapping[str, BarTable],
    sessions: Sequence[Session],
    scratch: Path,
    progress: Callable[[Session], None] = lambda _session: None,
) -> Parity:
    """Compare all features of all symbols, session by session, bit for bit.

    Parameters
    ----------
    folder
        The store whose file of daily features is examined; only read.
    tables
        The raw bars.
    sessions
        Which sessions, oldest first. Each is materialised and read back.
    scratch
        Empty folder for an online store of its own.
    """
    copy = FeatureFolder.below(scratch)
    copy.path.mkdir(parents=True)
    shutil.copyfile(folder.daily, copy.daily)
    store = Store(copy)
    store.apply()
    table = pq.read_table(folder.daily)
    count = known = 0
    differences: list[str] = []
    for session in sessions:
        materialise_daily(store, session)
        online = store.online_daily(list(tables))
        offline = _offline(table, session)
        raw = _from_bars(tables, session)
        for symbol, values in raw.items():
            for name, value in values.items():
                count += 1
                known += value is not None
                here, there = _value(online.get(symbol), name, session), offline.get(symbol, {}).get(name)
                if not here == there == value:
                    differences.append(
                        f"{session.date} {symbol} {name}: online {here}, offline {there}, bars {value}"
                    )
        progress(session)
    return Parity(
        sessions=len(sessions), values=count, known=known, differences=tuple(differences[:_MOST_TOLD])
    )


def _value(row: OnlineRow | None, name: str, session: Session) -> float | None:
    return row.values[name] if row is not None and row.event_ns == session.close_ns else None


def _offline(table: pa.Table, session: Session) -> dict[str, dict[str, float | None]]:
    rows = table.filter(pc.equal(table.column(EVENT_S), session.close_ns // NS_PER_S)).to_pylist()
    return {row[SYMBOL]: row for row in rows}


def _from_bars(tables: Mapping[str, BarTable], session: Session) -> dict[str, dict[str, float | None]]:
    """Values of that session computed from no bar after it."""
    panel = panel_of(bars_until(tables, session.close_ns))
    panel = panel.since(max(0, len(panel.days) - _ROWS))  # no value depends on more rows
    computed = compute(panel)
    result: dict[str, dict[str, float | None]] = {}
    for column, symbol in enumerate(panel.symbols):
        if not np.isnan(panel.close[-1, column]):
            values = {name: float(matrix[-1, column]) for name, matrix in computed.items()}
            result[symbol] = {name: value if np.isfinite(value) else None for name, value in values.items()}
    return result
