"""What becomes of an order that ended with a rest: the broker refused its method, or its time was over. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from core.events import Order
from core.vocabulary import ExecutionMethod, OrderType, Purpose
from execution.methods.situation import NS
from execution.order_state import ZERO, OrderPhase, OrderState

TIME_IS_OVER: Final = "its time is over"
"""Reason of our own cancel, by which the rest's policy is recognised when the order has ended."""

INACTIVE: Final = "inactive at the broker"
"""Reason of our cancel of an order that the broker took and does not work."""

_MAY_BE_FOLLOWED: Final = frozenset({"", TIME_IS_OVER, INACTIVE})
"""Details of an order that is ending, or has ended, behind which something may come. Any other is a withdrawal."""

_EARLY_NS: Final = 45 * NS  # the broker ends a sliced order at its end time, before we would


class Remainder(StrEnum):
    """What is done about a rest."""

    FALLBACK = "fallback"
    """the method behind it in the fallback chain, for the broker refused this one"""
    CROSS = "cross"
    """at the market"""
    CARRY = "carry"
    """by the same method, in another window"""


def takes_its_time(order: Order) -> bool:
    """Whether an order may work for a while. Market orders, and marketable limits, are as good as filled."""
    if order.method in {None, ExecutionMethod.MKT}:
        return False
    return order.order_type is not OrderType.LIMIT or order.until_ns is not None


def time_is_over(state: OrderState, market_ns: int) -> bool:
    """Whether a working order is to be ended now, for what is left to be dealt with by policy."""
    order = state.order
    if order.until_ns is None or order.purpose is Purpose.STOP or not state.is_live:
        return False
    return market_ns >= order.until_ns and state.phase is not OrderPhase.CANCELLING


def is_withdrawn(state: OrderState) -> bool:
    """Whether an order is being cancelled for good: nothing follows it, even if the broker refuses it in the end."""
    return state.phase is OrderPhase.CANCELLING and state.detail not in _MAY_BE_FOLLOWED


def withdraws(state: OrderState, reason: str) -> bool:
    """Whether ``reason`` is news about an order that is being cancelled already: now nothing is to follow it."""
    has_rest = state.order.method is not None and state.order.purpose is not Purpose.STOP
    return has_rest and state.detail in _MAY_BE_FOLLOWED and reason not in _MAY_BE_FOLLOWED


def remainder_of(state: OrderState, market_ns: int, policy: str) -> Remainder | None:
    """Say what is done about the rest of an order that has ended; None: it is filled, withdrawn, or left by policy."""
    order = state.order
    rest = order.quantity - state.filled
    if order.method is None or order.purpose is Purpose.STOP or rest <= ZERO:
        return None
    if state.phase is OrderPhase.REJECTED or (
        state.phase is OrderPhase.CANCELLED and state.detail == INACTIVE
    ):
        return None if order.method is ExecutionMethod.MKT else Remainder.FALLBACK
    if state.phase is not OrderPhase.CANCELLED or order.until_ns is None:
        return None
    by_the_broker = not state.detail and market_ns >= order.until_ns - _EARLY_NS
    if policy == "cancel" or not (by_the_broker or state.detail == TIME_IS_OVER):
        return None
    return Remainder(policy)
