"""Past bars from Interactive Brokers into a store: at the broker's pace, and resumable at any moment.

A piece's bars and the note that it is done are written in one transaction, so a process that is killed loses the piece
under way and nothing else. Requests are noted as well: the next process goes on at the pace of the one before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import numpy as np

from core.clock import Clock
from core.errors import BackstopError
from core.events import Bar
from core.vocabulary import Unknown
from data.bar_table import DAILY, NS_PER_S, BarTable, DataError
from data.download.plan import Piece
from data.exchange_calendar import ExchangeCalendar
from data.history_pacing import HistoryPacer
from data.store.schema import PriceKind, Series
from data.store.writer import HistoryWriter

SOURCE: Final = "ib"
MOST_TRIES: Final = 6
_LONGEST_WAIT_S: Final = 600.0
_PUBLISH_EVERY: Final = 200
_PATIENCE_S: Final = 600.0


class BarsPort(Protocol):
    """The part of the broker session that a download needs."""

    def historical_bars(
        self,
        symbol: str,
        *,
        bar_size_s: int,
        duration: str,
        end_ns: int | None,
        on_refused: Callable[[str], None] | None = None,
    ) -> Future[tuple[Bar, ...] | Unknown]:
        """Ask for past bars, stamped with their end."""
        ...

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait for a connection."""
        ...


class Progress(Protocol):
    """What a download tells while it goes on."""

    def advance(self, text: str) -> None:
        """One more piece is done."""
        ...

    def say(self, text: str) -> None:
        """Tell what it waits for; empty when it goes on."""
        ...


@dataclass(slots=True)
class Downloaded:
    """What came of a download."""

    pieces: int = 0
    already: int = 0
    bars: int = 0
    problems: list[str] = field(default_factory=list)


