"""What went into a kill sequence and what came out, for the journal: with it the kill can be played again.

While the kill runs only references are kept; they are written once it has ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.canonical import dump, fields_of
from core.vocabulary import KILL_PREFIX
from risk.kill_messages import CloseRefused, CloseStatus, KillAction, KillEvent, Tick

_MOST_STEPS = 5_000
_PART_BYTES = 400_000
_MOST_BYTES = 4_000_000


@dataclass(slots=True)
class KillTrace:
    """The steps of one incarnation of a kill.

    What can't have changed anything is left out: a tick that asked for nothing, and the status of an order that is no
    closing order of this kill.

    Parameters
    ----------
    kill_id, closes_sent
        With which the sequence was made.
    """

    kill_id: str
    closes_sent: int
    start: dict[str, object] = field(default_factory=dict)
    dropped: int = 0
    _steps: list[tuple[KillEvent, tuple[KillAction, ...]]] = field(default_factory=list)

    def began(self, at_ns: int, actions: tuple[KillAction, ...], *, ready: bool) -> None:
        """Note the beginning."""
        self.start = {
            "at_ns": at_ns,
            "ready": ready,
            "closes_sent": self.closes_sent,
            "actions": _tagged(actions),
        }

    def took(self, event: KillEvent, actions: tuple[KillAction, ...]) -> None:
        """Note an event and what the sequence asked for."""
        if not actions:
            if isinstance(event, Tick):
                return
            ours = f"{KILL_PREFIX}{self.kill_id}-"
            if isinstance(event, CloseStatus | CloseRefused) and not event.order_ref.startswith(ours):
                return
        if len(self._steps) < _MOST_STEPS:
            self._steps.append((event, actions))
        else:
            self.dropped += 1

    def payloads(self) -> Iterator[dict[str, object]]:
        """Make the journal's records: parts, each small enough for one."""
        parts: list[list[object]] = [[]]
        size = total = 0
        for event, actions in self._steps:
            text = dump({**_tagged((event,))[0], "actions": _tagged(actions)})
            total += len(text)
            if total > _MOST_BYTES:
                self.dropped += 1
                continue
            if size + len(text) > _PART_BYTES and parts[-1]:
                parts.append([])
                size = 0
            size += len(text)
            parts[-1].append(json.loads(text))
        for number, steps in enumerate(parts, start=1):
            yield {
                "kill_id": self.kill_id,
                "part": number,
                "parts": len(parts),
                "start": self.start,
                "dropped": self.dropped,
                "steps": steps,
            }


def _tagged(messages: tuple[KillEvent, ...] | tuple[KillAction, ...]) -> list[dict[str, object]]:
    return [{"type": type(message).__name__, **fields_of(message)} for message in messages]
