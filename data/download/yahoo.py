"""Bars, splits and dividends from Yahoo's chart service, which needs no key and comes without a promise.

Prices are adjusted for splits, not for dividends, and all of it to today's shares, whatever span is asked for. The store
keeps dividends in the shares of their own day, so they are multiplied by the ratios of all splits since, and those splits
go into the store with them, also where they lie behind the span. Yahoo stores prices as 32-bit floats: the shortest
decimal that gives the same float is taken, so that 125.07 doesn't become 125.06999969.

During a session Yahoo puts one more row behind its bars: the last trade, stamped with its second. That isn't a bar.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from pydantic import BaseModel, Field

from data.bar_table import DAILY, NS_PER_S, DataError
from data.corporate_actions import ActionKind, CorporateAction
from data.download.fetched import Fetched, midnight_ns, rows_of
from data.download.http import HttpSource
from data.store.schema import PriceKind

URL: Final = "https://query1.finance.yahoo.com"
INTERVALS: Final = {60: "1m", 120: "2m", 300: "5m", 900: "15m", 1800: "30m", 3600: "60m", DAILY: "1d"}
_DAYS_A_REQUEST: Final = {60: 7, DAILY: 20_000}  # 50 for the others: Yahoo gives 60 days of them
# Sessions begin on it, everywhere, and with them the bars (in India at 9:15, whatever their size).
_CLOCK_S: Final = 300


class _Meta(BaseModel):
    currency: str = ""
    exchange_zone: str = Field(alias="exchangeTimezoneName")


class _Quote(BaseModel):
    open: list[float | None] = []
    high: list[float | None] = []
    low: list[float | None] = []
    close: list[float | None] = []
    volume: list[float | None] = []


class _Indicators(BaseModel):
    quote: list[_Quote] = Field(min_length=1)


class _Dividend(BaseModel):
    date: int
    amount: float


class _Split(BaseModel):
    date: int
    numerator: float
    denominator: float = Field(gt=0)


class _Events(BaseModel):
    dividends: dict[str, _Dividend] = {}
    splits: dict[str, _Split] = {}


class _Result(BaseModel):
    meta: _Meta
    timestamp: list[int] = []
    indicators: _Indicators
    events: _Events = _Events()


class _Chart(BaseModel):
    result: list[_Result] = Field(min_length=1)


class _Answer(BaseModel):
    chart: _Chart


def fetch_yahoo(
    source: HttpSource, symbol: str, size_s: int, first: date, last: date, *, today: date | None = None
) -> Fetched:
    """Bars and actions of a symbol between two dates, both included, and its splits from then to today.

    Parameters
    ----------
    today
        Day (UTC) up to whose splits Yahoo adjusts; None for that of the clock.

    Raises
    ------
    DataError
        When the size isn't offered, the symbol isn't known, or the answer can't be used.
    """
    if size_s not in INTERVALS:
        offered = ", ".join(INTERVALS.values())
        raise DataError([f"yahoo: bars of {size_s} s aren't offered; possible: {offered}"])
    step = timedelta(days=_DAYS_A_REQUEST.get(size_s, 50))
    stamps: list[int] = []
    columns: list[list[float]] = [[], [], [], [], []]
    actions: set[CorporateAction] = set()
    empty = between = 0
    begin = first
    while begin <= last:
        end = min(begin + step, last + timedelta(days=1))
        result = _ask(source, symbol, size_s, begin, end)
        zone = _zone(result.meta.exchange_zone)
        left_out = _append(result, size_s, zone, stamps, columns)
        empty, between = empty + left_out[0], between + left_out[1]
        actions |= {one for one in _actions(symbol, result.events, zone) if first <= one.day <= last}
        begin = end
    today = today or datetime.now(UTC).date()
    if last < today:
        actions |= _later_splits(source, symbol, first, last, today)
    notes = []
    if empty:
        notes.append(f"{symbol}: {empty} rows of Yahoo without prices left out")
    if between:
        notes.append(f"{symbol}: {between} rows of Yahoo that begin inside another bar left out")
    return Fetched(
        symbol=symbol,
        size_s=size_s,
        rows=rows_of(symbol, size_s, stamps, columns, f"yahoo: {symbol}"),
        prices=PriceKind.SPLITS,
        actions=tuple(sorted(_in_own_shares(one, actions) for one in actions)),
        notes=tuple(notes),
    )


def _later_splits(
    source: HttpSource, symbol: str, first: date, last: date, today: date
) -> set[CorporateAction]:
    # From the first day on, although only what lies behind the last is wanted: Yahoo may refuse a span without bars.
    result = _ask(source, symbol, DAILY, first, today + timedelta(days=1))
    found = _actions(symbol, result.events, _zone(result.meta.exchange_zone))
    return {one for one in found if one.kind is ActionKind.SPLIT and one.day > last}


def _ask(source: HttpSource, symbol: str, size_s: int, begin: date, end: date) -> _Result:
    answer = source.get(
        f"/v8/finance/chart/{symbol.replace(' ', '-').replace('.', '-')}",
        {
            "period1": str(midnight_ns(begin) // NS_PER_S),
            "period2": str(midnight_ns(end) // NS_PER_S),
            "interval": INTERVALS[size_s],
            "events": "div,splits",
            "includePrePost": "false",
        },
        _Answer,
        symbol,
    )
    result = answer.chart.result[0]
    quote = result.indicators.quote[0]
    lengths = {len(column) for column in (quote.open, quote.high, quote.low, quote.close, quote.volume)}
    if lengths != {len(result.timestamp)}:
        raise DataError(
            [f"yahoo: {symbol}: {len(result.timestamp)} times, but columns of {sorted(lengths)} values"]
        )
    return result


def _append(
    result: _Result, size_s: int, zone: ZoneInfo, stamps: list[int], columns: list[list[float]]
) -> tuple[int, int]:
    """Add a result's rows; return how many had no prices (Yahoo writes null where nothing traded), or were no bars."""
    quote = result.indicators.quote[0]
    empty = between = 0
    before_s = stamps[-1] // NS_PER_S if stamps else None
    lists = (quote.open, quote.high, quote.low, quote.close, quote.volume)
    for start_s, *values in zip(result.timestamp, *lists, strict=True):
        if size_s != DAILY and _is_between(start_s, before_s, size_s):
            between += 1
            continue
        before_s = start_s
        if any(value is None for value in values[:4]):
            empty += 1
            continue
        if size_s == DAILY:
            stamps.append(midnight_ns(datetime.fromtimestamp(start_s, zone).date()))
        else:
            stamps.append(start_s * NS_PER_S)
        for column, value in zip(columns, values, strict=True):
            column.append(_shortest(value))
    return empty, between


