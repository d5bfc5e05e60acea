"""Results for people and programs: the summary, and a folder with everything that repeats the run."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from backtester.result import BacktestResult, iso
from core.atomic_file import write_atomic
from core.code_version import code_version
from core.config_loader import LoadedSettings
from data.bar_table import DAILY
from portfolio.risk_manager import SESSIONS_PER_YEAR

Figures = dict[str, object]


def summary(result: BacktestResult, weights: Mapping[str, float]) -> Figures:
    """Figures of a run, for JSON. Fractions are fractions; NaN, where there is too little history, is None."""
    exposure = result.gross_micros / np.maximum(result.nlv_micros, 1)
    turnover = float(sum(fill.quantity * fill.price for fill in result.fills()))
    return {
        "mode": "single",
        "strategies": dict(weights),
        "symbols": list(result.symbols),
        "bar_size_s": result.size_s,
        "bars": len(result.end_ns),
        "sessions": len(result.session_closes()),
        "first_bar": iso(int(result.end_ns[0])),
        "last_bar": iso(int(result.end_ns[-1])),
        "opening_cash": str(result.opening_cash),
        "final_nlv": str(result.final_nlv),
        "total_return": result.total_return,
        **annual_measures(result),
        "max_drawdown": result.max_drawdown,
        "mean_gross_exposure": float(exposure.mean()),
        "turnover": turnover,
        "fills": len(result.fill_table),
        "commission": str(result.commission),
        "cash_flows": {kind: str(amount) for kind, amount in result.flows_by_kind().items()},
        "denials": result.denials_by_reason(),
        "data_sha256": result.data_sha256,
    }


def annual_measures(result: BacktestResult) -> dict[str, float | None]:
    """Compound growth, volatility and Sharpe ratio of the session returns, by 252 sessions a year.

    Growth is ``(final / opening) ** (252 / sessions) - 1``, volatility the sample standard deviation times the root of
    252, and the Sharpe ratio the mean return over its standard deviation times that root, with a risk-free rate of 0
    (W. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994)).
    """
    values = np.concatenate([[float(result.opening_cash)], result.session_closes()])
    if len(values) < 3 or not (values > 0).all():
        return {"cagr": None, "volatility_annual": None, "sharpe": None}
    returns = values[1:] / values[:-1] - 1.0
    deviation = float(returns.std(ddof=1))
    root = math.sqrt(SESSIONS_PER_YEAR)
    return {
        "cagr": float((values[-1] / values[0]) ** (SESSIONS_PER_YEAR / len(returns)) - 1.0),
        "volatility_annual": deviation * root,
        "sharpe": float(returns.mean()) / deviation * root if deviation > 0 else None,
    }


def text_of(figures: Figures, notes: Sequence[str]) -> str:
    """Summary for a terminal."""
    size = figures["bar_size_s"]
    bars = "daily bars" if size == DAILY else f"bars of {size} s"
    strategies = figures["strategies"]
    assert isinstance(strategies, dict)
    denials = figures["denials"]
    assert isinstance(denials, dict)
    flows = figures["cash_flows"]
    assert isinstance(flows, dict)
    rows = [
        ("strategies", ", ".join(f"{name} {weight:.0%}" for name, weight in strategies.items())),
        ("symbols", _list(figures["symbols"])),
        ("span", f"{figures['first_bar']} to {figures['last_bar']}"),
        ("", f"{figures['bars']:,} {bars}, {figures['sessions']:,} sessions"),
        ("equity", f"{_money(figures['opening_cash'])} to {_money(figures['final_nlv'])}"),
        ("total return", _percent(figures["total_return"])),
        ("a year", f"{_percent(figures['cagr'])}, volatility {_percent(figures['volatility_annual'])}"),
        ("Sharpe ratio", f"{_number(figures['sharpe'])} (252 sessions a year, risk-free rate 0)"),
        ("max drawdown", _percent(figures["max_drawdown"])),
        ("mean exposure", _percent(figures["mean_gross_exposure"])),
        ("fills", f"{figures['fills']:,}, commission and fees {_money(figures['commission'])}"),
        ("cash flows", ", ".join(f"{kind} {_money(sum_)}" for kind, sum_ in flows.items()) or "none"),
        ("denials", ", ".join(f"{reason} {count:,}" for reason, count in denials.items()) or "none"),
    ]
    if not figures["fills"]:
        rows.append(
            ("", "nothing was traded: the denials say why; without any, no signal asked for a position")
        )
    lines = [f"{name:<14} {value}" for name, value in rows]
    return "\n".join([*lines, *(f"{'note':<14} {note}" for note in notes)])


def _list(symbols: object) -> str:
    assert isinstance(symbols, list)
    shown = ", ".join(symbols[:12])
    return shown if len(symbols) <= 12 else f"{shown} and {len(symbols) - 12} more"


def _money(value: object) -> str:
    return f"${float(str(value)):,.2f}"


def _percent(value: object) -> str:
    return f"{value:.2%}" if isinstance(value, float) else "unknown"


def _number(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "unknown"


def write_folder(loaded: LoadedSettings, result: BacktestResult, figures: Figures) -> Path:
    """Write ``results/backtests/<id>/``: run.json, fills, denials, flows and equity as CSV; return the folder.

    ``run.json`` holds the figures, the whole effective configuration and its hash, the data's hash, and the commit of
    the code: what is needed to repeat the run. The id is the time of writing (UTC) and part of the two hashes.
    """
    now = datetime.now(UTC)
    name = f"{now:%Y%m%d-%H%M%S-%f}-{loaded.sha256[:6]}-{result.data_sha256[:6]}"
    folder = loaded.folders.results / "backtests" / name
    folder.mkdir(parents=True)
    run = {
        "id": name,
        "written": now.isoformat(),
        "code_version": code_version(),
        "config_sha256": loaded.sha256,
        "config": loaded.settings.model_dump(mode="json"),
        "notes": list(result.notes),
        "figures": figures,
    }
    write_atomic(folder / "run.json", (json.dumps(run, indent=2) + "\n").encode())
    _write_csv(
        folder / "fills.csv",
        "bar_end,decided,strategy,symbol,side,quantity,price,commission,purpose,reason",
        (
            (
                iso(fill.bar_end_ns),
                iso(fill.decided_ns),
                fill.strategy,
                fill.symbol,
                fill.side,
                fill.quantity,
                fill.price,
                fill.commission,
                fill.purpose,
                fill.reason,
            )
            for fill in result.fills()
        ),
    )
    _write_csv(
        folder / "denials.csv",
        "bar_end,strategy,symbol,reason,quantity",
        (
            (iso(one.bar_end_ns), one.strategy, one.symbol, one.reason.code, one.quantity)
            for one in result.denials()
        ),
    )
    _write_csv(
        folder / "flows.csv",
        "bar_end,strategy,symbol,kind,amount",
        ((iso(one.bar_end_ns), one.strategy, one.symbol, one.kind, one.amount) for one in result.flows()),
    )
    columns = (result.end_ns, result.nlv_micros, result.cash_micros, result.gross_micros)
    _write_csv(
        folder / "equity.csv",
        "bar_end,nlv,cash,gross",
        (
            (iso(end), *(f"{amount / 1e6:.6f}" for amount in amounts))
            for end, *amounts in zip(*(column.tolist() for column in columns), strict=True)
        ),
    )
    return folder


def _write_csv(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)
