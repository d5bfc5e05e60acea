"""A small disk for the tests of full and read-only ones."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest


class SmallDisk:
    """A memory disk under a folder, that can be filled and made read-only. Needs the right to mount."""

    def __init__(self, folder: Path, size: str = "4m") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        done = self._call("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
        if done.returncode:
            pytest.skip(f"no right to mount: {done.stderr.strip()}")

    def fill(self) -> None:
        """Leave not a byte."""
        with suppress(OSError), (self.folder / "filler").open("ab", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)

    def make_read_only(self) -> None:
        """Refuse every write; a folder only, that no process writes to now."""
        done = self._call("mount", "-o", "remount,ro", str(self.folder))
        assert done.returncode == 0, done.stderr

    def close(self) -> None:
        """Take the disk away."""
        self._call("umount", "-l", str(self.folder))

    @staticmethod
    def _call(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False)
