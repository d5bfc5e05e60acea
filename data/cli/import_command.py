"""``python -m data import``: bars of files or packages into the store."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

from core.exit_codes import ExitCode
from data.bar_table import DataError
from data.cli.context import load, policies, store_path, symbols_of
from data.quality.report import print_report
from data.sources import PACKAGED, SKFOLIO, open_source
from data.store.schema import SUFFIX, PriceKind, Series
from data.store.writer import HistoryWriter

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_ADJUSTED = {PACKAGED: PriceKind.SPLITS, SKFOLIO: PriceKind.TOTAL}


def run(options: Namespace) -> ExitCode:
    """Check the bars of a source and write them.

    Raises
    ------
    ConfigError, DataError
        With every problem found; then nothing was written.
    """
    loaded = load(options)
    name = options.name or _default_name(options.source)
    if not _NAME.fullmatch(name):
        raise DataError([f"--name {name}: write a small letter, then letters, digits or _ (at most 32)"])
    if SUFFIX in options.source:
        raise DataError(
            [f"{options.source}: is a store already; `python -m data export` takes bars out of one"]
        )
    source = open_source(
        options.source,
        symbols_of(options),
        calendar_name=loaded.settings.universe.calendar,
        policies=policies(loaded),
    )
    prices = PriceKind(options.prices) if options.prices else _ADJUSTED.get(options.source, PriceKind.RAW)
    path = store_path(options, loaded)
    with HistoryWriter(path) as writer, writer.transaction():
        for symbol, table in source.tables.items():
            writer.put_bars(Series(symbol=symbol, size_s=table.size_s, source=name, prices=prices), table)
    print_report(source.report)
    print(f"written to {path} as {name}, {prices.value} prices")
    return ExitCode.CLEAN


def _default_name(source: str) -> str:
    return source if source in {PACKAGED, SKFOLIO} else "csv" if ".csv" in Path(source).name else "files"