def _is_between(start_s: int, before_s: int | None, size_s: int) -> bool:
    """Whether a row begins off the clock, or inside the bar before it (60-minute bars don't begin at full hours only)."""
    if start_s % math.gcd(size_s, _CLOCK_S):
        return True
    return before_s is not None and 0 < start_s - before_s < size_s


def _shortest(value: float | None) -> float:
    return math.nan if value is None else float(str(np.float32(value))) if abs(value) < 1e6 else value


def _actions(symbol: str, events: _Events, zone: ZoneInfo) -> list[CorporateAction]:
    def day(seconds: int) -> date:
        return datetime.fromtimestamp(seconds, zone).date()

    found = [
        CorporateAction(symbol=symbol, day=day(one.date), kind=ActionKind.DIVIDEND, value=one.amount)
        for one in events.dividends.values()
        if one.amount > 0
    ]
    found += [
        CorporateAction(
            symbol=symbol, day=day(one.date), kind=ActionKind.SPLIT, value=one.numerator / one.denominator
        )
        for one in events.splits.values()
        if one.numerator > 0
    ]
    return found


def _in_own_shares(action: CorporateAction, all_of_them: set[CorporateAction]) -> CorporateAction:
    if action.kind is not ActionKind.DIVIDEND:
        return action
    later = [one.value for one in all_of_them if one.kind is ActionKind.SPLIT and one.day > action.day]
    return replace(action, value=action.value * math.prod(later))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DataError([f"yahoo: the exchange's time zone {name!r} isn't known"]) from error
