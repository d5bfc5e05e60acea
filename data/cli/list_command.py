"""``python -m data list``: what a store holds."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from core.exit_codes import ExitCode
from data.bar_sizes import size_text
from data.cli.context import load, store_path
from data.store.reader import HistoryReader, Holding


def run(options: Namespace) -> ExitCode:
    """Print every series.

    Raises
    ------
    ConfigError, DataError
        When there is no store, or it can't be read.
    """
    path = store_path(options, load(options))
    with HistoryReader(path) as reader:
        holdings, note = reader.holdings(), reader.note
    if options.json:
        print(
            json.dumps(
                {"store": str(path), "note": note, "series": [_as_json(one) for one in holdings]}, indent=2
            )
        )
        return ExitCode.CLEAN
    _print_table(path, holdings)
    if note:
        print(note)
    return ExitCode.CLEAN


def _as_json(one: Holding) -> dict[str, object]:
    series = one.series
    first, _to, last = one.span.partition(" to ")
    return {
        "symbol": series.symbol,
        "size_s": series.size_s,
        "source": series.source,
        "prices": series.prices.value,
        "bars": one.bars,
        "first": first,
        "last": last,
    }


def _print_table(path: Path, holdings: Sequence[Holding]) -> None:
    if not holdings:
        print(f"{path} is empty")
        return
    widths = (12, 6, 12, 8, 12)
    print(
        "".join(
            f"{name:<{width}}"
            for name, width in zip(("symbol", "size", "source", "prices", "bars"), widths, strict=True)
        )
        + "from, to"
    )
    for one in holdings:
        series = one.series
        cells = (series.symbol, size_text(series.size_s), series.source, series.prices.value, f"{one.bars:,}")
        print("".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)) + one.span)
    bars = sum(one.bars for one in holdings)
    kinds = [
        ",".join(kind)
        for kind, _ in groupby(
            sorted(
                (one.series.source, size_text(one.series.size_s), one.series.prices.value) for one in holdings
            )
        )
    ]
    print(
        f"{len(holdings)} series, {bars:,} bars; to use them: --data {path}@SERIES with one of {' '.join(kinds)}"
    )
