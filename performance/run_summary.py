"""What happened in one run: a fold over the journals of main and of the watchdog.

Every figure is counted from journal records, so that the summary of a run that crashed is as true as that of one that
ended well. Nothing here touches a file; ``scripts.summary`` reads the journals and ``performance.run_report`` words the result.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from core.exec_ids import base_exec_id
from core.records import RecordKind
from performance.measures import max_drawdown


class Entry(Protocol):
    """The part of a journal record that the summary reads."""

    @property
    def kind(self) -> str:
        """A ``RecordKind``."""
        ...

    @property
    def payload(self) -> Mapping[str, Any]:
        """The record's own keys (``core.records``)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySummary:
    """The part of one strategy. ``realized_pnl`` is net of commissions; None when no ledger was given."""

    name: str
    signals: int
    orders: int
    fills: int
    denials: int
    turnover: Decimal
    commission: Decimal
    realized_pnl: Decimal | None = None
    open_positions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSummary:
    """One kill as the watchdog journaled it; a figure is None when the step was never reached."""

    reason: str
    flag_to_cancel_sent_ms: float | None
    flag_to_cancel_ack_ms: float | None
    flag_to_flat_ms: float | None
    flat: bool
    residue: Sequence[Any] | Mapping[str, Any] | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Figures of one run. Money in account currency, ``max_drawdown`` a positive fraction."""

    sessions: int
    first_session: str | None
    last_session: str | None
    bars_decided: int
    signals: int
    orders: int
    orders_by_purpose: Mapping[str, int]
    fills: int
    commission: Decimal
    opening_nlv: float | None
    final_nlv: float | None
    pnl: float | None
    max_drawdown: float | None
    denials: Mapping[str, int]
    decision_reasons: Mapping[str, int]
    breaks: int
    break_details: Sequence[str]
    reconciliations: int
    halts: Sequence[str]
    kill: KillSummary | None
    strategies: Sequence[StrategySummary] = field(default_factory=tuple)
    end_reason: str | None = None


Payloads = Mapping[str, list[Mapping[str, Any]]]


def summarise(
    main: Iterable[Entry],
    watchdog: Iterable[Entry],
    *,
    realized: Mapping[str, Decimal] | None = None,
    open_positions: Mapping[str, int] | None = None,
) -> RunSummary:
    """Fold the records of one run.

    Parameters
    ----------
    main, watchdog
        Records of this run only, in journal order.
    realized
        Realised profit and loss by strategy, net of commissions, from the ledger; None leaves the column out.
    open_positions
        Number of open positions by strategy, from the ledger.
    """
    payloads: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in main:
        payloads[entry.kind].append(entry.payload)
    equity = _fold_equity(payloads)
    orders = _fold_orders(payloads)
    commissions = _fold_commissions(payloads)
    dates = [str(session["date"]) for session in payloads[RecordKind.SESSION]]
    breaks = tuple(_describe_break(found) for found in payloads[RecordKind.BREAK])
    ended = payloads[RecordKind.RUN_ENDED]
    return RunSummary(
        sessions=len(dates),
        first_session=dates[0] if dates else None,
        last_session=dates[-1] if dates else None,
        bars_decided=len(equity),
        signals=len(payloads[RecordKind.SIGNAL]),
        orders=len(orders),
        orders_by_purpose=_count(order.get("purpose", "unknown") for order in orders),
        fills=len(_fold_fills(payloads)),
        commission=sum(commissions.values(), Decimal(0)),
        opening_nlv=equity[0] if equity else None,
        final_nlv=equity[-1] if equity else None,
        pnl=equity[-1] - equity[0] if equity else None,
        max_drawdown=max_drawdown(equity) if equity else None,
        denials=_count(denial["reason"] for denial in payloads[RecordKind.DENIAL]),
        decision_reasons=_count(
            decision["reason"] for decision in payloads[RecordKind.DECISION] if decision["reason"] != "none"
        ),
        breaks=len(breaks),
        break_details=breaks,
        reconciliations=len(payloads[RecordKind.RECONCILED]),
        halts=tuple(
            f"{halt['reason']}: {halt['detail']} (by {halt['source']})" for halt in payloads[RecordKind.HALT]
        ),
        kill=_fold_kill(watchdog),
        strategies=_fold_strategies(payloads, orders, commissions, realized, open_positions),
        end_reason=str(ended[-1]["reason"]) if ended else None,
    )


def explain_no_orders(summary: RunSummary, enabled: Sequence[str] | None = None) -> str | None:
    """Why a run placed no order, in one sentence; None when it placed one.

    Parameters
    ----------
    summary
        The run.
    enabled
        Names of the enabled strategies; None when that isn't known.
    """
    if summary.orders:
        return None
    if enabled is not None and not enabled:
        return "no strategy is enabled (strategies in the configuration)"
    if not summary.bars_decided:
        return "no bar was decided on: the run ended before one had closed, or the feed delivered none"
    if not summary.signals:
        return f"in {summary.bars_decided} bars no strategy changed its mind: no signal, so no order (too few bars to be warm, or parameters that never trigger)"
    denied = Counter(summary.denials) + Counter(summary.decision_reasons)
    if denied:
        reason, count = denied.most_common(1)[0]
        return (
            f"{summary.signals} signals, none of which led to an order; denied most often by {reason} ({count} times); "
            "docs/denials.md explains it"
        )
    return f"{summary.signals} signals, none of which asked for another position than the one held"


def _fold_equity(payloads: Payloads) -> list[float]:
    values = (float(equity["nlv"]) for equity in payloads[RecordKind.EQUITY])
    return [value for value in values if math.isfinite(value) and value > 0]


def _fold_orders(payloads: Payloads) -> list[Mapping[str, Any]]:
    """Intents of the orders that were sent; an intent that never left is no order."""
    intents = {intent["order_ref"]: intent for intent in payloads[RecordKind.ORDER_INTENT]}
    sent = dict.fromkeys(record["order_ref"] for record in payloads[RecordKind.ORDER_SENT])
    return [intents.get(order_ref, {}) for order_ref in sent]


def _fold_fills(payloads: Payloads) -> dict[str, Mapping[str, Any]]:
    """Find the fills by base id: a correction has the id of what it corrects but for its last part, and replaces it."""
    return {base_exec_id(fill["exec_id"]): fill for fill in payloads[RecordKind.FILL]}


def _fold_commissions(payloads: Payloads) -> dict[str, Decimal]:
    return {
        base_exec_id(commission["exec_id"]): Decimal(commission["amount"])
        for commission in payloads[RecordKind.COMMISSION]
    }


def _fold_strategies(
    payloads: Payloads,
    orders: Sequence[Mapping[str, Any]],
    commissions: Mapping[str, Decimal],
    realized: Mapping[str, Decimal] | None,
    open_positions: Mapping[str, int] | None,
) -> tuple[StrategySummary, ...]:
    fills = _fold_fills(payloads)
    signals = _count(signal["strategy"] for signal in payloads[RecordKind.SIGNAL])
    ordered = _count(order.get("strategy", "unknown") for order in orders)
    filled = _count(fill["strategy"] for fill in fills.values())
    denied = _count(denial["strategy"] for denial in payloads[RecordKind.DENIAL])
    turnover: defaultdict[str, Decimal] = defaultdict(Decimal)
    commission: defaultdict[str, Decimal] = defaultdict(Decimal)
    for base_id, fill in fills.items():
        turnover[fill["strategy"]] += Decimal(fill["quantity"]) * Decimal(fill["price"])
        commission[fill["strategy"]] += commissions.get(base_id, Decimal(0))
    return tuple(
        StrategySummary(
            name=name,
            signals=signals.get(name, 0),
            orders=ordered.get(name, 0),
            fills=filled.get(name, 0),
            denials=denied.get(name, 0),
            turnover=turnover[name],
            commission=commission[name],
            realized_pnl=None if realized is None else realized.get(name, Decimal(0)),
            open_positions=None if open_positions is None else open_positions.get(name, 0),
        )
        for name in sorted({*signals, *ordered, *filled, *denied})
    )


def _count(names: Iterable[str]) -> dict[str, int]:
    """How often each name occurs, the most frequent first."""
    return dict(Counter(names).most_common())


def _fold_kill(watchdog: Iterable[Entry]) -> KillSummary | None:
    kill: KillSummary | None = None
    for entry in watchdog:
        payload = entry.payload
        if entry.kind == RecordKind.KILL_STARTED:
            kill = KillSummary(
                reason=payload["reason"],
                flag_to_cancel_sent_ms=None,
                flag_to_cancel_ack_ms=None,
                flag_to_flat_ms=None,
                flat=False,
                residue="unknown: the kill sequence has not ended",
            )
        elif entry.kind == RecordKind.KILL_ENDED:
            kill = KillSummary(
                reason=payload["reason"],
                flag_to_cancel_sent_ms=payload["flag_to_cancel_sent_ms"],
                flag_to_cancel_ack_ms=payload["flag_to_cancel_ack_ms"],
                flag_to_flat_ms=payload["flag_to_flat_ms"],
                flat=payload["flat"],
                residue=payload["residue"],
            )
    return kill


def _describe_break(payload: Mapping[str, Any]) -> str:
    symbol = payload["symbol"] or "account"
    return f"{symbol}: {payload['kind']}, book {payload['book']}, broker {payload['broker']} {payload['detail']}".rstrip()
