"""New lines of the console files, for a panel to pass on."""

from __future__ import annotations

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
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._offset = 0
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


def _harmless(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip()
    return "".join(character if character.isprintable() else "�" for character in text.expandtabs(4))
