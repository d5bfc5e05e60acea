"""What the watchdog's journal tells about kills: an unfinished one is taken up again, an ended one stays in force."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.clock import Clock
from core.journal import Record
from core.records import RecordKind
from core.vocabulary import HaltReason
from risk.kill_login import KillLogin
from risk.liquidation import Kill

_KILL_ID = re.compile("[0-9a-f]{6}")
KINDS = frozenset(
    {
        RecordKind.KILL_STARTED.value,
        RecordKind.KILL_STEP.value,
        RecordKind.CLOSE_INTENT.value,
        RecordKind.KILL_ENDED.value,
        RecordKind.REARMED.value,
        RecordKind.PEAK.value,
    }
)


@dataclass(slots=True)
class KillHistory:
    """A fold over the journal.

    Attributes
    ----------
    kill_id, reason
        The newest kill since the last re-arming; empty and None when there was none.
    ended
        Whether it has ended.
    login
        With which login it was begun.
    order_id_floor
        Highest order id ever used for a closing order.
    """

    kill_id: str = ""
    reason: HaltReason | None = None
    detail: str = ""
    ended: bool = False
    detected_ns: int = 0
    cancel_sent_ns: int | None = None
    closes_sent: int = 0
    order_id_floor: int = 0
    login: KillLogin = field(default_factory=KillLogin)

    @classmethod
    def of(cls, records: Iterable[Record]) -> KillHistory:
        """Fold ``records``, oldest first."""
        history = cls()
        for record in records:
            history._take(record)
        return history

    @property
    def is_unfinished(self) -> bool:
        """Whether a kill was begun that has neither ended nor been re-armed."""
        return bool(self.kill_id) and not self.ended

    def unfinished(self, flag: Mapping[str, object] | None, run_id: str, clock: Clock) -> Kill | None:
        """Return the kill that has not ended, to be taken up; None when there is none.

        The flag is raised before the journal is written. A watchdog that died in between, or with a full disk, left
        nothing but the flag (``flag`` is its body): of this run, and of a kill that the journal does not know.
        """
        if self.is_unfinished:
            return self._resume(clock)
        if flag is None or flag.get("run_id") != run_id:
            return None
        kill_id, reason = str(flag.get("kill_id", "")), str(flag.get("reason", ""))
        if kill_id == self.kill_id or not _KILL_ID.fullmatch(kill_id) or reason not in set(HaltReason):
            return None
        detail = str(flag.get("detail", ""))
        return Kill(
            kill_id=kill_id, reason=HaltReason(reason), detail=detail, detected_ns=clock.monotonic_ns()
        )

    def _resume(self, clock: Clock) -> Kill:
        now = clock.monotonic_ns()
        # After a restart of the machine the monotonic clock has begun anew: then only what follows can be measured.
        is_same_boot = self.detected_ns <= now
        return Kill(
            kill_id=self.kill_id,
            reason=self.reason or HaltReason.KILL_FLAG,
            detail=self.detail,
            detected_ns=self.detected_ns if is_same_boot else now,
            cancel_sent_ns=self.cancel_sent_ns if is_same_boot else None,
            closes_sent=self.closes_sent,
            is_resumed=True,
            login=self.login,
        )

    def _take(self, record: Record) -> None:
        payload = record.payload
        if record.kind == RecordKind.REARMED:
            self.kill_id, self.reason, self.ended = "", None, False
        elif record.kind == RecordKind.KILL_STARTED:
            self.kill_id, self.ended = str(payload["kill_id"]), False
            self.reason, self.detail = HaltReason(payload["reason"]), str(payload.get("detail", ""))
            self.detected_ns = int(payload["detected_monotonic_ns"]) - int(payload.get("flag_age_ns", 0))
            self.cancel_sent_ns, self.closes_sent = None, 0
            self.login = KillLogin.of(payload)
        elif record.kind == RecordKind.KILL_STEP and payload["step"] == "cancel_sent":
            self.cancel_sent_ns = int(payload["monotonic_ns"])
        elif record.kind == RecordKind.CLOSE_INTENT:
            self.order_id_floor = max(self.order_id_floor, int(payload["order_id"]))
            self.closes_sent += 1
        elif record.kind == RecordKind.KILL_ENDED:
            self.ended = True
