"""Bars out of a store for research: which series is meant, adjusted for the splits that the store knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from data.bar_sizes import parse_size, size_text
from data.bar_table import NS_PER_S, BarTable, DataError
from data.corporate_actions import (
    ActionKind,
    CorporateAction,
    adjust_for_splits,
    known_splits,
    not_in_the_prices,
)
from data.csv_bars import calendar_over
from data.exchange_calendar import ExchangeCalendar
from data.quality.findings import Policies
from data.quality.gate import Checked, check_tables
from data.store.reader import HistoryReader, Holding
from data.store.schema import PriceKind


@dataclass(frozen=True, slots=True)
class StoreBars:
    """What was found in a store; ``actions`` are those that the prices don't hold already."""

    checked: Checked
    calendar: ExchangeCalendar
    actions: tuple[CorporateAction, ...]


def split_name(text: str) -> tuple[Path, tuple[str, ...]]:
    """Path of the store, and the words after ``@`` that choose a series."""
    path, _at, words = text.partition("@")
    return Path(path), tuple(word.strip() for word in words.split(",") if word.strip())


def open_store(
    text: str, symbols: Sequence[str] | None, *, calendar_name: str, policies: Policies, raw: bool
) -> StoreBars:
    """Load one kind of series of the symbols.

    Raises
    ------
    DataError
        When the store can't be read, the words fit no series or several, or a symbol isn't in it.
    """
    path, words = split_name(text)
    with HistoryReader(path) as reader:
        chosen = choose(path, reader.holdings(), words, symbols)
        kind = next(iter(chosen.values())).series
        actions = reader.actions(list(chosen), kind.source)
        tables = {symbol: reader.bars(one.series) for symbol, one in chosen.items()}
        note = reader.note
    if kind.prices is PriceKind.RAW and not raw:
        tables = {symbol: adjust_for_splits(table, actions) for symbol, table in tables.items()}
    if note:
        first = next(iter(tables))
        tables[first] = replace(tables[first], notes=(*tables[first].notes, note))
    ends = [int(moment) for table in tables.values() for moment in (table.end_ns[0], table.end_ns[-1])]
    calendar = calendar_over(calendar_name, ends)
    in_prices = {
        "splits": kind.prices is not PriceKind.RAW or not raw,
        "dividends": kind.prices is PriceKind.TOTAL,
    }
    return StoreBars(
        check_tables(tables, calendar, policies, known_splits(actions)),
        calendar,
        not_in_the_prices(_splits_within(tables, actions, kind.prices), **in_prices),
    )


def _splits_within(
    tables: Mapping[str, BarTable], actions: Sequence[CorporateAction], prices: PriceKind
) -> tuple[CorporateAction, ...]:
    """Leave out splits behind the last raw bar: those prices were never divided by them, so dividends mustn't be."""
    if prices is not PriceKind.RAW:
        return tuple(actions)
    return tuple(
        one
        for one in actions
        if one.kind is not ActionKind.SPLIT
        or one.day <= datetime.fromtimestamp(int(tables[one.symbol].end_ns[-1]) // NS_PER_S, UTC).date()
    )


def choose(
    path: Path, holdings: Sequence[Holding], words: Sequence[str], symbols: Sequence[str] | None
) -> dict[str, Holding]:
    """Find the holdings of the one kind of series that the words mean, by symbol.

    Raises
    ------
    DataError
        When they fit none, or several kinds.
    """
    if not holdings:
        raise DataError([f"{path}: the store is empty"])
    fitting = [one for one in holdings if all(_fits(one, word, path) for word in words)]
    kinds = {(one.series.size_s, one.series.source, one.series.prices): _kind_text(one) for one in fitting}
    if len(kinds) != 1:
        known = sorted({_kind_text(one) for one in holdings})
        what = f"nothing fits {','.join(words)!r}" if not kinds else "several series fit"
        raise DataError([f"{path}: {what}; choose with {path.name}@ and one of: {' '.join(known)}"])
    chosen = {one.series.symbol: one for one in fitting}
    missing = [symbol for symbol in symbols or () if symbol not in chosen]
    if missing:
        kind = next(iter(kinds.values()))
        raise DataError([f"{path}: there are no bars of {symbol} in {kind}" for symbol in missing])
    return {symbol: chosen[symbol] for symbol in (symbols or chosen)}


def _fits(one: Holding, word: str, path: Path) -> bool:
    series = one.series
    if word in {series.source, series.prices.value}:
        return True
    try:
        return series.size_s == parse_size(word)
    except ValueError:
        if word in {kind.value for kind in PriceKind} or word.isidentifier():
            return False
        raise DataError(
            [f"{path}: {word!r} is no source, bar size (1d, 5m) or kind of prices (raw, splits, total)"]
        ) from None


def _kind_text(one: Holding) -> str:
    return f"{one.series.source},{size_text(one.series.size_s)},{one.series.prices.value}"
