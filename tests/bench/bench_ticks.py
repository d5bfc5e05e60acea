"""Ticks a second that the broker session takes, beside a bare ibapi client that only counts them, and what each one loses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from tests.bench.flood_server import price_of
from tests.bench.report import Row, row
from tests.bench.stage import ROOT, BenchFailed, wait_for

SYMBOLS = 20
FLOODS = (2_000, 100_000)
BURSTS = 10
_QUIET_S, _SETTLED_S = 2.5, 0.3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """What became of one flood."""

    sent: int
    taken: int
    a_second: float

    @property
    def lost(self) -> int:
        """Ticks that the client never saw."""
        return self.sent - self.taken


class _Lines:
    """A process's JSON lines, read by a thread; the newest of each key."""

    def __init__(self, *arguments: str) -> None:
        self._name = arguments[0]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.found: dict[str, Any] = {}
        self.changed_s = time.monotonic()
        assert self.process.stdout is not None
        self._thread = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._thread.start()

    def _read(self, lines: IO[bytes]) -> None:
        for line in lines:
            self.found |= json.loads(line)
            self.changed_s = time.monotonic()

    def wait(self, key: str) -> Any:
        """Wait for a key; returns its value."""
        wait_for(lambda: key in self.found or self.process.poll() is not None, key)
        if key not in self.found:
            raise BenchFailed(f"{self._name} ended with {self.process.returncode}")
        return self.found[key]

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self._thread.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def run(runs: int, say: Say, *, floods: tuple[int, ...] = FLOODS, bursts: int = BURSTS) -> list[Row]:
    """Floods of several sizes, each ``runs / 20`` times to both clients in turn; then bursts of exactly 4,096 bytes."""
    rows = []
    for size in floods:
        taken: dict[str, list[Flood]] = {"bare": [], "ours": []}
        for number in range(max(runs // 20, 1)):
            for kind, floods_of_kind in taken.items():
                one = flood(kind, "--ticks", str(size))
                floods_of_kind.append(one)
                say(f"{size:,} ticks, {number + 1}: {kind} {one.a_second:,.0f}/s, lost {one.lost:,}")
        rows += _rows_of_rate(size, taken)
    for kind in ("bare", "ours"):
        one = flood(kind, "--bursts", str(bursts))
        say(f"bursts of 4,096 bytes: {kind} lost {one.lost:,} of {one.sent:,}")
        target = 0.0 if kind == "ours" else None
        case = f"{kind}: lost of {one.sent:,} in {bursts} bursts of 4,096 bytes"
        rows.append(row("ticks lost", case, "ticks", [one.lost], target=target))
    return rows


def _rows_of_rate(size: int, taken: dict[str, list[Flood]]) -> list[Row]:
    bare, ours = ([one.a_second for one in taken[kind]] for kind in ("bare", "ours"))
    reference = sorted(bare)[len(bare) // 2]
    note = (
        "ours: IBSession, decoded, conflated into quotes and taken from the engine's queue; reference: ibapi's own client, "
        "which only counts. Counted from the server's first byte to the newest tick taken."
    )
    lost = "ticks lost"
    return [
        row("ticks a second", f"ours: {size:,} at once", "ticks/s", ours, reference=reference, more_is_better=True, note=note),
        row("ticks a second", f"bare ibapi: {size:,} at once", "ticks/s", bare, more_is_better=True),
        row(lost, f"ours: {size:,} at once", "ticks", [one.lost for one in taken["ours"]], target=0.0),
        row(lost, f"bare ibapi: {size:,} at once", "ticks", [one.lost for one in taken["bare"]]),
    ]  # fmt: skip


def flood(kind: str, *amount: str) -> Flood:
    """Send one flood to a fresh client; it has had its time when nothing new has come for a while."""
    server = _Lines("tests.bench.flood_server", "--symbols", str(SYMBOLS), *amount)
    client: _Lines | None = None
    try:
        client = _Lines("tests.bench.tick_client", kind, str(server.wait("port")), str(SYMBOLS))
        sent = int(server.wait("sent"))
        ended = time.monotonic()
        taker = client
        wait_for(
            lambda: (
                taker.found.get("ticks", 0) >= sent
                or time.monotonic() - max(taker.changed_s, ended) > _QUIET_S
            ),
            "the end of the ticks",
        )
        # Frames are counted before they are decoded, and lines come late: the newest line is the one that counts.
        wait_for(lambda: time.monotonic() - max(taker.changed_s, ended) > _SETTLED_S, "the last line")
        taken = int(client.found.get("ticks", 0))
        if kind == "ours" and taken == sent:
            _check_prices(client, sent)
        began = int(server.found["began_ns"])
        took_s = (int(client.found.get("newest_ns", 0)) - began) / 1e9
        return Flood(sent=sent, taken=taken, a_second=taken / took_s if taken else 0.0)
    finally:
        for one in (server, client):
            if one is not None:
                one.end()


def _check_prices(client: _Lines, sent: int) -> None:
    """What came out of the queue last must be what was sent last, symbol by symbol."""
    last = {f"S{n % SYMBOLS}": float(price_of(n)) for n in range(sent - SYMBOLS, sent)}
    wait_for(
        lambda: client.found["prices"] == last, f"the last prices: {client.found['prices']} instead of {last}"
    )
