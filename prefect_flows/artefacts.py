"""What a night leaves for people: tables as CSV, and a picture of the session's features."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backtester.search.pictures import new_figure, save_figure, style
from core.atomic_file import write_atomic
from core.csv_log import encode_row
from data.exchange_calendar import Session
from data.quality.report import QualityReport
from feature_repo.tables import AVAILABLE, EVENT_S, NS_PER_S, SYMBOL
from features.catalogue import FEATURES

_YEAR: Final = 252
_MOST_SYMBOLS: Final = 60


def write_findings(path: Path, report: QualityReport) -> None:
    """Write every finding of the checks."""
    header = ("symbol", "when", "check", "policy", "bars", "what", "done")
    rows = [
        (one.symbol, one.when, one.check.value, one.policy.value, one.count, one.text, one.done)
        for one in report.findings
    ]
    _write(path, [header, *rows])


def write_features(path: Path, rows: pa.Table) -> None:
    """Write the session's features, one row a symbol; unknown values are empty."""
    _write_table(path, rows, [SYMBOL, *FEATURES])


def write_costs(path: Path, rows: pa.Table) -> None:
    """Write what orders have cost, one row a session, symbol and method."""
    days = pc.strftime(pc.cast(rows.column(EVENT_S), pa.timestamp("s")), format="%Y-%m-%d")
    moved = rows.set_column(rows.column_names.index(EVENT_S), EVENT_S, days)
    names = [name for name in moved.column_names if name not in {AVAILABLE, EVENT_S}]
    _write_table(path, moved.rename_columns({EVENT_S: "session"}), ["session", *names])


def plot_features(path: Path, file: Path, session: Session) -> None:
    """Draw where the session's values stand among each symbol's own of the last year: 0 the lowest, 1 the highest."""
    table = pq.read_table(file)
    of_day = pc.equal(table.column(EVENT_S), session.close_ns // NS_PER_S)
    symbols = sorted(table.filter(of_day).column(SYMBOL).to_pylist())[:_MOST_SYMBOLS]
    names = list(FEATURES)
    shares = np.full((len(names), len(symbols)), np.nan)
    for column, symbol in enumerate(symbols):
        own = table.filter(pc.equal(table.column(SYMBOL), symbol))
        own = own.slice(max(0, own.num_rows - _YEAR))
        for row, name in enumerate(names):
            shares[row, column] = _share_below(own.column(name).to_numpy())
    figure = new_figure(min(max(6.0, 3.2 + 0.45 * len(symbols)), 24.0), 8.5)
    axes = figure.subplots()
    image = axes.imshow(shares, aspect="auto", cmap="coolwarm", vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.set_xticks(range(len(symbols)), symbols, rotation=45 if len(symbols) > 12 else 0)
    axes.set_yticks(range(len(names)), names)
    figure.colorbar(image, ax=axes, label=f"share of the last {_YEAR} values below")
    style(axes, f"Features at the close of {session.date} (white: unknown)")
    save_figure(figure, path)


def _share_below(values: npt.NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    if np.isnan(values[-1]) or len(known) < 2:
        return float("nan")
    before = known[:-1]
    return float((np.sum(before < known[-1]) + np.sum(before == known[-1]) / 2) / len(before))


def _write_table(path: Path, rows: pa.Table, names: list[str]) -> None:
    columns = [rows.column(name).to_pylist() for name in names]
    _write(path, [tuple(names), *zip(*columns, strict=True)])


def _write(path: Path, rows: list[tuple[object, ...]]) -> None:
    write_atomic(path, b"".join(encode_row(row) for row in rows), durable=False, mode=0o644)
