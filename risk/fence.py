"""The fence: after it, main can send no further order. It never waits; the watchdog's loop polls it.

First main is asked: HALT over the signed command channel, answered "order lane closed" by a thread of its own. When no
such answer comes in time (main is stopped, stuck or gone) its process is ended by SIGKILL. Which process that is, says
the lock file that main holds; it is signalled through a pidfd and only if the kernel's start time for that pid is the
one that main wrote down, so a foreign process that got the pid of a dead main is never hit.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zmq

from core.clock import Clock
from core.ipc import Command, CommandClient
from core.locks import LockOwner, is_locked, read_owner
from risk.kill_messages import FenceOutcome

_EXIT_WAIT_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceResult:
    """How the fence ended."""

    outcome: FenceOutcome
    detail: str


class Fence:
    """Stops main, politely or not.

    Parameters
    ----------
    commands
        Client of main's command channel.
    lock_path
        Main's lock file, which names its process.
    run_id
        Only a main of this run is signalled.
    timeout_s
        How long main may take to answer HALT.
    heard
        The process that main's heartbeats name: known even when the lock file is gone or unreadable.
    """

    def __init__(
        self,
        commands: CommandClient,
        *,
        lock_path: Path,
        run_id: str,
        timeout_s: float,
        clock: Clock,
        heard: Callable[[], LockOwner | None] = lambda: None,
    ) -> None:
        self._commands = commands
        self._lock_path = lock_path
        self._run_id = run_id
        self._timeout_ns = round(timeout_s * 1e9)
        self._clock = clock
        self._heard = heard
        self._deadline_ns: int | None = None
        self._pidfd: int | None = None
        self._pid = 0
        self._exit_deadline_ns = 0

    def begin(self, reason: str) -> None:
        """Ask main to halt. Calling it again while it is under way changes nothing."""
        if self.is_raised:
            return
        self._deadline_ns = self._clock.monotonic_ns() + self._timeout_ns
        try:
            self._commands.begin(Command.HALT, {"reason": reason})
        except zmq.ZMQError:
            self._deadline_ns = 0  # nobody to ask: go on to the process at once

    @property
    def is_raised(self) -> bool:
        """Whether it is under way."""
        return self._deadline_ns is not None

    def poll(self) -> FenceResult | None:
        """Move on; the result, once, when there is one."""
        if self._deadline_ns is None:
            return None
        if self._pidfd is not None:
            result = self._await_exit(self._pidfd)
        else:
            result = self._await_reply(self._deadline_ns)
        if result is not None:
            self.close()
        return result

    def close(self) -> None:
        """Give up what is under way."""
        self._deadline_ns = None
        self._commands.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _await_reply(self, deadline: int) -> FenceResult | None:
        reply = self._commands.poll()
        if reply is not None and reply.is_order_lane_closed:
            return FenceResult(outcome=FenceOutcome.ACKNOWLEDGED, detail=f"boot {reply.boot_id}")
        now = self._clock.monotonic_ns()
        owner = self._owner()
        if owner is None or not owner.is_running():
            if is_locked(self._lock_path):
                detail = f"{self._lock_path} is held, but does not say by whom"
                return FenceResult(outcome=FenceOutcome.FAILED, detail=detail) if now >= deadline else None
            # Nobody is there to answer; do not wait for it.
            return FenceResult(outcome=FenceOutcome.ABSENT, detail="main does not run")
        if now < deadline:
            return None
        return self._end_process(owner, now)

    def _owner(self) -> LockOwner | None:
        """Main's process: the one in the lock file, or while that names no living one, the one that was heard."""
        named = read_owner(self._lock_path)
        if named is not None and named.is_running():
            return named
        return self._heard() or named

    def _end_process(self, owner: LockOwner, now_ns: int) -> FenceResult | None:
        if owner.run_id != self._run_id:
            detail = (
                f"pid {owner.pid} holds main's lock for another run ({owner.run_id}); it is not signalled"
            )
            return FenceResult(outcome=FenceOutcome.FAILED, detail=detail)
        try:
            pidfd = os.pidfd_open(owner.pid)
        except OSError as error:
            return _failed_signal(owner.pid, error)
        self._pidfd, self._pid = pidfd, owner.pid
        # The pidfd pins the process; only now is its identity worth checking.
        if not owner.is_running():
            return FenceResult(
                outcome=FenceOutcome.ABSENT, detail=f"pid {owner.pid} belongs to another process"
            )
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except OSError as error:
            return _failed_signal(owner.pid, error)
        self._exit_deadline_ns = now_ns + _EXIT_WAIT_NS
        return self._await_exit(pidfd)

    def _await_exit(self, pidfd: int) -> FenceResult | None:
        """Wait, without waiting, for the kernel to say that the process has ended."""
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        if poller.poll(0):
            return FenceResult(outcome=FenceOutcome.KILLED, detail=f"SIGKILL ended pid {self._pid}")
        if self._clock.monotonic_ns() < self._exit_deadline_ns:
            return None
        detail = f"pid {self._pid} has not ended after SIGKILL"
        return FenceResult(outcome=FenceOutcome.FAILED, detail=detail)


def _failed_signal(pid: int, error: OSError) -> FenceResult:
    if isinstance(error, ProcessLookupError):
        return FenceResult(outcome=FenceOutcome.ABSENT, detail=f"pid {pid} is gone")
    return FenceResult(outcome=FenceOutcome.FAILED, detail=f"pid {pid} can't be ended: {error.strerror}")
