"""What the gateway lists: instruments, their ticks, and the recorded bars behind them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from data.bar_table import BarTable
from paper_gateway.price_path import SourceBar, Ticks
from paper_gateway.types import Instrument

CENT = Decimal("0.01")
SUB_PENNY = Decimal("0.0001")  # Regulation NMS, rule 612: quotes below one dollar

# Contract ids, names and listings as IB gives them; another symbol gets an id derived from its name.
_KNOWN = {
    "AAPL": (265598, "APPLE INC", "NASDAQ"),
    "FB": (107113386, "FACEBOOK INC-A", "NASDAQ"),
    "GOOG": (30351181, "GOOGLE INC-CL A", "NASDAQ"),
    "IBM": (8314, "INTL BUSINESS MACHINES CORP", "NYSE"),
    "MSFT": (272093, "MICROSOFT CORP", "NASDAQ"),
}
_FIRST_DERIVED_ID = 700_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listing:
    """An instrument and its recorded bars in whole ticks (columns of shape (bars,), int64)."""

    instrument: Instrument
    table: BarTable
    open: Ticks
    high: Ticks
    low: Ticks
    close: Ticks
    volume: Ticks

    @property
    def symbol(self) -> str:
        """The symbol."""
        return self.instrument.symbol

    @property
    def tick(self) -> Decimal:
        """The least price step."""
        return self.instrument.min_tick

    def price(self, ticks: int) -> Decimal:
        """Price of a whole number of ticks."""
        return self.tick * ticks

    def source_bar(self, row: int) -> SourceBar:
        """One recorded bar."""
        return SourceBar(
            open=int(self.open[row]),
            high=int(self.high[row]),
            low=int(self.low[row]),
            close=int(self.close[row]),
            volume=int(self.volume[row]),
        )


def make_listings(tables: Mapping[str, BarTable]) -> dict[str, Listing]:
    """Make listings of ``tables``, by symbol. Prices are rounded to the tick, which keeps their order."""
    ids = _contract_ids(tables)
    listings = {}
    for symbol, table in tables.items():
        tick = CENT if float(table.low.min()) >= 1.0 else SUB_PENNY
        _, name, exchange = _KNOWN.get(symbol, (0, symbol, "NASDAQ"))
        per_dollar = float(1 / tick)
        columns = {
            column: np.maximum(np.rint(getattr(table, column) * per_dollar), 1).astype(np.int64)
            for column in ("open", "high", "low", "close")
        }
        listings[symbol] = Listing(
            instrument=Instrument(
                symbol=symbol,
                con_id=ids[symbol],
                long_name=name,
                primary_exchange=exchange,
                min_tick=tick,
            ),
            table=table,
            volume=np.rint(table.volume).astype(np.int64),
            **columns,
        )
    return listings


def _contract_ids(symbols: Iterable[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    taken: set[int] = set()
    for symbol in sorted(symbols):
        con_id = _KNOWN[symbol][0] if symbol in _KNOWN else 0
        if not con_id:
            con_id = _FIRST_DERIVED_ID + zlib.crc32(symbol.encode()) % 100_000_000
            while con_id in taken:
                con_id += 1
        taken.add(con_id)
        ids[symbol] = con_id
    return ids
