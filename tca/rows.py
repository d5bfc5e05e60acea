"""A story as a row of the database: its benchmarks, components and context."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from core.vocabulary import ExecutionMethod, OrderType, Purpose
from tca.benchmarks import NOT_WORKED_FROM_THE_START, REVERSION_BARS, Benchmarks, measure
from tca.calculator import (
    ZERO,
    average_price,
    in_bps,
    money_paid,
    reversion_bps,
    shortfall,
    slippage_bps,
)
from tca.fold import JournalFold
from tca.story import Story

Row = dict[str, object]
CONTEXT: Final = ("spread_bps", "volatility_bps", "adv_share", "day_fraction", "urgency")
_MICRO: Final = Decimal("0.000001")


def parent_row(journal_id: str, story: Story, fold: JournalFold) -> Row:
    """Row of a parent order as far as its story has got; ``is_final`` once nothing but a correction can change it."""
    fills = [one.fill for one in story.fills.values()]
    fees = sum((fold.fees.of(base) for base in story.fills), ZERO)
    filled = story.filled
    missed = _missed(story, fold)
    decision, source = _decision_price(story)
    bid, ask = _exact(story.arrival.get("bid")), _exact(story.arrival.get("ask"))
    arrival = decision if bid is None or ask is None else ((bid + ask) / 2).quantize(_MICRO)
    market = story.benchmarks or measure(story, fold.marks, fold.market_ns)
    end_price = _exact(market.end) or arrival
    row: Row = {
        "journal_id": journal_id,
        "run_id": story.run_id,
        "order_ref": story.order_ref,
        "strategy": story.strategy,
        "symbol": story.symbol,
        "side": str(story.side),
        "purpose": str(story.purpose),
        "order_type": story.order_type,
        **_choice(story),
        **{name: story.arrival.get(name) for name in CONTEXT},
        "decided_ns": story.created_ns,
        "first_fill_ns": min((one.time_ns for one in story.fills.values()), default=None),
        "last_fill_ns": max((one.time_ns for one in story.fills.values()), default=None),
        "ended_ns": story.ended_ns,
        "outcome": story.outcome,
        "is_final": market.is_final,
        "quantity": story.quantity,
        "filled": filled,
        "missed": missed,
        "fills": len(fills),
        "decision_price": decision,
        "decision_source": source,
        "bid": bid,
        "ask": ask,
        "arrival_price": arrival,
        "end_price": end_price if missed else None,
        "average_price": None if not fills else float(average_price(fills) or 0),
        "interval_vwap": market.vwap,
        "close_price": market.close,
        "next_open": market.next_open,
        "paid": money_paid(story.side, fills, fees),
        "fees": fees,
        "first_seq": story.first_seq,
        "last_seq": story.last_seq,
    }
    if decision is not None and arrival is not None:
        notional = (filled + missed) * decision
        parts = shortfall(
            story.side,
            filled + missed,
            fills,
            decision_price=decision,
            arrival_price=arrival,
            end_price=end_price,
            fees=fees,
        )
        row |= {
            "notional": notional,
            "decision_value": story.side.sign * filled * decision,
            "delay": parts.delay,
            "execution": parts.execution,
            "opportunity": parts.opportunity,
            "shortfall": parts.total,
            "shortfall_bps": in_bps(parts.total, notional),
        }
    return row | _slippages(story, row, market)


def fill_rows(journal_id: str, story: Story, fold: JournalFold) -> list[Row]:
    """Rows of the story's executions."""
    return [
        {
            "journal_id": journal_id,
            "order_ref": story.order_ref,
            "child_ref": one.order_ref,
            "exec_id": base,
            "revision": one.revision,
            "time_ns": one.time_ns,
            "quantity": one.fill.quantity,
            "price": one.fill.price,
            "fee": fold.fees.of(base),
        }
        for base, one in story.fills.items()
    ]


def _choice(story: Story) -> Row:
    arrival = story.arrival
    method = arrival.get("method")
    if (
        method is None
    ):  # a stop, a closing order of the watchdog, or a journal from before there were arrivals
        is_limit = story.order_type == OrderType.LIMIT
        fallback = ExecutionMethod.LMT if is_limit else ExecutionMethod.MKT
        method = story.order_type if story.purpose in NOT_WORKED_FROM_THE_START else str(fallback)
    return {
        "method": method,
        "propensity": arrival.get("propensity", 1.0),
        "why": arrival.get("why", ""),
        "admissible": arrival.get("admissible", [method]),
    }


def _decision_price(story: Story) -> tuple[Decimal | None, str]:
    """Price that the order was decided on, and where it is from."""
    if story.purpose is Purpose.STOP and story.stop_price is not None:
        return story.stop_price, "stop_price"
    known = story.arrival.get("decision_price", story.intended_price)
    if known is not None:
        return _exact(known), "bar_close"
    if story.mark_at_fill is not None:
        return _exact(story.mark_at_fill), "last_bar"
    if story.fills:
        return next(iter(story.fills.values())).fill.price, "first_fill"
    return None, "none"


def _missed(story: Story, fold: JournalFold) -> Decimal:
    if story.purpose is Purpose.STOP or not story.is_over:
        return ZERO
    return max(ZERO, story.quantity - story.filled - fold.covered(story))


def _slippages(story: Story, row: Row, market: Benchmarks) -> Row:
    fills = [one.fill for one in story.fills.values()]
    price = average_price(fills)
    result: Row = {}
    against = {
        "arrival_bps": row["arrival_price"],
        "vwap_bps": market.vwap,
        "close_bps": market.close,
        "next_open_bps": market.next_open,
    }
    for name, benchmark in against.items():
        exact = _exact(benchmark)
        result[name] = None if price is None or not exact else slippage_bps(story.side, price, exact)
    for count, known in zip(REVERSION_BARS, market.after, strict=True):
        later = _exact(known)
        result[f"reversion_{count}_bps"] = (
            None if price is None or later is None else reversion_bps(story.side, price, later)
        )
    return result


def _exact(value: object) -> Decimal | None:
    """Float of the journal as the decimal that was meant, to a millionth."""
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(str(value)).quantize(_MICRO)
