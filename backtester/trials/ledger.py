"""The ledger itself: a journal (`core.journal`), append-only and chained by hashes, in the folder that outlives all runs.

A search writes a record *before* its results can be seen: how many configurations it tried, a sketch of which, and mean and
spread of their Sharpe ratios. What a study's deflated Sharpe ratio is then deflated by is everything that was tried on its
symbols with its strategies over any of its days, whatever became of the results.

Deleting results changes nothing here. Changed or removed records break the chain; a file that was cut or put back to an
older one is found by whoever remembers its head (`governance.journal` does).
"""

from __future__ import annotations

import fcntl
import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from backtester.market import Market
from backtester.trials.configurations import UintArray, distinct, merged, sketch_of
from core.clock import Clock, SystemClock
from core.errors import ConfigError, JournalCorrupt, StopTrading
from core.journal import Head, Journal, read, verify
from core.journal.reader import connect_read_only
from core.records import RecordKind

FILE_NAME: Final = "trials.db"
PROCESS: Final = "research"
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What trials were made on.

    Attributes
    ----------
    study
        Names the search that makes them: the same search again is no new trial.
    mode
        Of run_backtest.py, or ``recalibration``.
    strategies, symbols
        Their names.
    first, last
        Sessions that were traded.
    data_sha256
        Hash of the bars.
    """

    study: str
    mode: str
    strategies: tuple[str, ...]
    symbols: tuple[str, ...]
    first: date
    last: date
    data_sha256: str

    @classmethod
    def on(
        cls, market: Market, strategies: Sequence[str], *, study: str, mode: str, first_bar: int, end: int
    ) -> Tried:
        """Trials on bars ``first_bar`` to ``end`` of a market."""
        numbers = market.clock.session[[first_bar, end - 1]].tolist()
        first, last = (market.sessions[number].date for number in numbers)
        return cls(
            study=study,
            mode=mode,
            strategies=tuple(strategies),
            symbols=market.symbols,
            first=first,
            last=last,
            data_sha256=market.sha256,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the ledger holds that bears on some data.

    Attributes
    ----------
    configurations
        Distinct ones (estimated above 256).
    records, with_sharpe
        Records, and trials that had a Sharpe ratio.
    sharpe_mean, sharpe_deviation
        Of the annual ones; NaN with too few.
    sharpe_best
        The largest; NaN without any.
    """

    configurations: int
    records: int
    with_sharpe: int
    sharpe_mean: float
    sharpe_deviation: float
    sharpe_best: float


