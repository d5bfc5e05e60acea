"""The training set: every entry that a strategy wanted, the features known then, and what the entry earned.

Each signal is one row, at the bar on which it began. Its features are of the last session whose values were available at that bar's close
(`features.freshness`), which is what live trading looks up: in a session, those of the session before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backtester.cost_settings import costs_of
from backtester.market import Market
from backtester.scan import scan_market, scan_signals
from core.config_schema import Settings
from features.catalogue import FEATURES, compute
from features.freshness import AVAILABLE_AFTER_NS
from features.panel import panel_of
from ml.daily import daily_tables
from ml.labels import Barriers, Entry, Path, label_entry
from strategy.base import Strategy

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DEFAULT_FEATURES = (
    "ret_5",
    "ret_20",
    "ret_60",
    "mom_12_1",
    "sma_50_gap",
    "sma_200_gap",
    "rsi_14",
    "natr_20",
    "vol_20",
    "vol_regime",
    "volume_ratio_20",
    "breadth_200",
    "relative_20",
)
"""Scale-free ones that differ from each other; a model may be given any others of the catalogue."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entries:
    """Labelled entries in order of time, arrays of shape (entries,).

    Attributes
    ----------
    names
        Features, in the order of the columns of ``rows``.
    rows
        Shape (entries, features), all known.
    symbols, sides
        Of each entry.
    decided_ns, ended_ns
        Bar of the decision and bar in which the position ended.
    earned
        Dollars after costs, of a position sized as the strategy sizes it.
    staked
        Value of the position at its entry, dollars.
    left_out
        Entries without features, without a size, or without an end, by reason.
    """

    names: tuple[str, ...]
    rows: FloatArray
    symbols: tuple[str, ...]
    sides: IntArray
    decided_ns: IntArray
    ended_ns: IntArray
    earned: FloatArray
    staked: FloatArray
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.earned)

    @property
    def won(self) -> IntArray:
        """1 for an entry that earned more than it cost, else 0."""
        return (self.earned > 0).astype(np.int64)

    def part(self, chosen: npt.NDArray[np.bool_] | IntArray) -> Entries:
        """Return some of the entries."""
        return replace(
            self,
            symbols=tuple(np.array(self.symbols, dtype=object)[chosen]),
            **{
                name: getattr(self, name)[chosen]
                for name in ("rows", "sides", "decided_ns", "ended_ns", "earned", "staked")
            },
        )


def label_entries(
    settings: Settings,
    market: Market,
    strategy: Strategy,
    *,
    weight: float,
    features: Sequence[str] = DEFAULT_FEATURES,
    barriers: Barriers | None = None,
) -> Entries:
    """Label every entry of a strategy over a market's bars.

    Parameters
    ----------
    settings
        Sizes, stops, costs and opening cash.
    market
        Aligned bars of any size.
    strategy
        One that trades single symbols.
    weight
        Its share of the equity, which sizes each position.
    features
        Names of the catalogue.
    barriers
        Time and target; None for none but the strategy's own.

    Raises
    ------
    KeyError
        For a feature that isn't there.
    ValueError
        For a strategy that trades pairs.
    """
    if strategy.kind.trades_pairs:
        raise ValueError(f"{strategy.name} trades pairs: a veto on one leg would leave the other alone")
    names = tuple(FEATURES[name].name for name in features)
    table = _features(market, names)
    signals = scan_signals([strategy], market.signal_bars(), market.symbols)[:, 0]
    atr = scan_market(market.signal_bars(), settings.sizing.atr_window).atr
    found: list[tuple[int, ...]] = []
    rows: list[FloatArray] = []
    money: list[tuple[float, float]] = []
    left_out: dict[str, int] = {}
    for column in range(len(market.symbols)):
        known = np.flatnonzero(~np.isnan(market.bars[:, column, 3]))
        path = _path(market, column, known, signals)
        for bar in _onsets(path.signal, shorts=settings.sizing.allow_short):
            at = int(known[bar])
            row, reason = table.row_at(int(market.end_ns[at]), column), ""
            entry = _sized(settings, weight, path, int(bar), float(atr[at, column]))
            if entry is None:
                reason = "no size"
            elif row is None or np.isnan(row).any():
                reason = "a feature is unknown"
            else:
                label = label_entry(path, entry, barriers or Barriers(), costs_of(settings.backtest))
                reason = "the bars end before the position" if label is None else ""
            if reason or entry is None or label is None or row is None:
                left_out[reason] = left_out.get(reason, 0) + 1
                continue
            ended = int(market.end_ns[known[label.end_bar]])
            found.append((int(market.end_ns[at]), column, entry.side, ended))
            rows.append(row)
            money.append((label.earned, entry.quantity * label.entry_price))
    return _in_order(market, names, found, rows, money, left_out)


