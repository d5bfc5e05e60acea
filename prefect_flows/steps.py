"""The steps of the nightly flow, plain functions: each returns what it did as a sentence, or raises."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from core.exit_codes import ExitCode
from feature_repo.tables import catalogue_versions, check_versions
from feature_repo.work import compute_costs, compute_daily, materialise_costs, materialise_daily
from prefect_flows import artefacts, training
from prefect_flows.night import IB, BrokerAway, Night, Step
from tca.store import database_path


def fetch(night: Night) -> str:
    """Bring the daily bars up to date.

    Raises
    ------
    BrokerAway
        Without a connection in time.
    DataError
        When the source can't be used.
    """
    if night.source_name != IB:
        bars = sum(len(table) for table in night.source.tables.values())
        return f"{len(night.source.tables)} symbols, {bars:,} bars of {night.source_name}; session {night.session.date}"
    code = _download(night)
    if code == ExitCode.BROKER_REFUSED:
        broker = night.settings.broker
        raise BrokerAway(f"no broker at {broker.host}:{broker.port}")
    symbols = len(night.source.tables)
    note = "" if code == ExitCode.CLEAN else "; not all of them up to date, see above"
    return f"{symbols} symbols in {night.store_path}{note}; session {night.session.date}"


def _download(night: Night) -> int:
    from data.cli.run import main  # noqa: PLC0415 (ibapi)

    return main(
        [
            *("download", "ib", "--config", str(night.loaded.path), "--store", str(night.store_path)),
            *("--symbols", ",".join(night.symbols), "--size", "1d"),
            *("--start", night.settings.nightly.first_session.isoformat()),
            *("--end", night.session.date.isoformat()),
        ]
    )


def quality(night: Night) -> str:
    """Keep what the checks found, and see whether the session is there.

    Raises
    ------
    DataError
        When a check refuses the bars.
    """
    report, close_ns = night.source.report, night.session.close_ns
    artefacts.write_findings(night.results / "quality.csv", report)
    missing = [
        symbol
        for symbol in night.symbols
        if symbol not in night.source.tables or close_ns not in night.source.tables[symbol].end_ns
    ]
    counts = (
        ", ".join(f"{check.value} {number}" for check, number in report.counts().items()) or "nothing found"
    )
    absent = f"; no bar of the session: {', '.join(missing)}" if missing else ""
    return f"{counts} (quality.csv){absent}"


def compute(night: Night) -> str:
    """Compute the features of all sessions up to this one.

    Raises
    ------
    Rejected
        When no symbol has a bar of the session, or the store is at a later one.
    """
    rows = compute_daily(night.folder, night.source.tables, night.session, back=night.back)
    artefacts.write_features(night.results / "values.csv", rows)
    artefacts.plot_features(night.results / "values.png", night.folder.daily, night.session)
    return f"{rows.num_rows} symbols on {night.session.date} (values.csv, values.png)"


def apply(night: Night) -> str:
    """Apply Feast's definitions.

    Raises
    ------
    StoreUnavailable
        When the store is locked or damaged.
    """
    from feature_repo.store import Store  # noqa: PLC0415 (Feast takes seconds)

    check_versions(night.folder.daily, catalogue_versions())
    Store(night.folder).apply()
    return f"definitions applied to {night.folder.registry}"


def materialise(night: Night) -> str:
    """Load the online store.

    Raises
    ------
    FeaturesMissing, StoreUnavailable
        As `feature_repo.work.materialise_daily`.
    """
    from feature_repo.store import Store  # noqa: PLC0415

    materialise_daily(Store(night.folder), night.session)
    return f"online up to {night.session.date}"


def publish(night: Night) -> str:
    """Publish the snapshot that live trading reads.

    Raises
    ------
    NothingPublished
        With the reason.
    """
    from feature_repo.publish import publish as put_out  # noqa: PLC0415
    from feature_repo.store import Store  # noqa: PLC0415

    done = put_out(
        Store(night.folder),
        night.symbols,
        night.session,
        night.calendar,
        max_age_sessions=night.settings.features.max_age_sessions,
        wall_ns=night.clock.now_ns(),
        replace=night.back,
    )
    unknown = f"; unknown: {'; '.join(done.unusable.values())}" if done.unusable else ""
    stood = "" if done.written else " (it stood already)"
    return f"snapshot {done.sha256[:12]} of {len(done.usable)} symbols{stood}{unknown}"


def costs(night: Night) -> str:
    """Bring what orders have cost into the feature store.

    Raises
    ------
    FeaturesMissing, StoreUnavailable, OSError, duckdb.Error
        When the TCA database or the store can't be used.
    """
    from feature_repo.store import Store  # noqa: PLC0415

    database = database_path(night.loaded.folders.results)
    rows = compute_costs(night.folder, database, night.calendar, night.session)
    keys = materialise_costs(Store(night.folder), night.session)
    artefacts.write_costs(night.results / "costs.csv", rows)
    if not database.is_file():
        return f"nothing was traded yet: there is no {database}"
    return f"{rows.num_rows} rows, {keys} symbols and methods online (costs.csv)"


def _step(run: Callable[[Night], str], *needs: str, is_retried: bool = False) -> Step:
    return Step(name=run.__name__, run=run, needs=needs, is_retried=is_retried)


_ALL: Final = (
    _step(fetch, is_retried=True),
    _step(quality, "fetch"),
    _step(compute, "quality"),
    _step(apply, "compute", is_retried=True),
    _step(materialise, "apply", is_retried=True),
    _step(publish, "materialise", is_retried=True),
    _step(costs, "apply", is_retried=True),
    _step(training.drift, "compute"),
    _step(training.retrain, "quality"),
    _step(training.probation),
)
STEPS: Final = {step.name: step for step in _ALL}
"""Every step by name, in order."""


def terminal(line: str) -> None:
    """Print a line of progress on the error stream."""
    print(line, file=sys.stderr, flush=True)
