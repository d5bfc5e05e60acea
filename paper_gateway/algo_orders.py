"""IBALGO orders, read: strategy and parameters of a ticket, checked as IB checks them.

Strategies ``Adaptive``, ``Twap`` and ``Vwap`` with the parameters that the API's documentation names for 9.81. The texts of
refusals are those that IB sends: 439 unknown strategy, 443 unknown parameter, 145 a value that isn't in its list, 441 a number
that can't be read or lies out of its range, 10314 a time that can't be read, 442 an order that the strategy doesn't work.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.vocabulary import OrderType, TimeInForce
from data.exchange_calendar import Session
from paper_gateway import times
from paper_gateway.methods import LOT, Adaptive, Priority, Sliced, SliceStyle
from paper_gateway.order_rules import BAD_TIME_IN_FORCE, Refusal
from paper_gateway.types import OrderTicket

NOT_IN_LIST = 145
UNKNOWN_STRATEGY = 439
BAD_PARAMETER = 441
NOT_ALLOWED = 442
UNKNOWN_PARAMETER = 443
BAD_TIME = 10314

_SHARES = (0.01, 0.5)  # IB: from 1% to 50% of the volume
_TIMES = ("startTime", "endTime")
_PARAMETERS: Mapping[str, frozenset[str]] = {
    "Adaptive": frozenset({"adaptivePriority"}),
    "Twap": frozenset({"strategyType", *_TIMES, "allowPastEndTime"}),
    "Vwap": frozenset({"maxPctVol", *_TIMES, "allowPastEndTime", "noTakeLiq", "speedUp"}),
}
_LISTS: Mapping[str, frozenset[str]] = {
    "adaptivePriority": frozenset(Priority),
    "strategyType": frozenset(SliceStyle),
    "allowPastEndTime": frozenset({"0", "1"}),
    "noTakeLiq": frozenset({"0", "1"}),
    "speedUp": frozenset({"0", "1"}),
}


def read_algo(
    ticket: OrderTicket, kind: OrderType, time_in_force: TimeInForce, session: Session | None, now_ns: int
) -> Adaptive | Sliced | Refusal | None:
    """Read the algorithm that a ticket names; None when it names none.

    Parameters
    ----------
    ticket, kind, time_in_force
        The order, whose type and time in force were read.
    session
        The session in which it will work: times without a date are of its day.
    now_ns
        Market time.
    """
    strategy = ticket.algo_strategy
    if not strategy:
        return None
    values = dict(ticket.algo_params)
    refusal = _check_values(strategy, values) or _check_order(strategy, kind, time_in_force, session)
    if refusal is not None or session is None:
        return refusal
    if strategy == "Adaptive":
        return Adaptive(priority=Priority(values.get("adaptivePriority") or Priority.NORMAL))
    if ticket.quantity < LOT:
        return _invalid("Quantity", f"value is less than minimum value {LOT}")
    return _read_sliced(strategy, values, session, now_ns)


def _check_order(
    strategy: str, kind: OrderType, time_in_force: TimeInForce, session: Session | None
) -> Refusal | None:
    if kind not in {OrderType.MARKET, OrderType.LIMIT} or session is None:
        return Refusal(NOT_ALLOWED, "Specified algorithm is not allowed for this order.")
    if time_in_force is not TimeInForce.DAY:
        text = "The TIF (Time in Force) and the order type are incompatible"
        return Refusal(BAD_TIME_IN_FORCE, f"{text}: {time_in_force} {strategy}")
    return None


def _check_values(strategy: str, values: Mapping[str, str]) -> Refusal | None:
    known = _PARAMETERS.get(strategy)
    if known is None:
        return Refusal(UNKNOWN_STRATEGY, "Order processing failed. Algorithm definition not found")
    for name in values:
        if name not in known:
            return Refusal(UNKNOWN_PARAMETER, f"Order processing failed. Unknown algo attribute:{name}")
    for name, value in values.items():
        if name in _LISTS and value and value not in _LISTS[name]:
            return Refusal(NOT_IN_LIST, f"Error in validating entry fields -{value}")
    return None


def _invalid(label: str, why: str) -> Refusal:
    return Refusal(BAD_PARAMETER, f"Algo attributes validation failed: '{label}' is invalid: {why}.")


def _read_sliced(strategy: str, values: Mapping[str, str], session: Session, now_ns: int) -> Sliced | Refusal:
    most = _share(values.get("maxPctVol", ""))
    window = _window(values, session, now_ns)
    if isinstance(most, Refusal):
        return most
    if isinstance(window, Refusal):
        return window
    by_volume = strategy == "Vwap"
    default = SliceStyle.SAME_SIDE if by_volume else SliceStyle.MARKETABLE
    return Sliced(
        start_ns=window[0],
        end_ns=window[1],
        by_volume=by_volume,
        style=SliceStyle(values.get("strategyType") or default),
        crosses=by_volume and values.get("noTakeLiq") != "1",
        most=most,
        past_end=values.get("allowPastEndTime") == "1",
    )


def _share(text: str) -> float | Refusal | None:
    if not text:
        return None
    try:
        share = float(text)
    except ValueError:
        return Refusal(BAD_PARAMETER, f"Algo attributes validation failed:maxPctVol={text}")
    low, high = _SHARES
    if share < low:
        return _invalid("Max Percentage", f"Value is less than minimum value {low}")
    if not share <= high:
        return _invalid("Max Percentage", f"Value is greater than maximum value {high}")
    return share


def _window(values: Mapping[str, str], session: Session, now_ns: int) -> tuple[int, int] | Refusal:
    """Read start and end, both inside the session. A start that has passed means now."""
    found: dict[str, int] = {"startTime": session.open_ns, "endTime": session.close_ns}
    for name in _TIMES:
        if not values.get(name):
            continue
        try:
            found[name] = times.parse_moment(values[name], session.date)
        except ValueError:
            text = f"{name}: The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xx/xxxx"
            return Refusal(BAD_TIME, text)
    start_ns = max(found["startTime"], session.open_ns, now_ns)
    end_ns = min(found["endTime"], session.close_ns)
    if end_ns <= now_ns:
        return _invalid("End Time", "value is in the past")
    if end_ns <= start_ns:
        return _invalid("End Time", "value is not after the start time")
    return start_ns, end_ns
