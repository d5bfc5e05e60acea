"""Gathers what an incident file holds. Everything is read; nothing of the running system is touched."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from core.canonical import dump, fields_of
from core.code_version import code_version
from core.errors import JournalCorrupt
from core.flags import FlagFolder
from core.journal import read
from core.journal.chain import read_head
from core.records import RecordKind
from core.wire_ring import read_ring

FORMAT = 1
_RECORDS = 400
_JOURNAL_BYTES = 8_000_000
_BEFORE_KILL = 20
_PACKAGES = ("ibapi", "pyzmq", "pydantic", "psutil", "structlog", "numpy", "numba", "pandas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an incident happened.

    Parameters
    ----------
    kind, reason
        ``kill`` or ``halt``, and why.
    processes
        States of the processes when it was noticed.
    rings
        Descriptors of the message rings, by process.
    """

    kind: str
    reason: str
    run_id: str
    state: Path
    control: Path
    flags: Path
    config: Path
    processes: Sequence[Mapping[str, Any]] = ()
    rings: Mapping[str, int] = field(default_factory=dict)


def collect(source: Source) -> dict[str, Any]:
    """Gather one incident; a part that can't be read is left out and named under ``problems``."""
    problems: list[str] = []
    journals = {
        "main": _slice(source.state / "main.db", source.run_id, problems),
        "watchdog": _slice(source.control / "watchdog.db", source.run_id, problems),
    }
    flags = FlagFolder(source.flags)
    standing = flags.present()
    document = {
        "format": FORMAT,
        "kind": source.kind,
        "reason": source.reason,
        "run_id": source.run_id,
        "written": {"wall_ns": time.time_ns(), "monotonic_ns": time.monotonic_ns()},
        "versions": _versions(),
        "config": {"path": str(source.config), "sha256_now": _hash(source.config, problems)},
        "flags": {
            "kind": standing.kind,
            "detail": standing.detail,
            "standing": flags.standing(),
            "body": flags.read_kill(),
        },
        "processes": list(source.processes),
        "journals": journals,
        "wires": {name: _wire(name, number, problems) for name, number in source.rings.items()},
        "problems": problems,
    }
    plain: dict[str, Any] = json.loads(dump(document))
    return plain


def _slice(path: Path, run_id: str, problems: list[str]) -> dict[str, Any]:
    """Return the newest records of a journal, from before the last kill on, bounded in number and bytes."""
    head = read_head(path)
    newest = head.seq if head is not None else 0
    records: list[dict[str, object]] = []
    started: list[dict[str, object]] = []
    left_out = 0
    try:
        kills = [r.seq for r in read(path, kinds=[RecordKind.KILL_STARTED]) if r.run_id == run_id]
        after = max(0, newest - _RECORDS)
        if kills:
            after = min(after, max(0, kills[-1] - _BEFORE_KILL))
        starts = read(path, kinds=[RecordKind.RUN_STARTED])
        started = [{"seq": r.seq, **r.payload} for r in starts if r.run_id == run_id]
        records = [fields_of(record) for record in read(path, after)]
        size = 0
        for number, record in enumerate(reversed(records)):
            size += len(dump(record))
            if size > _JOURNAL_BYTES:
                left_out = len(records) - number
                records = records[left_out:]
                break
    except (OSError, JournalCorrupt) as error:
        problems.append(f"{path.name}: {error}")
    return {
        "path": str(path),
        "head_seq": newest,
        "left_out": left_out,
        "starts": started,
        "records": records,
    }


def _wire(name: str, descriptor: int, problems: list[str]) -> list[dict[str, object]]:
    try:
        messages = read_ring(descriptor)
    except OSError as error:
        problems.append(f"messages of {name}: {error}")
        return []
    return [
        {
            "number": message.number,
            "monotonic_ns": message.monotonic_ns,
            "direction": message.direction.name.lower(),
            "length": message.length,
            "fields": message.payload.decode("utf-8", "backslashreplace").split("\0"),
        }
        for message in messages
    ]


def _hash(path: Path, problems: list[str]) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        problems.append(f"{path.name}: {error}")
        return None


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0], "system": platform.platform(), "code": code_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
