"""The connection's state machine, as one table of transitions.

``DEGRADED`` means that the socket lives but the broker can't be relied on: TWS lost its own servers (1100, 2110),
or a frame that may have held a fill could not be decoded. No order leaves then; cancels still do.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from core.vocabulary import ConnectionState as State


class Change(StrEnum):
    """What happened to the connection."""

    START = "start"
    ESTABLISHED = "established"
    ESTABLISHED_IMPAIRED = "established_impaired"
    REFUSED = "refused"
    IMPAIRED = "impaired"
    RECOVERED = "recovered"
    LINK_LOST = "link_lost"
    RETRY = "retry"
    STOP = "stop"


TRANSITIONS: Final[dict[tuple[State, Change], State]] = {
    (State.DISCONNECTED, Change.START): State.CONNECTING,
    (State.CONNECTING, Change.ESTABLISHED): State.READY,
    (State.CONNECTING, Change.ESTABLISHED_IMPAIRED): State.DEGRADED,
    (State.CONNECTING, Change.REFUSED): State.LOST,
    (State.CONNECTING, Change.STOP): State.DISCONNECTED,
    (State.READY, Change.IMPAIRED): State.DEGRADED,
    (State.READY, Change.LINK_LOST): State.LOST,
    (State.READY, Change.STOP): State.DISCONNECTED,
    (State.DEGRADED, Change.IMPAIRED): State.DEGRADED,
    (State.DEGRADED, Change.RECOVERED): State.READY,
    (State.DEGRADED, Change.LINK_LOST): State.LOST,
    (State.DEGRADED, Change.STOP): State.DISCONNECTED,
    (State.LOST, Change.RETRY): State.CONNECTING,
    (State.LOST, Change.STOP): State.DISCONNECTED,
}


class IllegalTransition(RuntimeError):
    """The wrapper's own logic is wrong: no such change can happen in this state."""


def next_state(state: State, change: Change) -> State:
    """State that follows ``state`` after ``change``.

    Raises
    ------
    IllegalTransition
        If the table has no such row.
    """
    try:
        return TRANSITIONS[state, change]
    except KeyError:
        raise IllegalTransition(f"{change} can't happen while {state}") from None
