"""Point-in-time training sets: for each decision the features that could be used then, and nothing newer.

A plain ASOF JOIN of DuckDB; Feast's ``get_historical_features`` gives the same values a hundred times slower and serves as the
oracle in the tests. What is fresh enough is judged by `features.freshness`, the rule that live trading applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from feature_repo.tables import AVAILABLE, EVENT_S, NS_PER_S, SYMBOL, check_versions
from features.freshness import AVAILABLE_AFTER_NS, Freshness, Why


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingSet:
    """Features of decisions.

    Attributes
    ----------
    names
        Features in the order of the columns.
    versions
        Version of each, by name.
    values
        Shape (decisions, features), in the order of the decisions; NaN is unknown.
    event_ns
        Close that a decision's values are of, shape (decisions,); 0 where there are none.
    unknown
        Decisions without usable features, by reason; single unknown values aren't counted here.
    source_sha256
        Hash of the bars that the features were computed from.
    """

    names: tuple[str, ...]
    versions: Mapping[str, int]
    values: npt.NDArray[np.float64]
    event_ns: npt.NDArray[np.int64]
    unknown: Mapping[Why, int]
    source_sha256: str

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Decisions whose features are all known, shape (decisions,): those that live trading would judge."""
        return np.asarray(~np.isnan(self.values).any(axis=1), dtype=np.bool_)


def training_set(
    path: Path,
    symbols: Sequence[str],
    at_ns: npt.NDArray[np.int64],
    features: Mapping[str, int],
    freshness: Freshness,
) -> TrainingSet:
    """Join decisions with the newest features that were available.

    Parameters
    ----------
    path
        File of daily features (`feature_repo.locations.FeatureFolder.daily`).
    symbols, at_ns
        The decisions: symbol, and market time in nanoseconds UTC, shape (decisions,).
    features
        Version by name; the columns come in this order.
    freshness
        How old features may be.

    Raises
    ------
    FeaturesMissing
        When there is no such file, or a feature in it is of another version.
    ValueError
        When the decisions aren't of one length.
    """
    if len(symbols) != len(at_ns):
        raise ValueError(f"{len(symbols)} symbols, but {len(at_ns)} times")
    facts = check_versions(path, features)
    found = _newest_available(path, symbols, at_ns, tuple(features))
    events = found.column(EVENT_S).fill_null(0).to_numpy() * NS_PER_S
    values = np.column_stack(
        [np.asarray(found.column(name).to_numpy(), dtype=np.float64) for name in features]
        or [np.empty((len(symbols), 0))]
    )
    unknown: dict[Why, int] = {}
    for place, (event_ns, moment_ns) in enumerate(zip(events.tolist(), at_ns.tolist(), strict=True)):
        why = _problem(event_ns, moment_ns, freshness)
        if why is not None:
            unknown[why] = unknown.get(why, 0) + 1
            values[place], events[place] = np.nan, 0
    return TrainingSet(
        names=tuple(features),
        versions=dict(features),
        values=values,
        event_ns=events,
        unknown=unknown,
        source_sha256=facts.source_sha256,
    )


def _problem(event_ns: int, at_ns: int, freshness: Freshness) -> Why | None:
    if event_ns == 0:
        return Why.NO_SYMBOL
    return freshness.problem(event_ns=event_ns, available_ns=event_ns + AVAILABLE_AFTER_NS, at_ns=at_ns)


def _newest_available(
    path: Path, symbols: Sequence[str], at_ns: npt.NDArray[np.int64], names: tuple[str, ...]
) -> pa.Table:
    decisions = pa.table(
        {
            "place": pa.array(range(len(symbols)), pa.int64()),
            SYMBOL: pa.array(symbols, pa.string()),
            "at_us": pa.array(at_ns // 1_000, pa.int64()),  # availability is in whole seconds
        }
    )
    columns = ", ".join(f'f."{name}"' for name in (EVENT_S, *names))
    with duckdb.connect() as connection:
        connection.register("decisions", decisions)
        return connection.sql(
            f"""SELECT {columns} FROM decisions d
                ASOF LEFT JOIN (FROM read_parquet(?)) f
                ON d.{SYMBOL} = f.{SYMBOL} AND d.at_us >= epoch_us(f.{AVAILABLE})
                ORDER BY d.place""",  # noqa: S608 - names of the catalogue
            params=[str(path)],
        ).to_arrow_table()
