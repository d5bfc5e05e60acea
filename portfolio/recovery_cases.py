"""What becomes of each difference between our book and the broker's, as a table.

A start is a recovery: the journal is folded, the broker is asked, and each difference falls into one of these cases. The rules
are those of `portfolio.reconciliation` (R1 to R8) and of ``execution.order_manager`` (M1 to M3); both run with every answer of the
broker, at a start, after a lost connection, and periodically. ``docs/recovery.md`` is this table, and each case has a
test under its name (``tests/portfolio/live_manager/test_recovery_cases.py``).

M1. An order that the broker shows twice is cancelled in both incarnations.
M2. An order of ours that two complete answers in a row don't show, neither as open nor by executions to come, is ended as gone.
M3. An order that was filled, cancelled or rejected for us before the question, and that the broker still works, is cancelled until it is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portfolio.breaks import BreakKind


class Outcome(StrEnum):
    """What is done about a difference. None of them ever sends an order, and none makes up a fill."""

    NOTHING = "nothing"
    BOOKED = "booked"
    FOLLOWED = "followed on"
    ENDED = "ended"
    CANCELLED = "cancelled"
    DEFERRED = "looked at again"
    REPORTED = "reported"
    LOCKED = "reported, symbol locked"
    STOPPED = "no trading at all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row. ``kind`` is the break that is journaled, None where there is none."""

    name: str
    ours: str
    broker: str
    rule: str
    outcome: Outcome
    kind: BreakKind | None = None
    why: str = ""


CASES: tuple[Case, ...] = (
    Case(
        name="execution_missed",
        ours="not booked, the order is ours",
        broker="executed",
        rule="R2",
        outcome=Outcome.BOOKED,
        why="in the order in which they happened",
    ),
    Case(
        name="execution_known",
        ours="booked",
        broker="executed, the same execId",
        rule="R2",
        outcome=Outcome.NOTHING,
    ),
    Case(
        name="execution_corrected",
        ours="booked",
        broker="executed, a later correction",
        rule="R2",
        outcome=Outcome.BOOKED,
        why="takes the place of the one that it corrects",
    ),
    Case(
        name="execution_of_the_watchdog",
        ours="not booked, no order",
        broker="executed, a closing order of the watchdog",
        rule="R3",
        outcome=Outcome.BOOKED,
        why="to the strategies that held it",
    ),
    Case(
        name="execution_foreign",
        ours="no such order",
        broker="executed",
        rule="R3",
        outcome=Outcome.LOCKED,
        kind=BreakKind.FOREIGN_EXECUTION,
    ),
    Case(
        name="order_intended_and_open",
        ours="intended, perhaps never sent",
        broker="open",
        rule="R6",
        outcome=Outcome.FOLLOWED,
    ),
    Case(
        name="order_intended_and_unknown",
        ours="intended, perhaps never sent",
        broker="neither open nor executed, twice",
        rule="R6, M2",
        outcome=Outcome.ENDED,
        kind=BreakKind.UNSENT_INTENT,
        why="reported, never sent again",
    ),
    Case(name="order_working_and_open", ours="working", broker="open", rule="–", outcome=Outcome.NOTHING),
    Case(
        name="order_working_and_executed",
        ours="working",
        broker="not open, executions fill it",
        rule="R2, R5",
        outcome=Outcome.BOOKED,
    ),
    Case(
        name="order_working_and_lost",
        ours="working",
        broker="neither open nor filled, twice",
        rule="R5, M2",
        outcome=Outcome.ENDED,
        kind=BreakKind.LOST_ORDER,
        why="reported, never sent again",
    ),
    Case(
        name="order_ended_and_open",
        ours="filled, cancelled or rejected before the question",
        broker="open",
        rule="R7, M3",
        outcome=Outcome.CANCELLED,
        kind=BreakKind.REVIVED_ORDER,
        why="what it fills yet is too much",
    ),
    Case(
        name="order_given_up_and_open",
        ours="ended as gone or as not sent",
        broker="open",
        rule="R7",
        outcome=Outcome.FOLLOWED,
        kind=BreakKind.REVIVED_ORDER,
        why="it had arrived after all",
    ),
    Case(
        name="order_open_twice",
        ours="working",
        broker="open under two permIds",
        rule="M1",
        outcome=Outcome.CANCELLED,
    ),
    Case(
        name="order_foreign",
        ours="no such order",
        broker="open",
        rule="R7",
        outcome=Outcome.LOCKED,
        kind=BreakKind.FOREIGN_ORDER,
    ),
    Case(
        name="order_of_the_watchdog",
        ours="no such order",
        broker="open, a closing order of the watchdog",
        rule="R7",
        outcome=Outcome.NOTHING,
    ),
    Case(
        name="order_with_news_meanwhile",
        ours="news since the question",
        broker="anything",
        rule="R5, R7",
        outcome=Outcome.NOTHING,
        why="the two sides are of different times; the next answer decides",
    ),
    Case(
        name="position_differs",
        ours="no order in flight",
        broker="another quantity",
        rule="R4",
        outcome=Outcome.LOCKED,
        kind=BreakKind.POSITION,
    ),
    Case(
        name="position_differs_in_flight",
        ours="an order in flight",
        broker="another quantity, for the first time",
        rule="R4",
        outcome=Outcome.DEFERRED,
    ),
    Case(
        name="position_differs_in_flight_twice",
        ours="an order in flight",
        broker="the same other quantity again",
        rule="R4",
        outcome=Outcome.LOCKED,
        kind=BreakKind.POSITION,
    ),
    Case(
        name="cash_differs",
        ours="commissions known",
        broker="another amount, for the first time",
        rule="R8",
        outcome=Outcome.DEFERRED,
    ),
    Case(
        name="cash_differs_twice",
        ours="commissions known",
        broker="the same other amount again",
        rule="R8",
        outcome=Outcome.REPORTED,
        kind=BreakKind.CASH,
    ),
    Case(
        name="no_answer",
        ours="anything",
        broker="a part without an answer",
        rule="R1",
        outcome=Outcome.STOPPED,
        why="until there is one; breaks that stood stand on",
    ),
    Case(
        name="another_account",
        ours="our account",
        broker="answers for another",
        rule="–",
        outcome=Outcome.STOPPED,
        kind=BreakKind.ACCOUNT,
    ),
)