def _in_order(
    market: Market,
    names: tuple[str, ...],
    found: list[tuple[int, ...]],
    rows: list[FloatArray],
    money: list[tuple[float, float]],
    left_out: Mapping[str, int],
) -> Entries:
    order = sorted(range(len(found)), key=lambda place: found[place])
    facts = np.array([found[place] for place in order], dtype=np.int64).reshape(-1, 4)
    dollars = np.array([money[place] for place in order], dtype=np.float64).reshape(-1, 2)
    return Entries(
        names=names,
        rows=np.array([rows[place] for place in order], dtype=np.float64).reshape(-1, len(names)),
        symbols=tuple(market.symbols[column] for column in facts[:, 1]),
        sides=facts[:, 2],
        decided_ns=facts[:, 0],
        ended_ns=facts[:, 3],
        earned=dollars[:, 0],
        staked=dollars[:, 1],
        left_out=left_out,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _FeatureTable:
    available_ns: IntArray
    values: FloatArray
    """Shape (sessions, symbols, features)."""

    def row_at(self, moment_ns: int, column: int) -> FloatArray | None:
        place = int(np.searchsorted(self.available_ns, moment_ns, side="right")) - 1
        return None if place < 0 else self.values[place, column]


def _features(market: Market, names: tuple[str, ...]) -> _FeatureTable:
    tables = daily_tables(market)
    panel = panel_of(tables)
    values = compute(panel, names)
    order = [panel.symbols.index(symbol) for symbol in market.symbols]
    closes = np.unique(np.concatenate([table.end_ns for table in tables.values()]))
    return _FeatureTable(
        available_ns=closes + AVAILABLE_AFTER_NS,
        values=np.stack([values[name][:, order] for name in names], axis=2),
    )


def _path(market: Market, column: int, known: IntArray, signals: FloatArray) -> Path:
    bars = market.signal_bars()[known, column]
    return Path(
        **{name: np.ascontiguousarray(bars[:, place]) for place, name in enumerate(_COLUMNS)},
        signal=np.ascontiguousarray(signals[known, column]),
    )


_COLUMNS = ("open", "high", "low", "close", "volume")


def _onsets(signal: FloatArray, *, shorts: bool) -> IntArray:
    """Bars on which a signal begins or changes sides; one that stands when the strategy has just become warm counts too."""
    sign = np.sign(np.nan_to_num(signal))
    before = np.concatenate([[0.0], sign[:-1]])
    begins = (sign != before) & (sign != 0)
    return np.flatnonzero(begins if shorts else begins & (sign > 0))


def _sized(settings: Settings, weight: float, path: Path, bar: int, atr: float) -> Entry | None:
    """Size an entry as the decision does before any cap, from the opening cash; None when it comes to no share."""
    if not 0.0 < atr < np.inf:
        return None
    capital = float(settings.backtest.cash) * weight
    distance = settings.sizing.stop_atr_multiple * atr
    side = int(np.sign(path.signal[bar]))
    quantity = capital * settings.sizing.risk_per_trade / distance
    quantity = min(quantity, capital / float(path.close[bar])) * min(abs(float(path.signal[bar])), 1.0)
    whole = int(quantity)
    return Entry(bar=bar, side=side, quantity=whole, distance=distance) if whole > 0 else None
