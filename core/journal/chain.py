"""Records, the hash that chains them, and the head file that makes a removed tail visible.

The hash of a record covers the hash before it, so a record that is changed, inserted, moved or removed breaks
the chain at that place. Only cutting off the *end* leaves a chain that holds; therefore the newest sequence
number and hash also stand in a small file beside the journal. It is written after the commit, so it may lag
behind the journal (a crash between the two), but it can never be ahead of an intact one.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
"""Hash before the first record."""

HEAD_SUFFIX = ".head"
_HEAD_BYTES = 20 + 1 + 64 + 1 + 8 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Sequence number and hash of the newest record; 0 and ``GENESIS`` for an empty journal."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One journal record. ``time_ns`` is the wall clock of the writer; order is given by ``seq`` alone.

    ``kind`` is one of ``core.records.RecordKind`` (as text: a newer version may know more of them).
    """

    seq: int
    time_ns: int
    process: str
    run_id: str
    boot_id: str
    kind: str
    payload: dict[str, Any]
    hash: str


Row = tuple[int, int, str, str, str, str, str, str]
"""A record as it is stored; the payload is canonical JSON text."""


def chain_hash(previous: str, row: tuple[int, int, str, str, str, str, str]) -> str:
    """Hash of a row (without its own hash) that follows a record with the hash ``previous``."""
    # A JSON array keeps the borders between the fields, so that no two rows give the same bytes.
    return hashlib.sha256(json.dumps([previous, *row]).encode()).hexdigest()


def record_of(row: Row) -> Record:
    """Record from a stored row.

    Raises
    ------
    ValueError
        When its payload is no JSON object.
    """
    payload = json.loads(row[6])
    if not isinstance(payload, dict):
        raise ValueError(f"record {row[0]}: the payload is no object")  # noqa: TRY004 - bad content, not a bad call
    return Record(
        seq=row[0],
        time_ns=row[1],
        process=row[2],
        run_id=row[3],
        boot_id=row[4],
        kind=row[5],
        payload=payload,
        hash=row[7],
    )


def head_path(journal: Path) -> Path:
    """File beside ``journal`` that mirrors its head."""
    return journal.with_name(journal.name + HEAD_SUFFIX)


def encode_head(head: Head) -> bytes:
    """Head as one line of fixed length with a checksum, so that it can be overwritten in place."""
    text = f"{head.seq:020d} {head.hash}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()


def read_head(journal: Path) -> Head | None:
    """Mirrored head of ``journal``; None when there is none or its line is torn."""
    try:
        descriptor = os.open(head_path(journal), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        line = os.read(descriptor, _HEAD_BYTES + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    seq, _, rest = line.partition(b" ")
    if len(line) != _HEAD_BYTES or not seq.isdigit():
        return None
    head = Head(seq=int(seq), hash=rest[:64].decode("ascii", "replace"))
    return head if encode_head(head) == line else None
