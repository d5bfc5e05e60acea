"""Reads the lines that are added to a CSV file, also across rotation, cutting and damage."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_CHUNK = 256 * 1024
_MAX_CHUNKS = 64
_MAX_LINE_BYTES = 8 * 1024
_FINGERPRINT_BYTES = 64
# At the start a long file is read from near its end: older lines matter to nobody who watches rates.
_START_WINDOW_BYTES = 2 * 1024 * 1024


class CsvTail:
    """Follows one file.

    Parameters
    ----------
    path
        The file; it may not exist yet.
    header
        Names of the columns. The header line itself is skipped wherever it stands.
    """

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._path = path
        self._header = tuple(header)
        self._descriptor = -1
        self._offset = 0
        self._rest = b""
        self._skips_line = False
        self._fingerprint = b""
        self._was_opened = False
        self.quarantined = 0
        self.restarts = 0  # times that the file was found cut or overwritten
        self.generation = 0  # times that reading began at the start of a file

    def poll(self) -> list[tuple[str, ...]]:
        """Whole rows that were added since the last call, oldest first.

        Lines with another number of fields, without valid text, or too long are counted in ``quarantined``.
        A last line without its newline waits for it. Never waits; a file that can't be read gives no rows.
        """
        rows: list[tuple[str, ...]] = []
        try:
            if self._descriptor < 0 and not self._open():
                return rows
            if self._was_cut():
                self._begin_again()
            rows += self._read_rows()
            while self._was_replaced():  # the old file has been read to its end: go on with the new one
                self.close()
                if not self._open():
                    break
                rows += self._read_rows()
        except OSError:
            self.close()
        return rows

    def close(self) -> None:
        """Close the file; the next ``poll`` would open it anew."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> bool:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags)
        except OSError:
            return False
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self._quarantine_rest()
        self._offset, self._fingerprint, self._skips_line = 0, b"", False
        if not self._was_opened and found.st_size > _START_WINDOW_BYTES:
            self._offset = found.st_size - _START_WINDOW_BYTES
            self._skips_line = True  # the first line is cut by this
        self._was_opened = True
        self.generation += 1
        return True

    def _was_cut(self) -> bool:
        """Whether the bytes before the reading place are no longer those that were read."""
        if os.fstat(self._descriptor).st_size < self._offset:
            return True
        start = self._offset - len(self._fingerprint)
        return os.pread(self._descriptor, len(self._fingerprint), start) != self._fingerprint

    def _begin_again(self) -> None:
        self.restarts += 1
        self.generation += 1
        self._quarantine_rest()
        self._offset, self._fingerprint, self._skips_line = 0, b"", False

    def _was_replaced(self) -> bool:
        try:
            return not os.path.samestat(os.fstat(self._descriptor), self._path.lstat())
        except FileNotFoundError:  # just being rotated, or removed: look again at the next poll
            return False

    def _quarantine_rest(self) -> None:
        self.quarantined += bool(self._rest)
        self._rest = b""

    def _read_rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for _ in range(_MAX_CHUNKS):
            chunk = os.pread(self._descriptor, _CHUNK, self._offset)
            if not chunk:
                break
            self._offset += len(chunk)
            self._fingerprint = (self._fingerprint + chunk)[-_FINGERPRINT_BYTES:]
            rows += self._rows_of(chunk)
        return rows

    def _rows_of(self, chunk: bytes) -> Iterator[tuple[str, ...]]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if self._skips_line:
                self._skips_line = False
                continue
            row = self._parse(line)
            if row is not None:
                yield row
        if len(self._rest) > _MAX_LINE_BYTES:  # no line of ours: don't let it grow without bound
            self.quarantined += not self._skips_line
            self._rest, self._skips_line = b"", True

    def _parse(self, line: bytes) -> tuple[str, ...] | None:
        if not line:
            return None
        try:
            # Each row is one line: text with a newline in it is escaped by the writer.
            (fields,) = csv.reader([line.decode("utf-8")], strict=True)
        except (ValueError, csv.Error):
            self.quarantined += 1
            return None
        row = tuple(fields)
        if row == self._header:
            return None
        if len(row) != len(self._header):
            self.quarantined += 1
            return None
        return row
