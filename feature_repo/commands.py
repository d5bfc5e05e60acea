"""The commands of ``python -m feature_repo``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from core.clock import SystemClock
from core.config_loader import LoadedSettings, load_settings
from core.errors import AlreadyRunning, BackstopError, ConfigError, RetryLater
from core.exit_codes import ExitCode
from core.locks import InstanceLock
from data.bar_table import DataError
from data.exchange_calendar import ExchangeCalendar, Session
from data.quality.findings import policies_of
from data.sources import Source, open_source
from feature_repo.catalogue_page import catalogue_table
from feature_repo.locations import LOCK_NAME, FeatureFolder
from feature_repo.work import (
    compute_costs,
    compute_daily,
    feature_calendar,
    materialise_costs,
    materialise_daily,
    session_of,
)
from features.freshness import Freshness
from features.snapshot import Known, SnapshotError, read_snapshot
from tca.store import database_path

Options = argparse.Namespace


@dataclass(frozen=True, slots=True)
class _Work:
    """A command's options and what follows from them."""

    options: Options
    loaded: LoadedSettings
    calendar: ExchangeCalendar

    @property
    def folder(self) -> FeatureFolder:
        return FeatureFolder.below(self.loaded.folders.control)

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.loaded.settings.universe.symbols

    def session(self) -> Session:
        return session_of(self.options.session, self.calendar, SystemClock().now_ns())

    def source(self) -> Source:
        settings = self.loaded.settings
        return open_source(
            self.options.data,
            self.symbols,
            calendar_name=settings.universe.calendar,
            policies=policies_of(settings.data.quality),
        )


def run(options: Options) -> int:
    """Run one parsed command line; returns the exit code."""
    if options.command == "catalogue":
        print(catalogue_table())
        return ExitCode.CLEAN
    writing: Mapping[str, Callable[[_Work], int]] = {
        "compute": _compute,
        "costs": _costs,
        "materialise": _materialise,
        "publish": _publish,
    }
    reading: Mapping[str, Callable[[_Work], int]] = {"show": _show, "parity": _parity}
    try:
        loaded = load_settings(options.config, os.environ)
        work = _Work(options, loaded, feature_calendar(loaded.settings.universe.calendar))
        if options.command in reading:
            return reading[options.command](work)
        with InstanceLock(loaded.folders.control / LOCK_NAME, run_id=f"feature_repo {options.command}"):
            return writing[options.command](work)
    except (BackstopError, OSError, duckdb.Error) as error:
        return told(error)


def told(error: BackstopError | OSError | duckdb.Error) -> ExitCode:
    """Tell a failure on the error stream; returns the exit code that it means."""
    if isinstance(error, ConfigError | DataError):
        print("\n".join(error.problems), file=sys.stderr)
        return ExitCode.USAGE
    if isinstance(error, AlreadyRunning):
        print(f"the feature store is being written: {error}", file=sys.stderr)
        return ExitCode.ALREADY_RUNNING
    name = "" if isinstance(error, BackstopError) else f"{type(error).__name__}: "
    print(f"{name}{error}", file=sys.stderr)
    is_usage = isinstance(error, BackstopError) and not isinstance(error, RetryLater)
    return ExitCode.USAGE if is_usage else ExitCode.INTERNAL_ERROR


def _compute(work: _Work) -> int:
    session = work.session()
    rows = compute_daily(work.folder, work.source().tables, session, back=work.options.replace)
    print(f"{work.folder.daily}: features up to {session.date}, {rows.num_rows} symbols on that day")
    return ExitCode.CLEAN


def _costs(work: _Work) -> int:
    session, database = work.session(), database_path(work.loaded.folders.results)
    rows = compute_costs(work.folder, database, work.calendar, session)
    source = database if database.is_file() else f"no database {database}"
    print(f"{work.folder.tca}: {rows.num_rows} rows up to {session.date}, from {source}")
    return ExitCode.CLEAN


def _materialise(work: _Work) -> int:
    from feature_repo.store import Store  # noqa: PLC0415 - Feast takes seconds

    session, store = work.session(), Store(work.folder)
    store.apply()
    materialise_daily(store, session)
    costs = materialise_costs(store, session) if work.folder.tca.is_file() else 0
    print(f"{work.folder.online}: daily features up to {session.date}; costs of {costs} symbols and methods")
    return ExitCode.CLEAN


def _publish(work: _Work) -> int:
    from feature_repo.publish import publish  # noqa: PLC0415 - Feast takes seconds
    from feature_repo.store import Store  # noqa: PLC0415

    session = work.session()
    done = publish(
        Store(work.folder),
        work.symbols,
        session,
        work.calendar,
        max_age_sessions=work.loaded.settings.features.max_age_sessions,
        wall_ns=SystemClock().now_ns(),
        replace=work.options.replace,
    )
    for reason in done.unusable.values():
        print(f"unknown in the next session: {reason}", file=sys.stderr)
    state = "published" if done.written else "stands already"
    print(
        f"{work.folder.snapshot}: {state}, features of {len(done.usable)} symbols up to {session.date}, {done.sha256[:12]}"
    )
    return ExitCode.CLEAN


def _show(work: _Work) -> int:
    try:
        snapshot = read_snapshot(work.folder.snapshot)
    except SnapshotError as error:
        print(f"feature_repo: {error}", file=sys.stderr)
        return ExitCode.INTERNAL_ERROR
    newest_ns = max(row.event_ns for row in snapshot.rows.values())
    following = work.calendar.next_session(newest_ns)
    at_ns = newest_ns if following is None else following.open_ns
    freshness = Freshness(
        max_age_sessions=work.loaded.settings.features.max_age_sessions, sessions=work.calendar
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("feature", no_wrap=True)
    for symbol in snapshot.rows:
        table.add_column(symbol, justify="right")
    for name, version in sorted(snapshot.versions.items()):
        answers = [
            snapshot.lookup(symbol, name, version=version, at_ns=at_ns, freshness=freshness)
            for symbol in snapshot.rows
        ]
        cells = [f"{one.value:.6g}" if isinstance(one, Known) else one.why.value for one in answers]
        table.add_row(f"{name} v{version}", *cells)
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(width=160, markup=False, highlight=False)
    console.print(table)
    console.print(
        f"\nas of {_utc(at_ns)}, the open after the newest values; published {_utc(snapshot.published_ns)}; "
        f"SHA-256 {snapshot.sha256[:12]}"
    )
    return ExitCode.CLEAN


def _parity(work: _Work) -> int:
    from feature_repo.parity import compare  # noqa: PLC0415 - Feast takes seconds

    last = work.session()
    sessions = work.calendar.sessions(work.calendar.first_date, last.date)[-work.options.days :]
    with tempfile.TemporaryDirectory() as scratch:
        done = compare(work.folder, work.source().tables, sessions, Path(scratch) / "control")
    for difference in done.differences:
        print(difference)
    print(
        f"{done.sessions} sessions, {done.values:,} values, {done.known:,} of them known: online, offline and from raw bars "
        + ("DIFFERENT" if done.differences else "equal bit for bit")
    )
    return ExitCode.INTERNAL_ERROR if done.differences or not done.known else ExitCode.CLEAN


def _utc(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
