"""Units with an engine room on a bad line: N1, N2, N7, N8."""

from __future__ import annotations

import random
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from core.vocabulary import ConnectionState
from paper_gateway.faults.links import garbage
from tests.chaos.outcome import Outcome, attempt
from tests.faults import bursts
from tests.faults.engine_room import QUICK, EngineRoom, RoomStage, engine_room
from tests.risk.stage import Stage

RESTARTS = 25
BURSTS = 80
FRAMES = 20_000
_HALF_OPEN = """
description: Main's connection loses its other end.
faults: [{kind: half_open, clients: [1], for_s: 30, control: gone}]
"""
_GARBAGE = f"""
description: Random frames among the good ones.
faults: [{{kind: garbage, count: {FRAMES // 10}, clients: [1], after_s: 0.5, repeat: 10}}]
"""


class _Maker:
    """Opens rooms, as the tests' fixture does."""

    def __init__(self, scratch: Path, stack: ExitStack) -> None:
        self._scratch, self._stack = scratch, stack
        self.stage: RoomStage | None = None

    def __call__(
        self, faults: str = "", *, seed: int = 1, environment: dict[str, str] | None = None
    ) -> EngineRoom:
        folder = self._scratch / "project"
        folder.mkdir(exist_ok=True)
        self.stage = RoomStage(folder, config=QUICK, faults=faults)
        self.stage.seed = seed
        self._stack.enter_context(self.stage)
        self.stage.environment |= {f"BACKSTOP__{name}": value for name, value in (environment or {}).items()}
        return self._stack.enter_context(engine_room(self.stage))


@contextmanager
def _maker(scratch: Path) -> Iterator[_Maker]:
    with ExitStack() as stack:
        yield _Maker(scratch, stack)


def half_open(seed: int, scratch: Path, keep: Path) -> Outcome:
    """N1: seconds until a half-open connection is found, with the probes' default times."""
    outcome = Outcome()
    with attempt(outcome, f"N1 seed {seed}", scratch / "project", keep), _maker(scratch) as make:
        main = make(_HALF_OPEN, seed=seed, environment={"BROKER__PROBE_INTERVAL_S": "2"})
        main.run_for(random.Random(seed).uniform(0.0, 2.0))
        main.stage.begin("gone")
        began = time.monotonic()
        main.run_until(lambda: main.parts.status.connection is not ConnectionState.READY, "the probe", 20.0)
        outcome.measure("found_s", time.monotonic() - began)
        outcome.look(main.stage)
    return outcome


def restarts(seed: int, scratch: Path, keep: Path) -> Outcome:
    """N2: the gateway restarts in bursts of orders."""
    outcome = Outcome()
    with (
        attempt(outcome, f"N2 seed {seed}", scratch / "project", keep, runs=RESTARTS),
        _maker(scratch) as make,
    ):
        outcome.measure("agree_s", bursts.burst_with_restarts(make, seed=seed, restarts=RESTARTS))
        assert make.stage is not None
        outcome.look(make.stage)
    return outcome


def disorder(seed: int, scratch: Path, keep: Path) -> Outcome:
    """N8: callbacks dropped, doubled and reordered; each burst draws a disorder of its own from the seed."""
    outcome = Outcome()
    with attempt(outcome, f"N8 seed {seed}", scratch / "project", keep, runs=BURSTS), _maker(scratch) as make:
        main = make(bursts.DISORDER, seed=seed)
        for number in range(BURSTS):
            outcome.measure("agree_s", bursts.trade_in_disorder(main, random.Random(f"{seed}/{number}")))
        outcome.look(main.stage)
    return outcome


def fuzzed_frames(seed: int, scratch: Path, keep: Path) -> Outcome:
    """N7: random frames to main and to the gateway."""
    outcome, chance = Outcome(), random.Random(seed)
    with (
        attempt(outcome, f"N7 seed {seed}", scratch / "project", keep, runs=2 * FRAMES),
        _maker(scratch) as make,
    ):
        main = make(_GARBAGE, seed=seed)
        main.stage.excused["G4"] = "random frames may tell of fills that never were"
        threads, memory = threading.active_count(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        main.run_until(
            lambda: main.stage.output("gateway").count("kind=garbage began=False") >= 10, "the garbage", 120.0
        )
        main.run_until(lambda: main.conditions.connected and main.conditions.reconciled, "good order", 60.0)
        _throw_at_gateway(main.stage, chance)
        assert main.stage.processes[0].poll() is None, main.stage.output("gateway")[-3000:]
        assert threading.active_count() <= threads + 2
        outcome.measure("memory_mb", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024)
        outcome.look(main.stage)
    return outcome


def _throw_at_gateway(stage: Stage, chance: random.Random) -> None:
    sent = 0
    while sent < FRAMES:
        with socket.create_connection(("127.0.0.1", stage.port)) as client:
            client.settimeout(5.0)
            try:
                client.sendall(
                    b"API\0"
                    + struct.pack("!I", 9)
                    + b"v100..157"
                    + struct.pack("!I", 8)
                    + b"71\x002\x0044\0\0"
                )
                for _ in range(500):
                    sent += 1
                    client.sendall(garbage(chance))
            except OSError:
                continue