class IBDownload:
    """Asks for pieces one after the other.

    Parameters
    ----------
    port
        The broker session.
    writer
        The store.
    calendar
        Sessions; daily bars are stamped with their closes, early ones included.
    pacer
        Keeps the broker's pace.
    clock, sleep
        Time, and how to let some of it pass.
    pacing_wait_s
        First pause when the broker says that we are too fast all the same; it doubles.
    """

    def __init__(
        self,
        port: BarsPort,
        writer: HistoryWriter,
        *,
        calendar: ExchangeCalendar,
        pacer: HistoryPacer,
        clock: Clock,
        sleep: Callable[[float], None],
        progress: Progress,
        pacing_wait_s: float = 60.0,
    ) -> None:
        self._port = port
        self._writer = writer
        self._calendar = calendar
        self._pacer = pacer
        self._clock = clock
        self._sleep = sleep
        self._progress = progress
        self._pacing_wait_s = pacing_wait_s
        self._given_up: set[str] = set()
        now_ns = clock.now_ns()
        for asked_ns, topic, request in writer.requests_since(now_ns - round(pacer.memory_s * NS_PER_S)):
            pacer.record(topic, request, age_s=max(now_ns - asked_ns, 0) / NS_PER_S)

    def run(self, pieces: Sequence[Piece]) -> Downloaded:
        """Download what the store hasn't got yet.

        Raises
        ------
        DataError
            When the broker stays away for ten minutes. What was done until then is in the store.
        """
        result = Downloaded()
        done: dict[tuple[str, int], set[object]] = {}
        for piece in pieces:
            key = (piece.symbol, piece.size_s)
            if key not in done:
                done[key] = set(self._writer.pieces_done(SOURCE, *key))
            if piece.key in done[key]:
                result.already += 1
                self._progress.advance(f"{piece.symbol} {piece.first}")
                continue
            if piece.symbol in self._given_up:
                continue
            self._one(piece, result)
            self._progress.advance(f"{piece.symbol} {piece.first}")
            if result.pieces and result.pieces % _PUBLISH_EVERY == 0:
                self._writer.publish()
        return result

    def _one(self, piece: Piece, result: Downloaded) -> None:
        for attempt in range(MOST_TRIES):
            answer, reason = self._ask(piece)
            if not isinstance(answer, Unknown):
                result.bars += self._keep(piece, answer, "")
                result.pieces += 1
                return
            text = reason.lower()
            if answer is Unknown.REFUSED and "pacing" not in text:
                if "no data" in text:  # before its first day, or a halt: there is nothing to have
                    self._keep(piece, (), reason)
                    result.pieces += 1
                else:
                    self._given_up.add(piece.symbol)
                    result.problems.append(
                        f"{piece.symbol}: {reason or 'refused'}; its other pieces were left out"
                    )
                return
            if answer is Unknown.REFUSED:
                wait_s = min(self._pacing_wait_s * 2**attempt, _LONGEST_WAIT_S)
                self._pacer.close_for(wait_s)
                self._progress.say(f"the broker says that we are too fast: {wait_s:.0f} s")
            elif answer is Unknown.DISCONNECTED:
                self._wait_for_broker()
        result.problems.append(
            f"{piece.symbol} {piece.first} to {piece.last}: no answer in {MOST_TRIES} tries"
        )

    def _ask(self, piece: Piece) -> tuple[tuple[Bar, ...] | Unknown, str]:
        topic = f"{piece.symbol} TRADES"
        request = json.dumps([piece.symbol, piece.size_s, piece.duration, piece.end_ns])
        while (wait_s := self._pacer.wait_s(topic, request)) > 0:
            if wait_s >= 1:
                self._progress.say(f"waiting {wait_s:.0f} s for the broker's pace")
            self._sleep(min(wait_s, 1.0))
        self._progress.say("")
        self._pacer.record(topic, request)
        self._writer.put_request(self._clock.now_ns(), topic, request)
        reasons: list[str] = []
        try:
            answer = self._port.historical_bars(
                piece.symbol,
                bar_size_s=piece.size_s,
                duration=piece.duration,
                end_ns=piece.end_ns,
                on_refused=reasons.append,
            ).result(_PATIENCE_S)
        except (FutureTimeout, BackstopError) as error:
            return Unknown.TIMED_OUT, str(error)
        return answer, " ".join(reasons)

    def _wait_for_broker(self) -> None:
        self._progress.say("waiting for the broker to come back")
        if not self._port.wait_ready(_PATIENCE_S):
            raise DataError(
                [
                    f"the broker was away for {_PATIENCE_S:.0f} s; the same command goes on where this one stopped"
                ]
            )

    def _keep(self, piece: Piece, bars: Sequence[Bar], note: str) -> int:
        """Store a piece's bars and that it is done, both or neither; return how many bars were kept."""
        kept = self._stamped(piece, bars)
        with self._writer.transaction():
            if kept:
                series = Series(
                    symbol=piece.symbol, size_s=piece.size_s, source=SOURCE, prices=PriceKind.SPLITS
                )
                self._writer.put_bars(series, _table(piece, kept))
            done = (piece.first, piece.last, piece.part, len(kept), note[:200])
            self._writer.put_piece(SOURCE, piece.symbol, piece.size_s, done)
        return len(kept)

    def _stamped(self, piece: Piece, bars: Sequence[Bar]) -> dict[int, Bar]:
        """Bars of the piece by their end; IB answers with whole bars that reach over its edges."""
        kept: dict[int, Bar] = {}
        for bar in bars:
            end_ns = bar.end_ns
            if piece.size_s == DAILY:
                session = self._calendar.session_on(datetime.fromtimestamp(end_ns // NS_PER_S, UTC).date())
                end_ns = session.close_ns if session is not None else 0
            elif (session := self._calendar.session_at(end_ns - NS_PER_S)) is not None:
                end_ns = min(end_ns, session.close_ns)
            if piece.after_ns < end_ns <= piece.end_ns:
                kept[end_ns] = bar
        return kept


def _table(piece: Piece, bars: dict[int, Bar]) -> BarTable:
    ordered = sorted(bars.items())
    columns = {
        name: np.array([getattr(bar, name) for _, bar in ordered], dtype=np.float64)
        for name in ("open", "high", "low", "close", "volume")
    }
    ends = np.array([end for end, _ in ordered], dtype=np.int64)
    return BarTable(symbol=piece.symbol, size_s=piece.size_s, end_ns=ends, notes=(), **columns)
