"""``python -m data download``: bars from Interactive Brokers, Yahoo or Polygon into the store."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from datetime import UTC, datetime

from core.clock import SystemClock
from core.exit_codes import ExitCode
from data.bar_table import DataError
from data.cli.context import DownloadRequest, load, policies, store_path, symbols_of, terminal_progress
from data.download import polygon, yahoo
from data.download.http import HttpSource
from data.download.keep import keep
from data.quality.findings import Finding
from data.quality.report import QualityReport, print_report
from data.store.writer import HistoryWriter


def run(options: Namespace) -> ExitCode:
    """Download from the service that was named.

    Raises
    ------
    ConfigError, DataError
        When nothing can be downloaded. Symbols that could be are in the store all the same.
    """
    loaded = load(options)
    request = DownloadRequest(
        options=options,
        loaded=loaded,
        store=store_path(options, loaded),
        symbols=tuple(symbols_of(options) or ()),
        first=options.start,
        last=options.end or datetime.now(UTC).date(),
    )
    if request.first > request.last:
        raise DataError([f"the start {request.first} lies behind the end {request.last}"])
    if options.service == "ib":
        from data.cli.download_ib import download_ib  # noqa: PLC0415 (ibapi)

        return download_ib(request)
    return _over_http(request)


def _over_http(request: DownloadRequest) -> ExitCode:
    options, first, last = request.options, request.first, request.last
    is_polygon = options.service == "polygon"
    headers = polygon.headers(os.environ) if is_polygon else {}
    url = options.url or (polygon.URL if is_polygon else yahoo.URL)
    fetch = polygon.fetch_polygon if is_polygon else yahoo.fetch_yahoo
    checks = policies(request.loaded)
    problems: list[str] = []
    notes: list[str] = []
    findings: list[Finding] = []
    bars: dict[str, int] = {}
    with (
        HttpSource(options.service, url, headers=headers, sleep=time.sleep) as source,
        HistoryWriter(request.store) as writer,
        terminal_progress(len(request.symbols), options.service) as progress,
    ):
        for symbol in request.symbols:
            progress.say(symbol)
            try:
                fetched = fetch(source, symbol, options.size, first, last)
                kept = keep(
                    writer,
                    fetched,
                    source=options.service,
                    span=(first, last),
                    calendar=request.calendar(),
                    policies=checks,
                    now_ns=SystemClock().now_ns(),
                )
            except DataError as error:
                problems += error.problems
            else:
                bars[symbol] = kept.bars
                findings += kept.findings
                notes += kept.notes
            progress.advance(symbol)
    print_report(QualityReport(bars=bars, findings=tuple(findings)))
    for note in notes:
        print(f"note: {note}")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(bars)} of {len(request.symbols)} symbols written to {request.store}")
    return ExitCode.USAGE if problems else ExitCode.CLEAN
