"""What must be true whatever went wrong: G1-G6 and L1 of the fault catalogue, over journals, broker's truth and flags.

Each checker takes ``Evidence`` and returns what is violated, in words. ``check`` runs them all; the fixture ``always``
calls it after every fault test, on each stage that the test has opened.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.errors import JournalCorrupt
from core.journal import Record, read, verify
from core.records import RecordKind
from core.vocabulary import KILL_PREFIX
from portfolio.live_manager.book import LiveBook
from risk.aftermath import residue_by_symbol
from tests.faults.agreement import OURS, compare
from tests.faults.truth import Truth, read_truth
from tests.risk.stage import Stage
from tests.waiting import wait_for

AGREE_S = 5.0
ALERT_S = 1.0
SLACK = 20.0
"""By how much a loaded machine may exceed times that are measured elsewhere: tests assert no speed."""
SENT_MS, ACKNOWLEDGED_MS, FLAT_MS = 50.0, 250.0, 1000.0
_IN_FLIGHT_NS = 500_000_000
"""What main had handed to the kernel before the fence may reach the broker so long after it."""


@dataclass(slots=True)
class Evidence:
    """What a stage has left behind."""

    truth: Truth
    audit: Path
    folder: Path
    main: list[Record] = field(default_factory=list)
    watchdog: list[Record] = field(default_factory=list)
    output: str = ""
    beat_ns: int = 0
    """When main gave its last sign of life, on the monotonic clock."""
    offset_ns: int = 0
    """Wall clock less monotonic clock."""

    @classmethod
    def of(cls, stage: Stage) -> Evidence:
        """Gather it; the processes may live or not."""
        state = stage.folder / "state"
        output = stage.folder / "watchdog.out"
        return cls(
            truth=read_truth(stage.audit),
            audit=stage.audit,
            folder=stage.folder,
            main=_records(state / "main.db"),
            watchdog=_records(state / "watchdog.db"),
            output=output.read_text() if output.exists() else "",
            beat_ns=_last_beat(stage.logs / "main_heartbeat.json"),
            offset_ns=time.time_ns() - time.monotonic_ns(),
        )

    def kills(self) -> list[list[Record]]:
        """Records of each kill that a human has not yet called off, and those before."""
        by_id: dict[str, list[Record]] = {}
        for record in self.watchdog:
            if record.kind in {RecordKind.KILL_STARTED, RecordKind.KILL_STEP, RecordKind.KILL_ENDED}:
                by_id.setdefault(str(record.payload["kill_id"]), []).append(record)
        return list(by_id.values())

    def rearmed_after(self, seq: int) -> bool:
        """Whether a human has re-armed after a record of the watchdog's journal."""
        return any(one.kind == RecordKind.REARMED and one.seq > seq for one in self.watchdog)

    def monotonic(self, record: Record) -> int:
        """Monotonic time of a record."""
        return record.time_ns - self.offset_ns


def g1_nothing_is_left_after_a_kill(evidence: Evidence) -> list[str]:
    """After a kill: 0 working orders; every position flat, or in the residue."""
    found = []
    for kill in evidence.kills():
        ended = [one for one in kill if one.kind == RecordKind.KILL_ENDED]
        if not ended:
            continue
        report = ended[-1].payload
        left = residue_by_symbol(_items(report["residue"]))
        truth = read_truth(evidence.audit, evidence.monotonic(ended[-1]))
        if truth.held != {symbol: left.get(symbol, Decimal(0)) for symbol in truth.held}:
            found.append(f"a kill ended with {truth.held} held and the residue {left}")
        stuck = [order for order in truth.working if order.symbol not in left]
        if stuck:
            found.append(f"a kill ended with {stuck} working")
        if report["flat"] and truth.held:
            found.append(f"a kill called the account flat that held {truth.held}")
    return found


