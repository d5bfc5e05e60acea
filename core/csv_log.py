"""CSV files that one process appends to while another reads along.

They are a second channel besides the broker's reports, so the reader takes nothing for granted: the last line may
be half written, the file may be cut, replaced or filled with garbage. A row counts only when it is whole and each
of its fields makes sense; anything else is put aside and counted, never guessed at.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from core.clock import Clock
from core.csv_tail import CsvTail
from core.events import Order
from core.rotating_file import RotatingFile
from core.text import escape
from core.vocabulary import OrderType, Side

ORDER_SUBMISSION_HEADER = (
    "wall_iso",
    "monotonic_ns",
    "run_id",
    "order_ref",
    "symbol",
    "side",
    "quantity",
    "order_type",
)
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class CsvLog:
    """Appends rows, each with one system call, so that a reader sees a row wholly or not yet.

    Parameters
    ----------
    path
        The file; it is rotated like a log.
    header
        Names of the columns.
    max_bytes, backups
        See ``core.rotating_file``.
    """

    def __init__(
        self, path: Path, header: Sequence[str], *, max_bytes: int = 20_000_000, backups: int = 5
    ) -> None:
        self._columns = len(header)
        self._file = RotatingFile(path, max_bytes=max_bytes, backups=backups, first_line=encode_row(header))

    def append(self, row: Sequence[object]) -> None:
        """Append one row.

        Raises
        ------
        OSError
            When it was not, or not wholly, written.
        """
        if len(row) != self._columns:
            raise ValueError(f"a row of {len(row)} values does not fit {self._columns} columns")
        self._file.write(encode_row(row))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def encode_row(row: Sequence[object]) -> bytes:
    """One CSV line. Text can neither begin a new line nor be read as a formula; numbers stay numbers."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([_cell(value) for value in row])
    return buffer.getvalue().encode("utf-8")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    text = escape(str(value), 500)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSubmission:
    """One order that main handed to the broker connection."""

    wall_iso: str
    monotonic_ns: int
    run_id: str
    order_ref: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType


class OrderSubmissionLog:
    """Main's list of the orders that it submitted (``logs/order_submissions.csv``).

    Parameters
    ----------
    path
        The file.
    run_id
        The run.
    max_bytes, backups
        See ``core.rotating_file``.
    """

    def __init__(self, path: Path, *, run_id: str, max_bytes: int = 20_000_000, backups: int = 5) -> None:
        self._run_id = run_id
        self._log = CsvLog(path, ORDER_SUBMISSION_HEADER, max_bytes=max_bytes, backups=backups)

    def append(self, order: Order, *, wall_ns: int, monotonic_ns: int) -> None:
        """Append the line of one order.

        Raises
        ------
        OSError
            When it was not, or not wholly, written.
        """
        moment = dt.datetime.fromtimestamp(wall_ns / 1e9, dt.UTC)
        self._log.append(
            (
                moment.isoformat(timespec="milliseconds"),
                monotonic_ns,
                self._run_id,
                order.order_ref,
                order.symbol,
                order.side,
                order.quantity,
                order.order_type,
            )
        )

    def close(self) -> None:
        """Close the file."""
        self._log.close()


class OrderSubmissionTail:
    """The watchdog's view of that file: each submission once, whatever happens to the file.

    Parameters
    ----------
    path
        The file; it may not exist yet.
    run_id
        Only submissions of this run are given; None for those of every run.
    clock
        Submissions of the future are left out; None when all are wanted.

    Notes
    -----
    The file outlives runs and reboots, and the monotonic clock begins anew with each boot. A line of another run, or
    of a time to come, must not decide which lines of this run are known already: everything new would be older.
    """

    def __init__(self, path: Path, *, run_id: str | None = None, clock: Clock | None = None) -> None:
        self._tail = CsvTail(path, ORDER_SUBMISSION_HEADER)
        self._run_id = run_id
        self._clock = clock
        self._newest_ns = 0
        self._known_until_ns = 0
        self._quarantined = 0

    def poll(self) -> list[OrderSubmission]:
        """Submissions that were added since the last call. Never waits; a file that can't be read gives none."""
        generation, newest_before_ns = self._tail.generation, self._newest_ns
        rows = self._tail.poll()
        # The time is asked after the reading: what was written meanwhile is not of the future.
        now_ns = None if self._clock is None else self._clock.monotonic_ns()
        if self._tail.generation != generation:
            # After a cut the file is read from its start again. The times in it rise, which tells what is known.
            self._known_until_ns = newest_before_ns
        found = []
        for row in rows:
            submission = _parse_submission(row)
            if submission is None:
                self._quarantined += 1
            elif self._is_wanted(submission, now_ns) and submission.monotonic_ns > self._known_until_ns:
                self._newest_ns = max(self._newest_ns, submission.monotonic_ns)
                found.append(submission)
        return found

    def _is_wanted(self, submission: OrderSubmission, now_ns: int | None) -> bool:
        is_ours = self._run_id is None or submission.run_id == self._run_id
        return is_ours and (now_ns is None or submission.monotonic_ns <= now_ns)

    @property
    def quarantined(self) -> int:
        """Lines that were no submissions: garbage, or torn by a crash."""
        return self._quarantined + self._tail.quarantined

    @property
    def restarts(self) -> int:
        """How often the file was cut or replaced."""
        return self._tail.restarts

    def close(self) -> None:
        """Close the file."""
        self._tail.close()


def _parse_submission(row: Sequence[str]) -> OrderSubmission | None:
    wall_iso, monotonic, run_id, order_ref, symbol, side, quantity, order_type = row
    try:
        dt.datetime.fromisoformat(wall_iso)
        submission = OrderSubmission(
            wall_iso=wall_iso,
            monotonic_ns=int(monotonic),
            run_id=run_id,
            order_ref=order_ref,
            symbol=symbol,
            side=Side(side),
            quantity=Decimal(quantity),
            order_type=OrderType(order_type),
        )
        is_whole = submission.quantity > 0 and submission.quantity.is_finite() and submission.monotonic_ns > 0
    except (ValueError, InvalidOperation):
        return None
    return submission if is_whole and run_id and order_ref and symbol else None
