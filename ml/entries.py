"""The training set: every entry that a strategy wanted, the features known then, and what the entry earned.

Each signal is one row, at the bar on which it began. Its features are of the last session whose values were available at that bar's close
(`features.freshness`), which is what live trading looks up: in a session, those of the session before.
"""

from __future__ import annotations

from collections import Counter
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
        For a strategy that trades pairs, or whose stops trail.
    """
    if strategy.kind.trades_pairs:
        raise ValueError(f"{strategy.name} trades pairs: a veto on one leg would leave the other alone")
    if settings.trails(strategy.name):
        raise ValueError(f"{strategy.name}: labels know fixed stops only, but stop_kind is trailing")
    names = tuple(FEATURES[name].name for name in features)
    table = feature_table(market, names)
    signals = scan_signals([strategy], market.signal_bars(), market.symbols)[:, 0]
    atr = scan_market(market.signal_bars(), settings.sizing.atr_window).atr
    costs, barriers = costs_of(settings.backtest), barriers or Barriers()
    found: list[_Row] = []
    left_out: Counter[str] = Counter()
    for column in range(len(market.symbols)):
        known = np.flatnonzero(~np.isnan(market.bars[:, column, 3]))
        path = path_of(market, column, known, signals)
        moments = market.end_ns[known]
        for bar in _onsets(path.signal, shorts=settings.sizing.allow_short).tolist():
            entry = _sized(settings, weight, path, bar, float(atr[known[bar], column]))
            row = table.row_at(int(moments[bar]), column)
            label = None if entry is None else label_entry(path, entry, barriers, costs)
            if entry is None:
                left_out["it came to no share"] += 1
            elif row is None or np.isnan(row).any():
                left_out["a feature is unknown"] += 1
            elif label is None:
                left_out["the bars end before the position"] += 1
            else:
                found.append(
                    _Row(
                        decided_ns=int(moments[bar]),
                        column=column,
                        side=entry.side,
                        ended_ns=int(moments[label.end_bar]),
                        values=row,
                        earned=label.earned,
                        staked=entry.quantity * label.entry_price,
                    )
                )
    found.sort(key=lambda one: (one.decided_ns, one.column))
    return Entries(
        names=names,
        rows=np.array([one.values for one in found], dtype=np.float64).reshape(-1, len(names)),
        symbols=tuple(market.symbols[one.column] for one in found),
        sides=np.array([one.side for one in found], dtype=np.int64),
        decided_ns=np.array([one.decided_ns for one in found], dtype=np.int64),
        ended_ns=np.array([one.ended_ns for one in found], dtype=np.int64),
        earned=np.array([one.earned for one in found], dtype=np.float64),
        staked=np.array([one.staked for one in found], dtype=np.float64),
        left_out=dict(left_out),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Row:
    decided_ns: int
    column: int
    side: int
    ended_ns: int
    values: FloatArray
    earned: float
    staked: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTable:
    """Features by session: ``available_ns`` of shape (sessions,), ``values`` of shape (sessions, symbols, features)."""

    available_ns: IntArray
    values: FloatArray

    def row_at(self, moment_ns: int, column: int) -> FloatArray | None:
        """Newest values that could be used at a moment; None before the first."""
        place = int(np.searchsorted(self.available_ns, moment_ns, side="right")) - 1
        return None if place < 0 else self.values[place, column]


def feature_table(market: Market, names: tuple[str, ...]) -> FeatureTable:
    """Compute features over a market's sessions."""
    tables = daily_tables(market)
    panel = panel_of(tables)
    values = compute(panel, names)
    order = [panel.symbols.index(symbol) for symbol in market.symbols]
    closes = np.unique(np.concatenate([table.end_ns for table in tables.values()]))
    return FeatureTable(
        available_ns=closes + AVAILABLE_AFTER_NS,
        values=np.stack([values[name][:, order] for name in names], axis=2),
    )


def path_of(market: Market, column: int, known: IntArray, signals: FloatArray) -> Path:
    """Take one symbol's bars, at the rows ``known`` that have one, and a strategy's signals of shape (bars, symbols)."""
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
