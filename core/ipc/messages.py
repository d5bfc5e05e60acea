"""Signed messages: bytes in, messages or refusals out; no sockets here.

A message is three frames: the protocol's name, the content (canonical JSON), and an HMAC-SHA256 over both.
The content names the sender, the run, the incarnation of the sender and when that began, a number that rises
with every message, and the moment of sending on the machine's monotonic clock. A receiver accepts a message
only if all of that fits, so a message can be neither forged, nor repeated, nor kept for later, nor be played
back to another channel or in another run.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.canonical import dump
from core.clock import Clock
from core.identity import Identity
from core.text import escape

PROTOCOL = b"backstop/1"
MAX_MESSAGE_BYTES = 256 * 1024
_MAC_BYTES = 32
_PAST_ANY_CLOCK = 2**63
# Clocks of one machine agree; this only allows for rounding between processes.
_FUTURE_TOLERANCE_NS = 100_000_000


class RefusalReason(StrEnum):
    """Why a message was not accepted."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    BAD_SIGNATURE = "bad_signature"
    WRONG_RUN = "wrong_run"
    WRONG_SENDER = "wrong_sender"
    WRONG_KIND = "wrong_kind"
    REPEATED = "repeated"
    SUPERSEDED = "superseded"
    TOO_OLD = "too_old"
    FROM_THE_FUTURE = "from_the_future"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An accepted message."""

    kind: str
    sender: str
    run_id: str
    boot_id: str
    started_monotonic_ns: int
    sequence: int
    monotonic_ns: int
    nonce: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message that was not accepted."""

    reason: RefusalReason
    detail: str = ""


class Signer:
    """Signs what one process sends on one channel.

    Parameters
    ----------
    key
        The key of the run.
    run_id, boot_id, sender
        Who signs.
    clock
        Its monotonic clock stamps the messages.
    """

    def __init__(self, key: bytes, run_id: str, boot_id: str, sender: str, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self.sender = sender
        self.boot_id = boot_id
        self._sequence = 0
        self._constant = {
            "sender": sender,
            "run_id": run_id,
            "boot_id": boot_id,
            "started_monotonic_ns": clock.monotonic_ns(),
        }

    @classmethod
    def of(cls, identity: Identity, key: bytes, clock: Clock) -> Signer:
        """Signer of a process."""
        return cls(key, identity.run_id, identity.boot_id, identity.process, clock)

    def sign(self, kind: str, body: Mapping[str, object], nonce: str | None = None) -> list[bytes]:
        """Frames of a new message; without ``nonce`` it gets a random one."""
        self._sequence += 1
        content = dump(
            self._constant
            | {
                "kind": kind,
                "sequence": self._sequence,
                "monotonic_ns": self._clock.monotonic_ns(),
                "nonce": nonce or secrets.token_hex(8),
                "body": dict(body),
            }
        ).encode()
        return [PROTOCOL, content, _mac(self._key, content)]


class Verifier:
    """Accepts or refuses what arrives on one channel. It remembers the newest message of the sender.

    Parameters
    ----------
    key
        The key of the run.
    run_id
        The run; messages of another are refused.
    sender
        The only process that may speak here.
    kinds
        The only kinds of message that belong here.
    clock
        Its monotonic clock measures a message's age.
    max_age_s
        Older messages are refused.
    """

    def __init__(
        self,
        key: bytes,
        run_id: str,
        *,
        sender: str,
        kinds: Collection[str],
        clock: Clock,
        max_age_s: float = 3.0,
    ) -> None:
        self._key = key
        self._run_id = run_id
        self._sender = sender
        self._kinds = frozenset(kinds)
        self._clock = clock
        self._max_age_ns = round(max_age_s * 1e9)
        self._boot_id: str | None = None
        self._started_ns = -1
        self._sequence = 0
        self.accepted = 0
        self.refused: dict[RefusalReason, int] = {}

    def accept(self, frames: Sequence[bytes]) -> Message | Refusal:
        """Check one message; never raises, whatever the frames hold."""
        result = self._check(frames)
        if isinstance(result, Refusal):
            self.refused[result.reason] = self.refused.get(result.reason, 0) + 1
        else:
            self._boot_id, self._started_ns = result.boot_id, result.started_monotonic_ns
            self._sequence = result.sequence
            self.accepted += 1
        return result

    def _check(self, frames: Sequence[bytes]) -> Message | Refusal:
        if sum(len(frame) for frame in frames) > MAX_MESSAGE_BYTES:
            return Refusal(reason=RefusalReason.TOO_LARGE)
        if len(frames) != 3 or frames[0] != PROTOCOL or len(frames[2]) != _MAC_BYTES:
            return Refusal(reason=RefusalReason.MALFORMED, detail=f"{len(frames)} frames")
        # Nothing is parsed before it is known to come from a process that holds the key.
        if not hmac.compare_digest(_mac(self._key, frames[1]), frames[2]):
            return Refusal(reason=RefusalReason.BAD_SIGNATURE)
        message = _parse(frames[1])
        if message is None:
            return Refusal(reason=RefusalReason.MALFORMED, detail="content")
        return self._check_origin(message) or self._check_order(message) or message

    def _check_origin(self, message: Message) -> Refusal | None:
        for reason, found, fits in (
            (RefusalReason.WRONG_RUN, message.run_id, message.run_id == self._run_id),
            (RefusalReason.WRONG_SENDER, message.sender, message.sender == self._sender),
            (RefusalReason.WRONG_KIND, message.kind, message.kind in self._kinds),
        ):
            if not fits:
                return Refusal(reason=reason, detail=escape(found, 100))
        return None

    def _check_order(self, message: Message) -> Refusal | None:
        age_ns = self._clock.monotonic_ns() - message.monotonic_ns
        if age_ns > self._max_age_ns:
            return Refusal(reason=RefusalReason.TOO_OLD, detail=f"{age_ns / 1e9:.1f} s")
        if age_ns < -_FUTURE_TOLERANCE_NS:
            return Refusal(reason=RefusalReason.FROM_THE_FUTURE, detail=f"{-age_ns / 1e9:.1f} s")
        if message.boot_id == self._boot_id:
            if message.sequence <= self._sequence:
                return Refusal(reason=RefusalReason.REPEATED, detail=f"number {message.sequence}")
        elif message.started_monotonic_ns <= self._started_ns:
            return Refusal(reason=RefusalReason.SUPERSEDED, detail=f"boot {escape(message.boot_id, 40)}")
        return None


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, PROTOCOL + b"\0" + content, "sha256")


def _parse(content: bytes) -> Message | None:
    try:
        fields = json.loads(content)
        message = Message(**fields)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (message.kind, message.sender, message.run_id, message.boot_id, message.nonce)
    numbers = (message.started_monotonic_ns, message.sequence, message.monotonic_ns)
    fits = (
        all(isinstance(text, str) for text in texts)
        and all(type(number) is int and 0 <= number < _PAST_ANY_CLOCK for number in numbers)
        and isinstance(message.body, dict)
    )
    return message if fits else None
