"""The steps from bars to online features; the commands and the nightly flow call the same ones. Each can be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import Rejected
from data.bar_table import BarTable
from data.exchange_calendar import ExchangeCalendar, Session, exchange_calendar
from feature_repo.locations import FeatureFolder
from feature_repo.tables import (
    COST_VIEW,
    DAILY_VIEW,
    EVENT_S,
    METHOD,
    NS_PER_S,
    SYMBOL,
    FeaturesMissing,
    FileFacts,
    bars_sha256,
    catalogue_versions,
    check_versions,
    cost_table,
    daily_table,
    write_table,
)
from features.freshness import AVAILABLE_AFTER_NS
from tca.feature_etl import COST_FEATURES, cost_rows, journals_sha256, no_costs
from tca.store import open_published

if TYPE_CHECKING:  # Feast takes seconds; what needs no store does without
    from feature_repo.store import Store

_FIRST, _LAST = date(1990, 1, 1), date(2035, 12, 31)
_LOADED_NS: Final = (
    40 * 24 * 3600 * NS_PER_S
)  # longer than the 20 sessions that features.max_age_sessions may be
_COLUMNS: Final = ("end_ns", "open", "high", "low", "close", "volume")


class WouldGoBack(Rejected):
    """The store is at a later session already."""


def feature_calendar(name: str) -> ExchangeCalendar:
    """Sessions over all bars that there can be, and well after today."""
    return exchange_calendar(name, _FIRST, _LAST)


def session_of(day: date | None, calendar: ExchangeCalendar, now_ns: int) -> Session:
    """Session of a date; without one the newest that is over.

    Raises
    ------
    Rejected
        When there is no session on that day, or it isn't over yet.
    """
    if day is None:
        newest = calendar.previous_session(now_ns)
        if newest is not None and newest.close_ns > now_ns:
            newest = calendar.previous_session(newest.open_ns - 1)
        if newest is None:
            raise Rejected(f"no session of the {calendar.name} calendar is over yet")
        return newest
    session = calendar.session_on(day)
    if session is None:
        raise Rejected(f"{day} is no session of the {calendar.name} calendar")
    if session.close_ns > now_ns:
        raise Rejected(f"the session of {day} isn't over yet")
    return session


def bars_until(tables: Mapping[str, BarTable], end_ns: int) -> dict[str, BarTable]:
    """Bars as they were known at ``end_ns``; symbols that had none are left out."""
    result = {}
    for symbol, table in tables.items():
        rows = table.rows_between(0, end_ns)
        if rows.stop > rows.start:
            result[symbol] = replace(table, **{name: getattr(table, name)[rows] for name in _COLUMNS})
    return result


def compute_daily(
    folder: FeatureFolder, tables: Mapping[str, BarTable], session: Session, *, back: bool = False
) -> pa.Table:
    """Compute the features of every session up to one, and replace the file; return the rows of that session.

    Raises
    ------
    WouldGoBack
        When the file holds a later session already, unless ``back``.
    Rejected
        When no symbol has a bar of the session.
    """
    newest_s = _newest_event_s(folder.daily)
    if newest_s > session.close_ns // NS_PER_S and not back:
        raise WouldGoBack(
            f"{folder.daily} holds a later session than {session.date} already; --replace goes back"
        )
    known = bars_until(tables, session.close_ns)
    if not any(table.end_ns[-1] == session.close_ns for table in known.values()):
        raise Rejected(f"no symbol has a bar of the session of {session.date}")
    table = daily_table(known)
    write_table(
        folder.daily, table, FileFacts(versions=catalogue_versions(), source_sha256=bars_sha256(known))
    )
    return table.filter(pc.equal(table.column(EVENT_S), session.close_ns // NS_PER_S))


def compute_costs(
    folder: FeatureFolder, database: Path, calendar: ExchangeCalendar, session: Session
) -> pa.Table:
    """Compute the features of costs of every session up to one, and replace their file; return all rows.

    Without a TCA database (nothing was traded yet) the file has no rows.

    Raises
    ------
    OSError, duckdb.Error
        When the database can't be read.
    """
    closes = [one.close_ns for one in calendar.sessions(calendar.first_date, session.date)]
    if database.is_file():
        with closing(open_published(database)) as connection:
            rows, source = cost_rows(connection, closes), journals_sha256(connection)
    else:
        rows, source = no_costs(), ""
    table = cost_table(rows)
    versions = {name: feature.version for name, feature in COST_FEATURES.items()}
    write_table(folder.tca, table, FileFacts(versions=versions, source_sha256=source))
    return table


def materialise_daily(store: Store, session: Session) -> None:
    """Load the newest daily features up to a session into the online store.

    Raises
    ------
    FeaturesMissing
        When there is no file of this program's features.
    StoreUnavailable
        When the store is locked, damaged, or was never applied.
    """
    check_versions(store.folder.daily, catalogue_versions())
    store.materialise(loaded_since_ns(session), session.close_ns + AVAILABLE_AFTER_NS, DAILY_VIEW)


def loaded_since_ns(session: Session) -> int:
    """Return from when on rows are loaded: Feast reads every one of them, and older ones are unknown to everybody."""
    return session.close_ns - _LOADED_NS


def materialise_costs(store: Store, session: Session) -> int:
    """Load the newest features of costs up to a session, and read them back; return the number of keys.

    Raises
    ------
    FeaturesMissing, StoreUnavailable
        As `materialise_daily`, and when what is online isn't what the file holds.
    """
    check_versions(store.folder.tca, {name: feature.version for name, feature in COST_FEATURES.items()})
    table = pq.read_table(store.folder.tca)
    if not table.num_rows:
        return 0
    store.materialise(0, session.close_ns + AVAILABLE_AFTER_NS, COST_VIEW)
    newest = {(row[SYMBOL], row[METHOD]): row for row in table.to_pylist()}  # by session: later rows win
    online = store.online_costs(list(newest))
    for key, row in newest.items():
        found = online.get(key)
        if found is None or {**found.values} != {name: row[name] for name in COST_FEATURES}:
            raise FeaturesMissing(f"costs of {key}: {found} online, but {row} in {store.folder.tca}")
    return len(newest)


def _newest_event_s(path: Path) -> int:
    if not path.is_file():
        return 0
    try:
        newest = pc.max(pq.read_table(path, columns=[EVENT_S]).column(EVENT_S)).as_py()
    except (pa.ArrowException, OSError, KeyError):  # damaged: it is about to be replaced
        return 0
    return int(newest or 0)
