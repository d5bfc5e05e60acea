"""From the online store to the snapshot that live trading reads; a step of the nightly flow, or a process of its own.

Only what three places agree on is published: the online store, the file of features that it was loaded from, and the catalogue
of this program. Whatever is wrong, nothing is published and the old snapshot stands, grows old, and is then unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import RetryLater
from data.exchange_calendar import ExchangeCalendar, Session
from feature_repo.locations import FeatureFolder
from feature_repo.store import OnlineRow, Store
from feature_repo.tables import catalogue_versions
from feature_repo.training_set import training_set
from feature_repo.work import loaded_since_ns
from features.freshness import AVAILABLE_AFTER_NS, Freshness
from features.snapshot import (
    FeatureSnapshot,
    SnapshotError,
    SymbolRow,
    read_snapshot,
    write_snapshot,
)

_ANY_AGE = 100_000


class NothingPublished(RetryLater):
    """There is nothing fit to publish; the snapshot is as it was. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published.

    Attributes
    ----------
    sha256
        Of the snapshot's content.
    usable
        Symbols whose features can be used in the next session.
    unusable
        Those that can't, with the reason: they are unknown to live trading.
    written
        False when that very content stood there already.
    """

    sha256: str
    usable: tuple[str, ...]
    unusable: Mapping[str, str]
    written: bool


def publish(
    store: Store,
    symbols: Sequence[str],
    session: Session,
    calendar: ExchangeCalendar,
    *,
    max_age_sessions: int,
    wall_ns: int,
    replace: bool = False,
) -> Published:
    """Publish the features of a session for the next one.

    Parameters
    ----------
    store
        The feature store, materialised up to the session.
    symbols
        Which symbols.
    session
        The newest session that is over.
    calendar
        Must reach beyond the session.
    max_age_sessions
        ``features.max_age_sessions`` of the configuration.
    wall_ns
        Wall clock, for the record.
    replace
        Publish even if what stands is newer: to go back in time, for a replay.

    Raises
    ------
    NothingPublished
        When the store doesn't hold what it should, or nothing of it could be used in the next session.
    StoreUnavailable, FeaturesMissing
        When the store or its file is missing, locked or damaged.
    """
    following = calendar.next_session(session.close_ns)
    if following is None:
        raise NothingPublished(f"the calendar ends with {session.date}")
    since_ns = loaded_since_ns(session)
    rows = {
        symbol: row for symbol, row in store.online_daily(symbols).items() if row.available_ns >= since_ns
    }
    _compare(store.folder, symbols, rows, session, calendar)
    freshness = Freshness(max_age_sessions=max_age_sessions, sessions=calendar)
    unusable = _unusable(symbols, rows, following, freshness)
    usable = tuple(symbol for symbol in symbols if symbol not in unusable)
    if not usable:
        reasons = "; ".join(unusable.values())
        raise NothingPublished(f"no features could be used in the session of {following.date}: {reasons}")
    snapshot = FeatureSnapshot(
        published_ns=wall_ns,
        versions=catalogue_versions(),
        rows={symbol: _row(row) for symbol, row in rows.items()},
    )
    sha256, written = _put(store.folder, snapshot, replace=replace)
    return Published(sha256=sha256, usable=usable, unusable=unusable, written=written)


def _row(row: OnlineRow) -> SymbolRow:
    return SymbolRow(event_ns=row.event_ns, available_ns=row.available_ns, values=dict(row.values))


def _unusable(
    symbols: Sequence[str], rows: Mapping[str, OnlineRow], following: Session, freshness: Freshness
) -> dict[str, str]:
    result = {}
    for symbol in symbols:
        row = rows.get(symbol)
        if row is None:
            result[symbol] = f"{symbol}: no features"
            continue
        why = freshness.problem(event_ns=row.event_ns, available_ns=row.available_ns, at_ns=following.open_ns)
        if why is not None:
            day = np.datetime64(row.event_ns, "ns").astype("datetime64[D]")
            result[symbol] = f"{symbol}: {why}, of {day}"
    return result


def _compare(
    folder: FeatureFolder,
    symbols: Sequence[str],
    rows: Mapping[str, OnlineRow],
    session: Session,
    calendar: ExchangeCalendar,
) -> None:
    """Hold the online rows against the file: Feast lets older rows replace newer ones, and a run may have died half-way."""
    at_ns = session.close_ns + AVAILABLE_AFTER_NS
    versions = catalogue_versions()
    ageless = Freshness(max_age_sessions=_ANY_AGE, sessions=calendar)
    offline = training_set(
        folder.daily, symbols, np.full(len(symbols), at_ns, dtype=np.int64), versions, ageless
    )
    for place, symbol in enumerate(symbols):
        row = rows.get(symbol)
        newest_ns = int(offline.event_ns[place])
        if newest_ns + AVAILABLE_AFTER_NS < loaded_since_ns(session):
            newest_ns = 0
        if (row.event_ns if row is not None else 0) != newest_ns:
            raise NothingPublished(
                f"{symbol}: the online store's row is of another session than the file's newest of {session.date}: "
                "materialise that session first"
            )
        if row is None:
            continue
        for column, name in enumerate(offline.names):
            expected = float(offline.values[place, column])
            found = row.values.get(name)
            if found != (None if np.isnan(expected) else expected):
                raise NothingPublished(
                    f"{symbol}: {name} is {found} online, but {expected} in {folder.daily}"
                )


def _put(folder: FeatureFolder, snapshot: FeatureSnapshot, *, replace: bool) -> tuple[str, bool]:
    try:
        standing = read_snapshot(folder.snapshot)
    except SnapshotError:
        standing = None
    if standing is not None and not replace:
        newest = max((row.event_ns for row in standing.rows.values()), default=0)
        if newest > max(row.event_ns for row in snapshot.rows.values()):
            raise NothingPublished(f"{folder.snapshot} is of a later session (--replace goes back)")
    if standing is not None and (standing.rows, standing.versions) == (snapshot.rows, snapshot.versions):
        return standing.sha256, False
    return write_snapshot(folder.snapshot, snapshot), True
