"""One connection's bad line: bytes late, unread, unwritten, thrown away, or garbage."""

from __future__ import annotations

import random
from collections.abc import Callable

from paper_gateway.codec import encode_field, encode_fields, frame
from paper_gateway.faults.scenario import Garbage, HalfOpen, Latency, Reset, ZeroWindow
from paper_gateway.faults.schedule import Schedule
from paper_gateway.hooks import Wire

Later = Callable[[float, Callable[[], None]], None]


class FaultyLink:
    """Stands between a socket and its session.

    Parameters
    ----------
    wire
        The connection.
    schedule
        Which faults are active.
    later, now
        Runs a call after so many seconds; seconds of wall time.
    on_closed
        Called once, when the connection is gone.
    """

    def __init__(
        self,
        wire: Wire,
        schedule: Schedule,
        *,
        later: Later,
        now: Callable[[], float],
        on_closed: Callable[[FaultyLink], None],
    ) -> None:
        self.wire = wire
        self._schedule = schedule
        self._later = later
        self._now = now
        self._free_in = self._free_out = 0.0
        self._on_closed = on_closed
        self._is_closed = False
        self.is_dead = False
        """Its other end is gone without a word: nothing is read and nothing written."""
        self.answers_from_s = 0.0
        """Until then what comes stays unread."""

    def received(self, data: bytes) -> None:
        """Take bytes from the client."""
        delay_s = self._delay(lambda fault, chance: fault.in_s.draw(chance))
        self._free_in = self._pass(self._free_in, delay_s, lambda: self.wire.deliver(data))

    def write(self, data: bytes) -> None:
        """Take bytes for the client."""
        if self.is_dead:
            return
        delay_s = self._delay(lambda fault, chance: fault.out_s.draw(chance))
        self._free_out = self._pass(self._free_out, delay_s, lambda: self.wire.put(data))

    def closed(self) -> None:
        """Hear that the connection is gone."""
        self._is_closed = True
        self._on_closed(self)

    def follow(self) -> None:
        """Bring reading into line with the faults that are active now."""
        client_id = self.wire.client_id
        # A line that came after the trouble had begun is a new one, and good: only ``suffer`` ends one.
        self.is_dead = self.is_dead and bool(self._schedule.active(HalfOpen, client_id))
        is_shut = bool(self._schedule.active(ZeroWindow, client_id)) or self._now() < self.answers_from_s
        self.wire.read_on(wanted=not (self.is_dead or is_shut))

    def suffer(self, fault: HalfOpen | Reset | Garbage, chance: random.Random) -> None:
        """Lose the other end, be reset, or get garbage."""
        match fault:
            case HalfOpen():
                self.is_dead = True
                self.follow()
            case Reset():
                self.wire.reset()
            case Garbage():
                for _ in range(fault.count):
                    self.wire.put(garbage(chance) if fault.mode == "frames" else chance.randbytes(64))

    def _delay(self, draw: Callable[[Latency, random.Random], float]) -> float:
        return sum(
            draw(fault, chance) for fault, chance in self._schedule.active(Latency, self.wire.client_id)
        )

    def _pass(self, free_s: float, delay_s: float, act: Callable[[], None]) -> float:
        """Act now, or later and behind what waits already; return from when the line is free."""
        now = self._now()
        due_s = max(now + delay_s, free_s + 1e-6 if free_s else 0.0)
        if due_s <= now:
            act()
            return 0.0

        def act_unless_closed() -> None:
            if not self._is_closed:
                act()

        self._later(due_s - now, act_unless_closed)
        return due_s


def garbage(chance: random.Random) -> bytes:
    """One frame that may look like a message, with random fields."""
    fields = [
        chance.choice(
            (chance.randint(-5, 120), chance.random() * 1e6, "", "x" * chance.randint(0, 20), "nan")
        )
        for _ in range(chance.randint(0, 30))
    ]
    texts = [encode_field(field) for field in fields]
    return frame(encode_fields(chance.randint(-1, 110), *texts))
