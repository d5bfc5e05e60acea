"""One instance at a time, and telling whether the process that a file names is still that very process."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from core.errors import AlreadyRunning

_MAX_BODY_BYTES = 4096
_START_TICKS_FIELD = 22  # of /proc/<pid>/stat, see proc(5)
_MACHINE_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOwner:
    """Process that holds, or last held, a lock.

    ``start_ticks`` is when it began, in clock ticks since the machine started: with it a process id that was
    given to another process in the meantime is told apart.
    """

    pid: int
    run_id: str
    boot_id: str
    start_ticks: int
    machine_boot_id: str

    def is_running(self) -> bool:
        """Whether that very process still lives."""
        return self.machine_boot_id == machine_boot_id() and process_start_ticks(self.pid) == self.start_ticks


class InstanceLock:
    """Lock file that one process holds for as long as it lives; the kernel frees it whatever way that ends.

    The file is never removed: its body still names the last owner afterwards.

    Parameters
    ----------
    path
        The lock file; its folder is made when missing.
    run_id, boot_id
        Written into it, beside the process id.
    """

    def __init__(self, path: Path, *, run_id: str = "", boot_id: str = "") -> None:
        self.path = path
        self._run_id, self._boot_id = run_id, boot_id
        self._descriptor: int | None = None

    def acquire(self) -> Self:
        """Take the lock.

        Raises
        ------
        AlreadyRunning
            When another process holds it; the text names it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while self._descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_same_file(descriptor, self.path):  # else it was removed between the two lines above
                    self._descriptor = descriptor
            except BlockingIOError:
                raise AlreadyRunning(_describe_holder(self.path)) from None
            finally:
                if self._descriptor is None:
                    os.close(descriptor)
        self.describe(run_id=self._run_id, boot_id=self._boot_id)
        return self

    def describe(self, *, run_id: str, boot_id: str = "") -> None:
        """Write the body anew, when the run id is known only after the lock was taken."""
        if self._descriptor is None:
            raise RuntimeError(f"the lock {self.path} is not held")
        self._run_id, self._boot_id = run_id, boot_id
        body = {
            "pid": os.getpid(),
            "run_id": run_id,
            "boot_id": boot_id,
            "start_ticks": process_start_ticks(os.getpid()),
            "machine_boot_id": machine_boot_id(),
        }
        # In place, because a new file would not be the locked one; shorter bodies are filled up with blanks.
        os.pwrite(self._descriptor, json.dumps(body).ljust(511).encode() + b"\n", 0)

    def release(self) -> None:
        """Free the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def read_owner(path: Path) -> LockOwner | None:
    """Process named in a lock file, alive or not; None when there is no file or its body can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        body = json.loads(os.read(descriptor, _MAX_BODY_BYTES))
        owner = LockOwner(**body)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    finally:
        os.close(descriptor)
    numbers_fit = type(owner.pid) is int and owner.pid > 0 and type(owner.start_ticks) is int
    return owner if numbers_fit else None


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock file right now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def process_start_ticks(pid: int) -> int | None:
    """When process ``pid`` began, in clock ticks since the machine started; None when no such process lives.

    A zombie does not live. Where there is no ``/proc`` the ticks are hundredths of a second since the epoch.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return None if _MACHINE_BOOT_ID.exists() else _start_ticks_elsewhere(pid)
    except OSError:  # it ended while its file was being read
        return None
    # The name stands in brackets and may hold blanks and brackets itself, so fields are counted after the last one.
    fields = text[text.rindex(b")") + 1 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[_START_TICKS_FIELD - 3])


def machine_boot_id() -> str:
    """Another text after each start of the machine; empty where the system has none."""
    try:
        return _MACHINE_BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _start_ticks_elsewhere(pid: int) -> int | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else round(process.create_time() * 100)
    except psutil.NoSuchProcess:
        return None


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _describe_holder(path: Path) -> str:
    owner = read_owner(path)
    who = f"process {owner.pid}, run {owner.run_id or 'not known'}" if owner else "another process"
    return f"{who} holds {path}"
