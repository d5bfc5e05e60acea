"""New lines of the console files, for a panel to pass on."""

from __future__ import annotations

import re
from pathlib import Path

_CHUNK = 65_536


class ConsoleTail:
    """Follows one file that another process appends to and now and then empties.

    Parameters
    ----------
    name
        Goes before each line.
    path
        The file; it need not exist yet.
    offset
        Byte to begin at.
    """

    def __init__(self, name: str, path: Path, offset: int = 0) -> None:
        self.name = name
        self._path = path
        self._offset = offset
        self._torn = b""

    def read_lines(self) -> list[str]:
        """Complete lines that are new since the last call, harmless to any terminal."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:  # emptied meanwhile
                    self._offset, self._torn = 0, b""
                file.seek(self._offset)
                chunk = file.read(_CHUNK)
        except OSError:
            return []
        self._offset += len(chunk)
        *lines, self._torn = (self._torn + chunk).split(b"\n")
        if len(self._torn) > _CHUNK:  # no line is that long; don't keep it growing
            self._torn = b""
        return [_harmless(line) for line in lines if line.strip()]


class Rationing:
    """Lets a few everyday lines of each interval through, and every line that tells of trouble.

    Parameters
    ----------
    most
        Everyday lines in an interval; None for all.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._shown = self._held_back = 0

    def admits(self, line: str) -> bool:
        """Whether to show a line."""
        everyday = re.match(r"[0-9:]+ info ", line) is not None
        if self._most is None or not everyday:
            return True
        if self._shown < self._most:
            self._shown += 1
            return True
        self._held_back += 1
        return False

    def begin_interval(self) -> int:
        """Begin the next interval; returns how many lines were held back in the last."""
        held_back, self._shown, self._held_back = self._held_back, 0, 0
        return held_back


def _harmless(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip()
    return "".join(character if character.isprintable() else "�" for character in text.expandtabs(4))