def g2_closing_only_closes(evidence: Evidence) -> list[str]:
    """After a breach no position grows or changes sign: not by the watchdog's orders, nor by orders after the fence."""
    found = [
        f"{fill.order_ref} moved {fill.symbol} by {fill.signed} from {fill.before}"
        for fill in evidence.truth.fills
        if fill.order_ref.startswith(KILL_PREFIX)
        and (fill.before * fill.signed >= 0 or abs(fill.signed) > abs(fill.before))
    ]
    for kill in evidence.kills():
        fences = [one for one in kill if one.kind == RecordKind.KILL_STEP and one.payload["step"] == "fence"]
        if not fences or evidence.rearmed_after(fences[-1].seq):
            continue
        fenced_ns = int(str(fences[-1].payload["monotonic_ns"]))
        found += [
            f"{order.order_ref} reached the broker after the fence"
            for order in evidence.truth.orders.values()
            if order.client_id == 1 and order.first_ns > fenced_ns + _IN_FLIGHT_NS
        ]
    return found


def g3_fills_stay_within_intents(evidence: Evidence) -> list[str]:
    """Fills never exceed the intended quantity; one live incarnation of each orderRef."""
    truth, found = evidence.truth, []
    journaled = _journaled_quantities(evidence)
    intended = truth.intended()
    for ref, filled in truth.filled().items():
        most = max(intended.get(ref, Decimal(0)), journaled.get(ref, Decimal(0)))
        if ref.startswith(OURS) and filled > most:
            found.append(f"{ref} was for {most} and filled {filled}")
    found += [
        f"{ref} had {count} live orders at once"
        for ref, count in truth.most_live.items()
        if ref.startswith(OURS) and count > 1
    ]
    if evidence.main:
        unknown = {order.order_ref for order in truth.orders.values() if order.client_id == 1} - set(
            journaled
        )
        found += [
            f"{ref} is at the broker and was never journaled" for ref in unknown if ref.startswith(OURS)
        ]
    return found


def g4_our_book_equals_the_brokers(evidence: Evidence) -> list[str]:
    """Positions, cash and commissions agree, when main has lived for 5 s after the last event."""
    if not evidence.main or evidence.beat_ns < evidence.truth.last_ns + AGREE_S * 1e9:
        return []
    return disagreements(evidence)


def disagreements(evidence: Evidence) -> list[str]:
    """Where our book, folded anew from the whole journal, differs from the broker's."""
    book = LiveBook(lambda day: day)
    for record in evidence.main:
        book.apply(record.kind, record.payload)
    return compare(evidence.truth, book)


def g5_a_halt_stands(evidence: Evidence) -> list[str]:
    """A kill outlives every restart: its flag stands, and main sends nothing until a human re-arms."""
    started = [one for one in evidence.watchdog if one.kind == RecordKind.KILL_STARTED]
    if not started or evidence.rearmed_after(started[-1].seq):
        return []
    found = []
    flag = evidence.folder / "flags" / "KILL.flag"
    if not flag.exists() and "the flag can't be written" not in evidence.output:
        found.append("a kill has no KILL.flag")
    starts = [one for one in evidence.main if one.kind == RecordKind.RUN_STARTED]
    if starts and starts[-1].time_ns > started[-1].time_ns + 1_000_000_000:
        found.append("main has started again after a kill that nobody re-armed")
    return found


def g6_the_operator_is_told(evidence: Evidence, within_s: float = ALERT_S * SLACK) -> list[str]:
    """An alert within 1 s of any halt or unknown state (as far as its watchdog lived to tell it)."""
    return [
        f"nobody was told of {what} within {within_s:g} s"
        for what, delay_s in alert_delays(evidence)
        if delay_s > within_s
    ]


