"""Shadow fills: what vetoed entries would have earned, had they been made, by the same stops, exits and costs.

The entry is the one that the decision would have made (quantity, price and stop stand in the ruling). It fills at the next bar's open and
ends as a real position does (`ml.labels`). What the caps would have made of the position later is not simulated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from backtester.cost_settings import costs_of
from backtester.market import Market, align
from backtester.scan import scan_signals
from core.config_schema import Settings
from core.journal import Record, read
from core.payloads import integer, text
from core.records import RecordKind
from data.bar_table import DataError
from data.sources import Source, open_source
from ml.entries import path_of
from ml.evaluation import Gain, gain_of
from ml.labels import Barriers, Entry, Label, label_entry
from portfolio.veto.verdict import Outcome
from strategy.base import Strategy
from strategy.registry import create_enabled


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowFill:
    """A judged entry and how it would have ended; `vetoed` says how it was judged.

    ``quantity`` is signed; ``earned`` None, and ``barrier`` empty, while the bars don't bring it to its end.
    """

    decided_ns: int
    strategy: str
    symbol: str
    quantity: int
    vetoed: bool
    enforced: bool
    probability: float
    barrier: str = ""
    earned: float | None = None
    returned: float | None = None
    """Earned, as a fraction of the position's value at its entry."""

    @property
    def decided(self) -> str:
        """Time of the decision, UTC."""
        return datetime.fromtimestamp(self.decided_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadows:
    """All vetoed entries of a journal, and what they would have earned together with the sign turned: what was saved."""

    judged: int
    approved: int
    unknown: int
    fills: tuple[ShadowFill, ...]
    gain: Gain

    @property
    def ended(self) -> int:
        """Shadow positions that have ended."""
        return sum(one.earned is not None for one in self.fills)


def shadows_of(
    journal: Path, data: Path, settings: Settings, *, run_id: str | None = None, seed: int = 1
) -> Shadows:
    """Follow every vetoed entry of a journal over bars.

    Parameters
    ----------
    journal
        Main's; it may be in use.
    data
        Folder of bars of the traded size: those of the strategies' warm-up, and those after the vetoes.
    settings
        Strategies and costs.
    run_id
        None for all runs.

    Raises
    ------
    DataError
        When the bars can't be used, or aren't of the size that was traded.
    """
    records = [
        one for one in read(journal, kinds=[RecordKind.VETO]) if run_id is None or one.run_id == run_id
    ]
    source = open_source(data, settings.universe.symbols, calendar_name=settings.universe.calendar)
    _check_size(source, journal, settings)
    market = align(source.tables, source.calendar, settlement_days=settings.caps.settlement_days)
    followed = follow(records, market, settings, create_enabled(settings.strategies))
    fills = tuple(one for one in followed if one.vetoed)
    ended = [one for one in fills if one.earned is not None]
    outcomes = [one.payload["outcome"] for one in records]
    return Shadows(
        judged=len(records),
        approved=outcomes.count(Outcome.APPROVED),
        unknown=outcomes.count(Outcome.UNKNOWN),
        fills=fills,
        gain=gain_of(
            np.array([one.decided_ns for one in ended], dtype=np.int64),
            np.array([-(one.earned or 0.0) for one in ended], dtype=np.float64),
            seed=seed,
            period="D",
        ),
    )


def _check_size(source: Source, journal: Path, settings: Settings) -> None:
    """Refuse bars on which the vetoed entries would end otherwise than they would have been traded."""
    traded_s = settings.bars.size_s
    sizes = {"daily" if one.is_daily else f"{one.size_s} s" for one in source.tables.values()}
    if sizes != {f"{traded_s} s"}:
        found = " and ".join(sorted(sizes))
        needed = f"the entries in {journal} were decided on bars of {traded_s} s (bars.size_s)"
        raise DataError([f"{source.name}: the bars are {found}; {needed}, and --data needs such bars"])


def follow(
    records: Iterable[Record], market: Market, settings: Settings, strategies: Iterable[Strategy]
) -> tuple[ShadowFill, ...]:
    """Bring every entry with a probability to its end, as far as the bars go."""
    judged = [one for one in records if one.payload["outcome"] != Outcome.UNKNOWN]
    by_name = {strategy.name: strategy for strategy in strategies}
    signals = {
        name: scan_signals([by_name[name]], market.signal_bars(), market.symbols)[:, 0]
        for name in sorted({text(one.payload, "strategy") for one in judged})
        if name in by_name
    }
    fills = []
    for record in judged:
        fill = _fill_of(record)
        if fill.strategy in signals and fill.symbol in market.symbols and fill.quantity:
            fill = _ended(fill, record, market, settings, signals[fill.strategy])
        fills.append(fill)
    return tuple(fills)


def _fill_of(record: Record) -> ShadowFill:
    payload = record.payload
    return ShadowFill(
        decided_ns=integer(payload, "bar_end_ns"),
        strategy=text(payload, "strategy"),
        symbol=text(payload, "symbol"),
        quantity=int(text(payload, "quantity")),
        vetoed=payload["outcome"] == Outcome.VETOED,
        enforced=bool(payload["enforced"]),
        probability=float(str(payload["probability"])),
    )


def _ended(
    fill: ShadowFill,
    record: Record,
    market: Market,
    settings: Settings,
    signals: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> ShadowFill:
    column = market.symbols.index(fill.symbol)
    known = np.flatnonzero(~np.isnan(market.bars[:, column, 3]))
    place = np.flatnonzero(market.end_ns[known] == fill.decided_ns)
    if not len(place):
        return fill
    entry = Entry(
        bar=int(place[0]),
        side=1 if fill.quantity > 0 else -1,
        quantity=abs(fill.quantity),
        distance=float(str(record.payload["stop_distance"])),
    )
    path = path_of(market, column, known, signals)
    label: Label | None = label_entry(path, entry, Barriers(max_bars=len(known)), costs_of(settings.backtest))
    if label is None:
        return fill
    return replace(
        fill,
        barrier=label.barrier,
        earned=label.earned,
        returned=label.earned / (entry.quantity * label.entry_price),
    )


def shadow_text(shadows: Shadows) -> str:
    """Say what the vetoes saved or cost."""
    lines = [
        f"{shadows.judged} entries judged: {shadows.approved} approved, {shadows.unknown} unknown, {len(shadows.fills)} vetoed"
    ]
    if shadows.fills:
        lines.append(
            f"\n{'decided':<18}{'strategy':<16}{'symbol':<8}{'quantity':>9}{'ended by':>10}{'would have earned':>20}  denied"
        )
    for one in shadows.fills:
        earned = "still open" if one.earned is None else f"{one.earned:+,.2f}"
        denied = "yes" if one.enforced else "no"
        lines.append(
            f"{one.decided:<18}{one.strategy:<16}{one.symbol:<8}{one.quantity:>9,}{one.barrier:>10}{earned:>20}  {denied}"
        )
    gain = shadows.gain
    verb = "saved" if gain.value >= 0 else "cost"
    lines.append(
        f"\n{shadows.ended} shadow positions have ended: the vetoes {verb} {abs(gain.value):,.2f} dollars "
        f"(saved, 95 %: {gain.low:+,.2f} to {gain.high:+,.2f})"
    )
    if shadows.ended < 20:
        lines.append("fewer than 20 have ended: the interval says little")
    return "\n".join(lines)
