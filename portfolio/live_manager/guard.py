"""What forbids orders from outside the engine: kill flags, and the lease that the watchdog's heartbeat grants.

Fail closed: a flag folder that can't be read is as bad as a flag, and no fresh heartbeat means no lease.
"""

from __future__ import annotations

from core.clock import Clock
from core.events import Halt
from core.flags import FlagFolder
from core.halts import halt_of_flag
from core.ipc.heartbeat import HeartbeatListener


class Guard:
    """Polls flags and lease.

    Parameters
    ----------
    flags
        The flag folder.
    watchdog
        Listener on the watchdog's heartbeat.
    lease_s
        Age beyond which a heartbeat grants nothing.
    clock
        Heartbeats age on the monotonic clock, from the moment at which the watchdog sent them.
    """

    def __init__(
        self, *, flags: FlagFolder, watchdog: HeartbeatListener, lease_s: float, clock: Clock
    ) -> None:
        self._flags = flags
        self._watchdog = watchdog
        self._lease_ns = round(lease_s * 1e9)
        self._clock = clock

    def flag_halt(self) -> Halt | None:
        """Halt that a standing flag asks for; None when there is none."""
        return halt_of_flag(self._flags.present())

    def has_lease(self) -> bool:
        """Whether the watchdog watches, says so, and said so recently enough to open risk under it."""
        self._watchdog.poll()
        last = self._watchdog.last
        if last is None or last.body.get("lease") is not True:
            return False
        return self._clock.monotonic_ns() - last.monotonic_ns <= self._lease_ns
