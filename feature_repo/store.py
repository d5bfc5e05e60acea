"""The feature store: Feast over one folder. It takes seconds and 200 MB to import: for processes of their own only."""

from __future__ import annotations

import math
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any, Final

import pandas as pd
import yaml
from feast import FeatureService, FeatureStore
from feast.errors import FeastObjectNotFoundException
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.repo_config import RepoConfig
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from sqlalchemy.exc import SQLAlchemyError

from core.errors import RetryLater
from feature_repo.feature_services import COSTS, PUBLISHED, definitions
from feature_repo.locations import PROJECT, FeatureFolder
from feature_repo.tables import DAILY_VIEW, EVENT_S, METHOD, NS_PER_S, SYMBOL

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CONFIGURATION: Final = PROJECT / "feature_repo" / "feature_store.yaml"


class StoreUnavailable(RetryLater):
    """The store is missing, locked or damaged; nothing was read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineRow:
    """One key's row in the online store.

    Attributes
    ----------
    event_ns
        Close that the values are of.
    available_ns
        Feast's event timestamp: from when on the row may be used.
    values
        By feature; None is unknown.
    """

    event_ns: int
    available_ns: int
    values: Mapping[str, float | None]


class Store:
    """Feast, in the words of this project.

    Parameters
    ----------
    folder
        Where its files are.
    """

    def __init__(self, folder: FeatureFolder) -> None:
        self.folder = folder
        described = yaml.safe_load(_CONFIGURATION.read_text(encoding="utf-8"))
        described["registry"] = str(folder.registry)
        described["online_store"]["path"] = str(folder.online)
        folder.path.mkdir(parents=True, exist_ok=True)
        self.feast = FeatureStore(config=RepoConfig(**described))
        self._services: dict[str, FeatureService] = {}  # to read one takes longer than to read the features

    def apply(self) -> None:
        """Bring the registry and the online tables to what the definitions say; what they don't name is removed.

        Raises
        ------
        StoreUnavailable
            When the store can't be written.
        """
        with _told(self.folder):
            wanted = definitions(self.folder)
            self._services.clear()
            self.feast.apply(list(wanted), objects_to_delete=self._superfluous(wanted), partial=False)
            with closing(sqlite3.connect(self.folder.online)) as connection:
                connection.execute(
                    "PRAGMA journal_mode=WAL"
                )  # readers don't wait for the writer; kept in the file

    def materialise(self, start_ns: int, end_ns: int, view: str = DAILY_VIEW) -> None:
        """Copy a view's newest row of each key that became available between two times into the online store.

        Feast writes what it finds, also over newer rows: the end must not lie before that of an earlier call whose rows
        are to stay. (Its ``materialize_incremental`` loads nothing for past ends, so it isn't used.)

        Raises
        ------
        StoreUnavailable
            When the definitions haven't been applied, or the store is locked or damaged.
        """
        with _told(self.folder), redirect_stdout(StringIO()):
            self.feast.materialize(moment(start_ns), moment(end_ns), feature_views=[view])

    def online_daily(self, symbols: Sequence[str]) -> dict[str, OnlineRow]:
        """Newest features of each symbol that has any."""
        rows = self._online(PUBLISHED, [{SYMBOL: symbol} for symbol in symbols])
        return {symbol: row for symbol, row in zip(symbols, rows, strict=True) if row is not None}

    def online_costs(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], OnlineRow]:
        """Newest features of costs of each symbol and method that has any."""
        rows = self._online(COSTS, [{SYMBOL: symbol, METHOD: method} for symbol, method in keys])
        return {key: row for key, row in zip(keys, rows, strict=True) if row is not None}

    def historical_daily(self, symbols: Sequence[str], moments: Sequence[datetime]) -> pd.DataFrame:
        """Feast's own point-in-time join, one row a symbol and moment in any order: the oracle of the tests."""
        asked = pd.DataFrame(
            {SYMBOL: list(symbols), "event_timestamp": pd.DatetimeIndex(list(moments)).as_unit("us")}
        )
        with _told(self.folder):
            service = self.feast.get_feature_service(PUBLISHED)
            found: pd.DataFrame = self.feast.get_historical_features(asked, service).to_df()
            return found

    def _online(self, service: str, keys: list[dict[str, str]]) -> list[OnlineRow | None]:
        if not keys:
            return []
        with _told(self.folder):
            if (
                not self.folder.online.is_file()
            ):  # Feast would make an empty one and answer that nothing is there
                raise StoreUnavailable(f"there is no online store {self.folder.online}")
            if service not in self._services:
                self._services[service] = self.feast.get_feature_service(service)
            response = self.feast.get_online_features(features=self._services[service], entity_rows=keys)
        names = list(response.proto.metadata.feature_names.val)
        vectors = dict(zip(names, response.proto.results, strict=True))  # in another order in each process
        values = response.to_dict()
        events = vectors[EVENT_S]
        wanted = [name for name in names if name not in {SYMBOL, METHOD, EVENT_S}]
        result: list[OnlineRow | None] = []
        for place in range(len(keys)):
            if events.statuses[place] != FieldStatus.PRESENT or values[EVENT_S][place] is None:
                result.append(None)
                continue
            result.append(
                OnlineRow(
                    event_ns=int(values[EVENT_S][place]) * NS_PER_S,
                    available_ns=events.event_timestamps[place].ToNanoseconds(),
                    values={name: _known(values[name][place]) for name in wanted},
                )
            )
        return result

    def _superfluous(self, wanted: Sequence[Any]) -> list[Any]:
        names = {(type(one).__name__, one.name) for one in wanted}
        registered: list[Any] = [
            *self.feast.list_feature_services(),
            *self.feast.list_feature_views(),
            *self.feast.list_entities(),
        ]
        return [
            one for one in registered if (type(one).__name__, one.name) not in names and one.name != "__dummy"
        ]


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


@contextmanager
def _told(folder: FeatureFolder) -> Iterator[None]:
    """Turn what Feast raises about the state of its files into one error that names them."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning, module="ibis"
        )  # of DuckDB's newest names
        try:
            yield
        except (sqlite3.Error, SQLAlchemyError, FeastObjectNotFoundException, OSError, DecodeError) as error:
            raise StoreUnavailable(f"{folder.path}: {type(error).__name__}: {error}") from error


def moment(time_ns: int) -> datetime:
    """Time for Feast, to the microsecond."""
    return _EPOCH + timedelta(microseconds=time_ns // 1_000)
