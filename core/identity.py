"""Who a process is: its name, the run that it belongs to, this incarnation, and the key that it signs with."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ConfigError

RUN_ID_VARIABLE = "BACKSTOP_RUN_ID"
IPC_KEY_VARIABLE = "BACKSTOP_IPC_KEY"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{3,63}")
_MIN_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A process of one run. ``boot_id`` is another one after each restart of the process."""

    process: str
    run_id: str
    boot_id: str
    run_id_was_made: bool = False

    @classmethod
    def from_environ(cls, process: str, environ: Mapping[str, str]) -> Identity:
        """Identity with the run id of the environment; without one (a process run by hand) a new one is made.

        Raises
        ------
        ConfigError
            When the run id has characters that don't belong into file names and order references.
        """
        given = environ.get(RUN_ID_VARIABLE, "")
        if given and not _RUN_ID.fullmatch(given):
            raise ConfigError(
                [
                    f"environment {RUN_ID_VARIABLE}: {given!r} is no run id: 4 to 64 letters, digits, '.', '_' and '-'"
                ]
            )
        return cls(
            process=process,
            run_id=given or new_run_id(),
            boot_id=secrets.token_hex(8),
            run_id_was_made=not given,
        )


def new_run_id() -> str:
    """Eight hex digits of the second, so that ids sort by time, and a random tail."""
    return f"{int(time.time()):08x}-{secrets.token_hex(3)}"


def read_ipc_key(environ: Mapping[str, str]) -> bytes:
    """Key with which the processes of a run sign what they say to each other.

    Raises
    ------
    ConfigError
        When it is missing, no hex number, or shorter than 32 bytes. The text never shows it.
    """
    text = environ.get(IPC_KEY_VARIABLE, "")
    how = f"needs at least {_MIN_KEY_BYTES} bytes as hex digits (run_system.sh makes one for each run)"
    if not text:
        raise ConfigError([f"environment {IPC_KEY_VARIABLE}: not set; it {how}"])
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise ConfigError([f"environment {IPC_KEY_VARIABLE}: its value is no hex number; it {how}"]) from None
    if len(key) < _MIN_KEY_BYTES:
        raise ConfigError([f"environment {IPC_KEY_VARIABLE}: {len(key)} bytes are too short; it {how}"])
    return key