class TrialLedger:
    """The ledger of one folder.

    Parameters
    ----------
    control
        ``paths.control``.
    clock
        Stamps the records.
    """

    def __init__(self, control: Path, clock: Clock | None = None) -> None:
        self.path = control / FILE_NAME
        self._clock = clock or SystemClock()
        self._journal: Journal | None = None

    def record(self, tried: Tried, part: str, numbers: UintArray, sharpes: FloatArray) -> None:
        """Write down trials; durable on return.

        Parameters
        ----------
        tried
            What they were made on.
        part
            Which part of the search: written again, it takes the place of the first one.
        numbers
            The configurations, from `backtester.trials.configurations`.
        sharpes
            Annual Sharpe ratios of those that have one; others NaN.

        Raises
        ------
        ConfigError
            When it can't be written: trials that are not counted are not to be seen.
        """
        known = sharpes[np.isfinite(sharpes)]
        mean = float(known.mean()) if len(known) else None
        payload: dict[str, object] = {
            "study": tried.study,
            "part": part,
            "mode": tried.mode,
            "strategies": list(tried.strategies),
            "symbols": list(tried.symbols),
            "first": tried.first.isoformat(),
            "last": tried.last.isoformat(),
            "data_sha256": tried.data_sha256,
            "trials": len(numbers),
            "with_sharpe": len(known),
            "sharpe_mean": mean,
            "sharpe_squares": float(((known - known.mean()) ** 2).sum()) if len(known) else None,
            "sharpe_best": float(known.max()) if len(known) else None,
            "sketch": [f"{number:016x}" for number in sketch_of(numbers).tolist()],
        }
        try:
            with self._alone():
                self._open().append(RecordKind.TRIALS, payload)
        except (StopTrading, OSError, sqlite3.Error) as error:
            raise ConfigError(
                [f"the trial ledger {self.path} can't be written, so nothing may be tried: {error}"]
            ) from None

    def counts(self, tried: Tried, *, without: str | None = None) -> Counts:
        """Count what bears on some data: the same strategy, a shared symbol, a shared day.

        Parameters
        ----------
        tried
            The data.
        without
            Study that is left out.

        Raises
        ------
        ConfigError
            When the ledger can't be read.
        """
        parts: dict[tuple[str, str], Mapping[str, object]] = {}
        try:
            for record in read(self.path, kinds=[RecordKind.TRIALS]):
                if record.payload["study"] != without and _bears_on(record.payload, tried):
                    parts[str(record.payload["study"]), str(record.payload["part"])] = record.payload
        except FileNotFoundError:
            pass
        except (JournalCorrupt, OSError) as error:
            raise ConfigError([f"the trial ledger {self.path} can't be read: {error}"]) from None
        return _total(tuple(parts.values()))

    def sketch(self, tried: Tried) -> UintArray:
        """Sketch of all configurations that bear on some data."""
        if not self.path.exists():
            return np.empty(0, dtype=np.uint64)
        records = read(self.path, kinds=[RecordKind.TRIALS])
        return merged(_sketch(one.payload) for one in records if _bears_on(one.payload, tried))

    def earlier(self, tried: Tried, own: UintArray) -> int:
        """Count configurations that bear on this data and are not among ``own``: exact up to 256, then estimated.

        Raises
        ------
        ConfigError
            When the ledger can't be read.
        """
        try:
            every = merged([self.sketch(tried), sketch_of(own)])
        except (JournalCorrupt, OSError) as error:
            raise ConfigError([f"the trial ledger {self.path} can't be read: {error}"]) from None
        # Both counted the same way: without any other configuration the difference is exactly 0.
        return max(distinct(every) - distinct(sketch_of(own)), 0)

    def head(self) -> Head | None:
        """Newest record after a check of the whole chain; None without a ledger.

        Raises
        ------
        JournalCorrupt
            When the chain doesn't hold.
        """
        if not self.path.exists():
            return None
        found = verify(self.path)
        if not found.ok:
            raise JournalCorrupt(f"the trial ledger {self.path} does not hold: {found.problem}")
        return found.head

    def holds(self, head: Head) -> bool:
        """Whether a record that was the newest one once is still there."""
        if head.seq == 0:
            return True
        for record in read(self.path, after=head.seq - 1):
            return record.seq == head.seq and record.hash == head.hash
        return False

    def _open(self) -> Journal:
        """Journal for the next record; kept open as long as nobody else has written, for opening one checks its end."""
        journal = self._journal
        if journal is not None:
            with closing(connect_read_only(self.path)) as connection:
                newest = connection.execute("SELECT max(seq) FROM records").fetchone()[0] or 0
            if newest == journal.head.seq:
                return journal
            journal.close()
        self._journal = Journal(
            self.path, process=PROCESS, run_id="trials", boot_id=str(os.getpid()), clock=self._clock
        )
        return self._journal

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _bears_on(payload: Mapping[str, object], tried: Tried) -> bool:
    strategies, symbols = payload["strategies"], payload["symbols"]
    assert isinstance(strategies, Sequence)
    assert isinstance(symbols, Sequence)
    first, last = date.fromisoformat(str(payload["first"])), date.fromisoformat(str(payload["last"]))
    return (
        bool(set(strategies) & set(tried.strategies))
        and bool(set(symbols) & set(tried.symbols))
        and first <= tried.last
        and last >= tried.first
    )


def _sketch(payload: Mapping[str, object]) -> UintArray:
    words = payload["sketch"]
    assert isinstance(words, Sequence)
    return np.array([int(str(word), 16) for word in words], dtype=np.uint64)


def _total(parts: Sequence[Mapping[str, object]]) -> Counts:
    """Put means and squares of the parts together (T. Chan, G. Golub, R. LeVeque 1979)."""
    count, mean, squares, best = 0, 0.0, 0.0, math.nan
    for part in parts:
        own = int(str(part["with_sharpe"]))
        if not own:
            continue
        own_mean, own_squares, own_best = (
            float(str(part[name])) for name in ("sharpe_mean", "sharpe_squares", "sharpe_best")
        )
        step = own_mean - mean
        squares += own_squares + step**2 * count * own / (count + own)
        mean += step * own / (count + own)
        count += own
        best = own_best if math.isnan(best) else max(best, own_best)
    return Counts(
        configurations=distinct(merged(_sketch(part) for part in parts)),
        records=len(parts),
        with_sharpe=count,
        sharpe_mean=mean if count else math.nan,
        sharpe_deviation=math.sqrt(squares / (count - 1)) if count > 1 else math.nan,
        sharpe_best=best,
    )
