"""A file of lines that is appended to, one system call a line, and rotated before it grows too large."""

from __future__ import annotations

import os
from pathlib import Path


class RotatingFile:
    """Appends whole lines. One process writes; its threads take turns outside.

    When the file would exceed ``max_bytes`` it becomes ``name.1``, the former ``name.1`` becomes ``name.2``, and
    so on; beyond ``backups`` they are deleted. So a flood of lines costs at most ``max_bytes * (backups + 1)``.

    Parameters
    ----------
    path
        The file; its folder is made when missing. A symlink of that name is refused.
    max_bytes, backups
        See above.
    first_line
        Written at the head of each new file (a header), with its newline.

    Raises
    ------
    OSError
        When the file can't be opened.
    """

    def __init__(self, path: Path, *, max_bytes: int, backups: int, first_line: bytes = b"") -> None:
        self.path = path
        self._max_bytes, self._backups = max_bytes, backups
        self._first_line = first_line
        self._descriptor = -1
        self._size = 0
        self._is_torn = False
        self._open()

    def write(self, line: bytes) -> None:
        """Append one line, given with its newline.

        Raises
        ------
        OSError
            When it was not, or not wholly, written. What was torn off is closed by a newline of its own before the
            next line, so that no line is ever glued to the rest of another.
        """
        if self._descriptor < 0:
            self._open()
        if self._size + len(line) > self._max_bytes and self._size > len(self._first_line):
            self._rotate()
        data = b"\n" + line if self._is_torn else line
        written = os.write(self._descriptor, data)
        self._size += written
        self._is_torn = written < len(data)
        if self._is_torn:
            raise OSError(f"{self.path}: only {written} of {len(data)} bytes were written")

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        # A crash may have left the last line without its end.
        self._is_torn = self._size > 0 and os.pread(self._descriptor, 1, self._size - 1) != b"\n"
        if self._size == 0 and self._first_line:
            self.write(self._first_line)

    def _rotate(self) -> None:
        self.close()
        for number in range(self._backups - 1, -1, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path
