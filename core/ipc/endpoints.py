"""Where the sockets are: a folder that only this user can enter."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import StopTrading

# The kernel takes at most 107 bytes for the path of a unix socket.
_MAX_SOCKET_PATH = 107
_NAMES = ("main.heartbeat", "watchdog.heartbeat", "main.commands")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses of the sockets of one project folder; every process of it computes the same."""

    folder: Path
    main_heartbeat: str
    watchdog_heartbeat: str
    main_commands: str

    @classmethod
    def for_state(cls, control: Path) -> Endpoints:
        """Endpoints that belong to the control folder ``control``; their folder is made when missing.

        They live in ``control/ipc``, which stays when a login session ends or temporary files are cleaned up; where
        that path is too long for a socket, in a folder of this user's in the temporary folder.

        Raises
        ------
        StopTrading
            When the folder is a symlink, belongs to another user, or others may enter it.
        """
        control = control.resolve()
        folder = control / "ipc"
        if max(len(os.fsencode(folder / name)) for name in _NAMES) > _MAX_SOCKET_PATH:
            base = Path(tempfile.gettempdir()) / f"backstop-{os.geteuid()}"
            _ensure_private(base)
            folder = base / hashlib.sha256(os.fsencode(control)).hexdigest()[:16]
        else:
            control.mkdir(parents=True, exist_ok=True)
        _ensure_private(folder)
        main_heartbeat, watchdog_heartbeat, main_commands = (f"ipc://{folder / name}" for name in _NAMES)
        return cls(
            folder=folder,
            main_heartbeat=main_heartbeat,
            watchdog_heartbeat=watchdog_heartbeat,
            main_commands=main_commands,
        )


def _ensure_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise StopTrading(
            f"the folder {folder} for sockets can't be made: {error.strerror or error}"
        ) from error
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise StopTrading(f"{folder} must be a folder of its own, not a link or a file")
    if found.st_uid != os.geteuid():
        raise StopTrading(f"{folder} belongs to another user (uid {found.st_uid})")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise StopTrading(f"{folder} is open to other users: chmod 700 {folder}")
