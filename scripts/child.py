"""One supervised process.

A child writes its terminal text into a file, never into a pipe: a full pipe (a stopped terminal, a dead supervisor)
would block a process that trades. It lives in its own session, so that a Ctrl-C on the terminal reaches only
the supervisor, which stops the children in order. On Linux the kernel sends it SIGTERM should the supervisor
die, so that nothing is left behind even after a SIGKILL.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def _load_libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """A process with a name, an argument list and a console file.

    Parameters
    ----------
    name
        Name in messages (``main``, ``risk_monitor``, ``gateway``, ``panel``).
    arguments
        The program and its arguments.
    environment
        The whole environment of the process.
    folder
        Its working folder.
    console
        File that takes its standard output and error; None leaves them on the supervisor's own.
    descriptors
        Of ours that it inherits.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        console: Path | None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.name = name
        self._arguments = list(arguments)
        self._environment = dict(environment)
        self._folder = folder
        self._console = console
        self._descriptors = tuple(descriptors)
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """Start the process; a first start empties the console file, a restart appends to it."""
        libc, parent = _load_libc(), os.getpid()

        def in_child() -> None:  # between fork and exec
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            if libc is not None:
                libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
                if os.getppid() != parent:  # the supervisor died before the line above
                    os.kill(os.getpid(), signal.SIGTERM)

        console = self._open_console()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and the words are ours
                self._arguments,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                pass_fds=self._descriptors,
                preexec_fn=in_child,  # noqa: PLW1509 - the supervisor has one thread
            )
        finally:
            if console is not None:
                os.close(console)
        self.starts += 1

    def _open_console(self) -> int | None:
        if self._console is None:
            return None
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if self.starts == 0 else 0)
        try:
            return os.open(self._console, flags, 0o600)
        except OSError:
            # A full disk, or a folder that is gone: the watchdog has to come back all the same.
            return os.open(os.devnull, os.O_WRONLY)

    @property
    def pid(self) -> int | None:
        """Process id, or None before the first start."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code; None while it runs, -N when signal N ended it."""
        return self._process.poll() if self._process else None

    def send(self, number: signal.Signals) -> None:
        """Send a signal if it still runs."""
        if self._process is not None:
            self._process.send_signal(number)  # polls first, so a reused pid is never signalled

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended; False when it still runs after ``timeout_s``."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, timeout_s: float) -> bool:
        """SIGTERM, wait, and SIGKILL when that did not do; False when it took the SIGKILL."""
        if not self.is_running:
            return True
        self.send(signal.SIGTERM)
        if self.wait(timeout_s):
            return True
        self.send(signal.SIGKILL)
        self.wait(5.0)
        return False

    def trim_console(self, max_bytes: int) -> None:
        """Empty the console file once it exceeds ``max_bytes``; the JSON log keeps the same events."""
        if self._console is None:
            return
        # The child appends (O_APPEND), so its next line begins the emptied file. Somebody may have taken the file away.
        with suppress(OSError):
            if self._console.stat().st_size > max_bytes:
                os.truncate(self._console, 0)

    def read_console(self) -> str:
        """Return the text of the console file, at most its last 64 KiB."""
        if self._console is None:
            return ""
        try:
            with self._console.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 65_536))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


def wait_for_text(child: Child, text: str, deadline_s: float) -> str | None:
    """Wait until a console line starts with ``text``; returns the rest of that line, None when it never came."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        for line in child.read_console().splitlines(keepends=True):
            if line.startswith(text) and line.endswith("\n"):
                return line[len(text) :].strip()
        if not child.is_running:
            return None
        child.wait(0.05)
    return None
