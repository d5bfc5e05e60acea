"""Bars, splits and dividends from Polygon. Prices are taken raw, so that the splits stay in our hands.

The key comes from the environment (``POLYGON_API_KEY``) and travels in a header: it stands in no address, message or log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final, Generic, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from data.bar_table import DAILY, DataError
from data.corporate_actions import ActionKind, CorporateAction
from data.download.fetched import Fetched, midnight_ns, rows_of
from data.download.http import HttpSource
from data.store.schema import PriceKind

URL: Final = "https://api.polygon.io"
KEY: Final = "POLYGON_API_KEY"
_NEW_YORK: Final = ZoneInfo("America/New_York")
_NS_PER_MS: Final = 1_000_000
_MOST_PAGES: Final = 1000
_Row = TypeVar("_Row")


class _Bar(BaseModel):
    t: int
    o: float
    h: float
    l: float  # noqa: E741 (Polygon's name)
    c: float
    v: float


class _SplitRow(BaseModel):
    execution_date: date
    split_from: float = Field(gt=0)
    split_to: float = Field(gt=0)


class _DividendRow(BaseModel):
    ex_dividend_date: date
    cash_amount: float = Field(gt=0)
    currency: str = "USD"


class _Page(BaseModel, Generic[_Row]):
    results: list[_Row] = []
    next_url: str | None = None


def headers(environ: Mapping[str, str]) -> dict[str, str]:
    """Header with the key.

    Raises
    ------
    DataError
        When the environment holds none.
    """
    key = environ.get(KEY, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise DataError([f"polygon: put your key into the environment as {KEY}"])
    return {"Authorization": f"Bearer {key}"}


def fetch_polygon(source: HttpSource, symbol: str, size_s: int, first: date, last: date) -> Fetched:
    """Raw bars of a symbol between two dates, both included, and its splits and dividends in that time.

    Raises
    ------
    DataError
        When the answer can't be used.
    """
    ticker = symbol.replace(" ", ".")
    span = (
        (1, "day")
        if size_s == DAILY
        else (size_s // 60, "minute")
        if size_s % 60 == 0
        else (size_s, "second")
    )
    bars = _all_pages(
        source,
        f"/v2/aggs/ticker/{ticker}/range/{span[0]}/{span[1]}/{first}/{last}",
        {"adjusted": "false", "sort": "asc", "limit": "50000"},
        _Page[_Bar],
        symbol,
    )
    stamps = [one.t * _NS_PER_MS for one in bars]
    if size_s == DAILY:
        stamps = [
            midnight_ns(datetime.fromtimestamp(one.t / 1000, UTC).astimezone(_NEW_YORK).date())
            for one in bars
        ]
    columns = [
        [one.o for one in bars],
        [one.h for one in bars],
        [one.l for one in bars],
        [one.c for one in bars],
        [one.v for one in bars],
    ]
    return Fetched(
        symbol=symbol,
        size_s=size_s,
        rows=rows_of(symbol, size_s, stamps, columns, f"polygon: {symbol}"),
        prices=PriceKind.RAW,
        actions=_actions(source, symbol, ticker, first, last),
    )


def _actions(
    source: HttpSource, symbol: str, ticker: str, first: date, last: date
) -> tuple[CorporateAction, ...]:
    asked = {"ticker": ticker, "limit": "1000"}
    splits = _all_pages(
        source,
        "/v3/reference/splits",
        {**asked, "execution_date.gte": str(first), "execution_date.lte": str(last)},
        _Page[_SplitRow],
        f"splits of {symbol}",
    )
    dividends = _all_pages(
        source,
        "/v3/reference/dividends",
        {**asked, "ex_dividend_date.gte": str(first), "ex_dividend_date.lte": str(last)},
        _Page[_DividendRow],
        f"dividends of {symbol}",
    )
    found = [
        CorporateAction(
            symbol=symbol, day=one.execution_date, kind=ActionKind.SPLIT, value=one.split_to / one.split_from
        )
        for one in splits
    ]
    found += [
        CorporateAction(
            symbol=symbol, day=one.ex_dividend_date, kind=ActionKind.DIVIDEND, value=one.cash_amount
        )
        for one in dividends
        if one.currency == "USD"
    ]
    return tuple(sorted(found))


def _all_pages(
    source: HttpSource, path: str, parameters: Mapping[str, str], shape: type[_Page[_Row]], what: str
) -> list[_Row]:
    rows: list[_Row] = []
    for _ in range(_MOST_PAGES):
        page = source.get(path, parameters, shape, what)
        rows += page.results
        if not page.next_url:
            return rows
        path, parameters = page.next_url, {}
    raise DataError([f"polygon: {what}: more than {_MOST_PAGES} pages"])
