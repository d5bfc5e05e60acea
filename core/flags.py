"""Kill flags: files whose mere existence stops trading.

``KILL_NOW.flag`` is made by an operator (``touch`` is enough), ``KILL.flag`` by the watchdog. Anything of that
name counts: a file, a folder, a FIFO, a symlink that leads nowhere. The question whether one exists is asked a
hundred times a second on the way to each order, so it is two or three ``stat`` calls and nothing else; a body
is looked at only once a flag stands, and then so that no kind of file can make the reader wait.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.atomic_file import sync_folder, write_atomic
from core.canonical import dump
from core.clock import Clock, SystemClock
from core.text import escape

KILL_NOW_NAME = "KILL_NOW.flag"
KILL_NAME = "KILL.flag"
ARCHIVE_NAME = "archive"
_MAX_BODY_BYTES = 64 * 1024
_FILE_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class FlagKind(StrEnum):
    """Which flag stands. ``UNREADABLE``: nobody can tell, which is as bad as a flag."""

    NONE = "none"
    KILL_NOW = "kill_now"
    KILL = "kill"
    UNREADABLE = "unreadable"


HOW_TO_REARM = 'Look at the account at the broker first (docs/runbook.md), then: ./run_system.sh --rearm "what happened and why it is safe"'
_NO_FLAGS = (
    "Nobody may trade where flags can't be seen. Make the folder, writable for you (mkdir flags), and look whether a "
    "KILL.flag was in it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagState:
    """Answer of ``FlagFolder.present``.

    ``detail`` is one line for humans; ``mtime_ns`` the wall-clock time at which the flag was made, 0 if none.
    """

    kind: FlagKind
    detail: str = ""
    mtime_ns: int = 0

    @property
    def stands(self) -> bool:
        """Whether trading is forbidden."""
        return self.kind is not FlagKind.NONE

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _NO_FLAGS if self.kind is FlagKind.UNREADABLE else HOW_TO_REARM


_NO_FLAG = FlagState(kind=FlagKind.NONE)


class FlagFolder:
    """The folder of the flags.

    Parameters
    ----------
    path
        The folder. It has to exist: a missing one reads as ``UNREADABLE``.
    clock
        Names what is archived.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path = path
        self.kill_now_path = path / KILL_NOW_NAME
        self.kill_path = path / KILL_NAME
        self._clock = clock or SystemClock()
        # Plain text, because a Path would be converted at each of the many calls.
        self._folder_text = str(path)
        self._watched = ((str(self.kill_now_path), FlagKind.KILL_NOW), (str(self.kill_path), FlagKind.KILL))

    def present(self) -> FlagState:
        """Which flag stands, the operator's first. Never raises and never waits for anybody."""
        try:
            # Without this a folder that has been removed or unmounted would read as one without flags.
            if not stat.S_ISDIR(os.stat(self._folder_text).st_mode):  # noqa: PTH116 - in a hot path
                return FlagState(kind=FlagKind.UNREADABLE, detail=f"{self._folder_text} is no folder")
            for path, kind in self._watched:
                try:
                    found = os.lstat(path)
                except FileNotFoundError:
                    continue
                return FlagState(kind=kind, detail=_describe(path, found), mtime_ns=found.st_mtime_ns)
        except OSError as error:
            return FlagState(
                kind=FlagKind.UNREADABLE, detail=f"{error.strerror or error}: {self._folder_text}"
            )
        return _NO_FLAG

    def standing(self) -> tuple[str, ...]:
        """Names of all flags that stand; more than one can."""
        return tuple(path.name for path in (self.kill_now_path, self.kill_path) if os.path.lexists(path))

    def read_kill(self) -> dict[str, object] | None:
        """Body of the watchdog's flag; None when there is none or it is no JSON object."""
        try:
            body = json.loads(_read_body(str(self.kill_path)))
        except (OSError, ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) else None

    def write_kill(self, body: Mapping[str, object]) -> None:
        """Raise the watchdog's flag, durably: it stands on return, also after a power cut.

        Parameters
        ----------
        body
            Reason, figures, time, run id; written as JSON.

        Raises
        ------
        OSError
            When it can't be written. The caller goes on with the kill all the same, and alerts.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            write_atomic(self.kill_path, (dump(body) + "\n").encode(), mode=0o644)
        except IsADirectoryError:
            return  # somebody made a folder of that name: it counts as the flag

    def clear(self) -> tuple[Path, ...]:
        """Move all flags into the archive, for re-arming. Nothing is deleted.

        Returns
        -------
        tuple of Path
            Where they now stand; empty when there were none.

        Raises
        ------
        OSError
            When one can't be moved; the others may have been.
        """
        archive = self.path / ARCHIVE_NAME
        archive.mkdir(exist_ok=True)
        if archive.is_symlink():
            raise OSError(f"{archive} is a symlink; flags are archived in a real folder only")
        moment = dt.datetime.fromtimestamp(self._clock.now_ns() / 1e9, dt.UTC)
        moved = []
        for name in self.standing():
            target = _unused(archive / f"{moment:%Y%m%dT%H%M%S.%f}Z-{name}")
            (self.path / name).rename(target)  # moves a FIFO or a folder just as well
            moved.append(target)
        if moved:
            sync_folder(archive)
            sync_folder(self.path)
        return tuple(moved)


def _unused(path: Path) -> Path:
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _describe(path: str, found: os.stat_result) -> str:
    """One line about a flag; its reason, when it is a small regular file that holds one."""
    kind = _FILE_TYPES.get(stat.S_IFMT(found.st_mode), "entry")
    if kind != "file":
        return f"a {kind}"
    if found.st_size == 0:
        return "an empty file"
    try:
        body = _read_body(path).decode("utf-8", "replace").strip()
    except OSError as error:
        return f"a file of {found.st_size} bytes that can't be read: {error.strerror or error}"
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict) and isinstance(parsed.get("reason"), str):
        body = parsed["reason"]
    lines = body.splitlines()
    return escape(lines[0], 200) if lines else f"a file of {found.st_size} bytes"


def _read_body(path: str) -> bytes:
    """First 64 KiB of a regular file. Whatever else stands there is not opened, or not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        return os.read(descriptor, _MAX_BODY_BYTES)
    finally:
        os.close(descriptor)
