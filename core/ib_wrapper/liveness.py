"""Is the connection alive? Decided from what was received and what the kernel could deliver, never from a flag.

Pure: the keeper gives it the time and the figures and does what the verdict says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SLEPT_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of the connection at one moment.

    ``acknowledged`` counts the bytes that the peer's kernel has confirmed, ``unacknowledged`` those it has not,
    ``stalled_ns`` how long our own kernel has refused to take bytes.
    """

    now_ns: int
    last_received_ns: int
    stalled_ns: int
    acknowledged: int
    unacknowledged: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Send a probe, or give the connection up for the reason ``lost``."""

    probe: bool = False
    lost: str | None = None


class Liveness:
    """Watches one connection.

    Parameters
    ----------
    probe_interval_s
        A probe is due when nothing has been received for so long.
    probe_timeout_s
        The connection is lost when nothing is received for so long after a probe, or when the peer takes none of
        our bytes for so long.
    """

    def __init__(self, probe_interval_s: float, probe_timeout_s: float) -> None:
        self._interval_ns = round(probe_interval_s * 1e9)
        self._timeout_ns = round(probe_timeout_s * 1e9)
        self._probed_ns: int | None = None
        self._checked_ns: int | None = None
        self._excused_ns = 0
        self._acknowledged = 0
        self._progress_ns = 0

    def check(self, figures: Figures) -> Verdict:
        """Verdict on the figures; to be called often (every 0.1 s or so)."""
        now = figures.now_ns
        if self._checked_ns is None:
            self._progress_ns = now
        elif now - self._checked_ns > _SLEPT_NS:
            # This process was stopped (SIGSTOP, a suspended machine): the silence was ours. Ask anew.
            self._excused_ns = now
            self._probed_ns = None
            self._progress_ns = now
        self._checked_ns = now
        undelivered = self._undelivered(figures)
        if undelivered is not None:
            return Verdict(lost=undelivered)
        return self._silence(figures)

    def _undelivered(self, figures: Figures) -> str | None:
        if figures.stalled_ns >= self._timeout_ns and self._excused_ns + self._timeout_ns <= figures.now_ns:
            return "the peer takes none of our bytes (its window is closed)"
        if figures.unacknowledged == 0 or figures.acknowledged != self._acknowledged:
            self._acknowledged = figures.acknowledged
            self._progress_ns = figures.now_ns
        elif figures.now_ns - self._progress_ns >= self._timeout_ns:
            return f"the peer has not acknowledged {figures.unacknowledged} bytes"
        return None

    def _silence(self, figures: Figures) -> Verdict:
        now = figures.now_ns
        if self._probed_ns is not None:
            if figures.last_received_ns > self._probed_ns:
                self._probed_ns = None
            elif now - self._probed_ns >= self._timeout_ns:
                silent_s = (now - max(figures.last_received_ns, self._excused_ns)) / 1e9
                return Verdict(lost=f"no answer to a probe, nothing received for {silent_s:.1f} s")
            else:
                return Verdict()
        if now - max(figures.last_received_ns, self._excused_ns) >= self._interval_ns:
            self._probed_ns = now
            return Verdict(probe=True)
        return Verdict()