def alert_delays(evidence: Evidence) -> list[tuple[str, float]]:
    """Each halt and unknown state with the seconds until its alert; ``inf`` when there was none."""
    alerts = [one for one in evidence.watchdog if one.kind == RecordKind.ALERT]
    last_ns = evidence.watchdog[-1].time_ns if evidence.watchdog else 0
    found: list[tuple[str, float]] = []
    for record in evidence.watchdog:
        if record.kind == RecordKind.KILL_STARTED:
            what = f"KILL ({record.payload['reason']})"
        elif record.kind == RecordKind.CHECK and record.payload["status"] == "breach":
            what = f"{record.payload['name']}:"
        else:
            continue
        # The same thing is told once a minute at most: an alert of just before counts.
        told = [
            one for one in alerts if what in str(one.payload["text"]) and one.time_ns > record.time_ns - 60e9
        ]
        delay_s = min((max(0.0, (one.time_ns - record.time_ns) / 1e9) for one in told), default=float("inf"))
        if delay_s < float("inf") or last_ns > record.time_ns + 5e9:
            found.append((what, delay_s))
    return found


def l1_the_kill_is_quick(evidence: Evidence, slack: float = SLACK) -> list[str]:
    """Flag to cancel sent, acknowledged, flat. Kills that were taken up again or had no broker have no such times."""
    found = []
    for kill in evidence.kills():
        steps = {str(one.payload.get("step")) for one in kill}
        if steps & {"resumed", "session"}:
            continue
        for record in kill:
            if record.kind == RecordKind.KILL_ENDED:
                figure = record.payload["flag_to_cancel_sent_ms"]
                if isinstance(figure, float) and figure > SENT_MS * slack:
                    found.append(f"the cancel left after {figure:.0f} ms")
    return found


def chains_verify(evidence: Evidence) -> list[str]:
    """Hash chains of both journals."""
    found = []
    for name in ("main.db", "watchdog.db"):
        path = evidence.folder / "state" / name
        if path.is_file():
            result = verify(path)
            if not result.ok:
                found.append(f"{name}: {result.problem}")
    return found


CHECKS: dict[str, Callable[[Evidence], list[str]]] = {
    "G1": g1_nothing_is_left_after_a_kill,
    "G2": g2_closing_only_closes,
    "G3": g3_fills_stay_within_intents,
    "G4": g4_our_book_equals_the_brokers,
    "G5": g5_a_halt_stands,
    "G6": g6_the_operator_is_told,
    "L1": l1_the_kill_is_quick,
    "chain": chains_verify,
}


def check(stage: Stage) -> None:
    """Run every checker on what a stage has left; those that the test has excused are left out."""
    evidence = Evidence.of(stage)
    found = [
        f"{name}: {problem}"
        for name, checker in CHECKS.items()
        if name not in stage.excused
        for problem in checker(evidence)
    ]
    assert not found, "\n".join(found)


def await_agreement(stage: Stage, seconds: float = AGREE_S * SLACK) -> float:
    """Wait until our book equals the broker's (G4); return how long after the broker's last event that was."""

    def agree() -> bool:
        return not disagreements(Evidence.of(stage))

    try:
        wait_for(agree, "our book to equal the broker's", seconds, 0.05)
    except AssertionError:
        raise AssertionError("\n".join(disagreements(Evidence.of(stage)))) from None
    return (time.monotonic_ns() - read_truth(stage.audit).last_ns) / 1e9


def _records(path: Path) -> list[Record]:
    try:
        return list(read(path))
    except (FileNotFoundError, JournalCorrupt):
        return []


def _last_beat(path: Path) -> int:
    try:
        return int(json.loads(path.read_text())["monotonic_ns"])
    except (OSError, ValueError, KeyError):
        return 0


def _items(value: object) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else []


def _journaled_quantities(evidence: Evidence) -> dict[str, Decimal]:
    most: dict[str, Decimal] = {}
    for record in evidence.main:
        if record.kind == RecordKind.ORDER_INTENT:
            ref, quantity = str(record.payload["order_ref"]), Decimal(str(record.payload["quantity"]))
            most[ref] = max(most.get(ref, Decimal(0)), quantity)
    return most
