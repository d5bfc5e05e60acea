"""The fold of main's journal into parent orders' stories: the same one while following and when rebuilding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from core.exec_ids import base_exec_id, correction_number
from core.journal import Record
from core.payloads import commission_of, decimal, execution_of, order_of, text
from core.records import RecordKind
from core.vocabulary import KILL_PREFIX, BrokerStatus, Purpose
from tca.benchmarks import measure
from tca.calculator import ZERO, Fill
from tca.story import BookedFill, Fees, Marks, Story

_ENDS = frozenset(status for status in BrokerStatus if status.is_over)
_OUTCOMES_THAT_END = frozenset({"rejected", "not_sent", "gone"})


class JournalFold:
    """Parent orders of one journal.

    Apply the records in their order; ``take_changed`` tells which stories another row must be written for.
    """

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self.fees = Fees()
        self.marks = Marks()
        self.market_ns = 0
        """Market time: the end of the newest row of bars."""
        self._parent_of: dict[str, str] = {}
        self._owner_of_execution: dict[str, str] = {}
        self._group_fills: dict[str, dict[str, Decimal]] = {}
        self._unsettled: set[str] = set()
        self._changed: set[str] = set()
        self._handlers: dict[str, Callable[[Record, Story | None], None]] = {
            RecordKind.ORDER_INTENT: self._intent,
            RecordKind.ARRIVAL: self._arrival,
            RecordKind.ORDER_STATUS: self._status,
            RecordKind.ORDER_TRAILED: self._trailed,
            RecordKind.ORDER_ENDED: self._ended,
            RecordKind.FILL: self._fill,
        }

    # --- the fold -----------------------------------------------------------------------------------------

    def apply(self, record: Record) -> None:
        """Take one record; kinds that tell nothing about an order's cost change nothing."""
        kind, payload = record.kind, record.payload
        if kind in self._handlers:
            ref = self._parent_of.get(str(payload.get("order_ref")))
            story = None if ref is None else self.stories[ref]
            self._handlers[kind](record, story)
        elif kind == RecordKind.COMMISSION:
            commission = commission_of(payload)
            self.fees.book(commission.exec_id, commission.amount)
            ref = self._owner_of_execution.get(base_exec_id(commission.exec_id))
            if ref is not None:
                self._touch(self.stories[ref], record.seq)
        elif kind == RecordKind.MARKS:
            self.marks.add(int(payload["bar_end_ns"]), payload["bars"])
        elif kind == RecordKind.SESSION:
            self._settle()
            self.marks.begin_session(int(payload["open_ns"]), int(payload["close_ns"]))
        elif kind == RecordKind.EQUITY:
            self.market_ns = max(self.market_ns, int(payload["bar_end_ns"]))

    def take_changed(self) -> list[Story]:
        """Parent orders that may have changed since the last call, oldest first."""
        changed = [self.stories[ref] for ref in self._changed | self._unsettled]
        self._changed.clear()
        return sorted((story for story in changed if story.counts), key=lambda story: story.first_seq)

    def covered(self, story: Story) -> Decimal:
        """Quantity that others of its OCA group filled: an exit needn't do what its stop has done."""
        group = self._group_fills.get(story.oca_group or "", {})
        return sum((quantity for ref, quantity in group.items() if ref not in story.children), ZERO)

    # --- inside -------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Keep the benchmarks of orders that no further bar concerns, before their bars are dropped."""
        for ref in tuple(self._unsettled):
            story = self.stories[ref]
            if not story.is_over:
                continue
            benchmarks = measure(story, self.marks, self.market_ns)
            is_history = story.ended_ns is not None and story.ended_ns < self.marks.oldest_kept_ns
            if benchmarks.is_final or is_history:
                story.benchmarks = replace(benchmarks, is_final=True)
                self._unsettled.discard(ref)
                self._changed.add(ref)

    def _touch(self, story: Story, seq: int) -> None:
        story.last_seq = max(story.last_seq, seq)
        self._changed.add(story.order_ref)

    def _add(self, story: Story) -> Story:
        self.stories[story.order_ref] = story
        self._parent_of[story.order_ref] = story.order_ref
        if story.purpose is not Purpose.STOP:  # a stop is measured once it fills
            self._unsettled.add(story.order_ref)
        if story.oca_group is not None:
            self._group_fills.setdefault(story.oca_group, {})[story.order_ref] = ZERO
        return story

    def _intent(self, record: Record, story: Story | None) -> None:
        order = order_of(record.payload)
        if story is None:
            story = self._add(
                Story(
                    order_ref=order.order_ref,
                    run_id=record.run_id,
                    strategy=order.strategy,
                    symbol=order.symbol,
                    side=order.side,
                    purpose=order.purpose,
                    order_type=str(order.order_type),
                    quantity=order.quantity,
                    created_ns=order.created_ns,
                    first_seq=record.seq,
                    last_seq=record.seq,
                    oca_group=order.oca_group,
                    stop_price=order.stop_price,
                    intended_price=order.arrival_price,
                )
            )
        elif order.order_ref == story.order_ref:  # an amendment: what is wanted now
            story.quantity = order.quantity
        story.children.add(order.order_ref)
        story.live.add(order.order_ref)
        self._touch(story, record.seq)

    def _arrival(self, record: Record, story: Story | None) -> None:
        if story is None:
            return
        parent_ref = record.payload.get("parent_order_ref")
        parent = self.stories.get(str(parent_ref)) if parent_ref is not None else None
        if parent is not None and parent is not story:
            self._adopt(parent, story)
            self._touch(parent, record.seq)
            return
        story.arrival = record.payload
        self._touch(story, record.seq)

    def _adopt(self, parent: Story, child: Story) -> None:
        """Make ``child``, whose intent has just been read, one of ``parent``'s orders."""
        parent.children |= child.children
        parent.live |= child.live
        parent.ended_ns = None
        self._parent_of[child.order_ref] = parent.order_ref
        self._unsettled.add(parent.order_ref)
        self._unsettled.discard(child.order_ref)
        self._changed.discard(child.order_ref)
        del self.stories[child.order_ref]

    def _trailed(self, record: Record, story: Story | None) -> None:
        """Move a trailing stop, unless it has begun to fill: that is the price it was then hit at, or a little beyond."""
        if story is not None and not story.fills:
            story.stop_price = decimal(record.payload, "stop_price")
            self._touch(story, record.seq)

    def _status(self, record: Record, story: Story | None) -> None:
        if story is not None and BrokerStatus(text(record.payload, "status")) in _ENDS:
            self._end(story, record, str(record.payload["status"]))

    def _ended(self, record: Record, story: Story | None) -> None:
        outcome = text(record.payload, "outcome")
        if story is not None and outcome in _OUTCOMES_THAT_END:
            self._end(story, record, f"{outcome}: {record.payload['detail']}")

    def _end(self, story: Story, record: Record, outcome: str) -> None:
        ref = text(record.payload, "order_ref")
        if ref not in story.live:
            return
        story.live.discard(ref)
        if story.is_over and story.outcome != BrokerStatus.FILLED:
            story.ended_ns = max(self.market_ns, story.created_ns)
            story.outcome = outcome
        self._touch(story, record.seq)

    def _fill(self, record: Record, story: Story | None) -> None:
        execution = execution_of(record.payload)
        if story is None:
            if not execution.order_ref.startswith(KILL_PREFIX):
                return  # the ledger books no foreign execution either
            story = self._add(
                Story(
                    order_ref=execution.order_ref,
                    run_id=record.run_id,
                    strategy=text(record.payload, "strategy"),
                    symbol=execution.symbol,
                    side=execution.side,
                    purpose=Purpose.FLATTEN,
                    order_type="MKT",
                    quantity=ZERO,
                    created_ns=execution.time_ns,
                    first_seq=record.seq,
                    last_seq=record.seq,
                    children={execution.order_ref},
                )
            )
        base = base_exec_id(execution.exec_id)
        if not story.fills:
            mark = self.marks.last_at(story.symbol, execution.time_ns)
            story.mark_at_fill = None if mark is None else mark.close
        story.book(
            execution.exec_id,
            BookedFill(
                order_ref=execution.order_ref,
                revision=correction_number(execution.exec_id),
                time_ns=execution.time_ns,
                fill=Fill(execution.quantity, execution.price),
            ),
        )
        self._owner_of_execution[base] = story.order_ref
        if story.benchmarks is None:
            self._unsettled.add(story.order_ref)
        if story.purpose is Purpose.FLATTEN:
            story.quantity = story.filled
            story.ended_ns = execution.time_ns
        elif story.filled >= story.quantity:
            story.live.clear()
            story.ended_ns = max(one.time_ns for one in story.fills.values())
            story.outcome = str(BrokerStatus.FILLED)
        self._note_group(story)
        self._touch(story, record.seq)

    def _note_group(self, story: Story) -> None:
        if story.oca_group is not None:
            group = self._group_fills[story.oca_group]
            group[story.order_ref] = story.filled
            self._changed |= group.keys() & self.stories.keys()  # what one fills, the others miss no more
