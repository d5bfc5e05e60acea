"""Deterministic simulation: pure cores on a simulated clock and network, a thousand seeds a unit.

``SIMULATIONS`` is the hook: each entry plays one seed and raises when an invariant is violated.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from risk.kill_messages import FenceOutcome
from tests.chaos.outcome import Outcome, attempt
from tests.risk.simulated_broker import SYMBOLS, Troubles, World
from tests.simulation.quiet import without_logs
from tests.simulation.world import play

SEEDS = 1000


def play_kill(seed: int) -> None:
    """Play the kill sequence against a broker that is late, forgetful and moody."""
    chance = random.Random(seed)
    troubles = Troubles(
        lost_answers=chance.choice((0.0, 0.1, 0.4)),
        lost_statuses=chance.choice((0.0, 0.3, 1.0)),
        disconnects=chance.randint(0, 3),
        restarts=chance.randint(0, 4),
        halted_symbols=frozenset(chance.sample(SYMBOLS, chance.choice((0, 0, 1, 2)))),
        uncancellable=chance.choice((0, 0, 0, 2)),
        partial_fills=chance.random() < 0.5,
        fence_ms=chance.randint(0, 300),
        fence=chance.choice((FenceOutcome.ACKNOWLEDGED, FenceOutcome.KILLED)),
    )
    world = World(seed=seed, troubles=troubles)
    outcome = world.run()
    held = {symbol: quantity for symbol, quantity in world.positions.items() if quantity}
    assert held == {item.symbol: item.quantity for item in outcome.residue if item.quantity}
    assert outcome.flat == (not outcome.residue)
    assert not (outcome.flat and world.working)


SIMULATIONS: dict[str, Callable[[int], None]] = {"whole system": play, "kill sequence": play_kill}
"""The first plays main, watchdog, broker and wires together (``python -m tests.simulation``), the second a nastier kill."""


def simulate(seed: int, scratch: Path, keep: Path) -> Outcome:
    """Play a thousand seeds of every simulation."""
    outcome = Outcome()
    began = time.process_time()
    with without_logs():
        for name, play_one in SIMULATIONS.items():
            for number in range(SEEDS):
                one = seed * SEEDS + number
                with attempt(outcome, f"{name} seed {one}", scratch / "none", keep):
                    play_one(one)
    outcome.measure("rate_seeds/min", outcome.runs / (time.process_time() - began) * 60)
    return outcome
