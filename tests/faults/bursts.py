"""Bursts of orders with trouble in them, for the tests and, longer, for the campaign."""

from __future__ import annotations

import random

from core.vocabulary import ConnectionState
from tests.faults.engine_room import EngineRoom

SYMBOLS = ("AAPL", "IBM", "MSFT")
RESTARTS = """
description: The gateway restarts in bursts of orders and forgets those of the last moment.
faults:
  - {{kind: restart, after_orders: [2, 9], repeat: {restarts}, down_s: [0.05, 0.3], forget_s: 0.02, clients: [1]}}
"""


QUICK_RETURN = {"BROKER__RECONNECT_MAX_S": "0.5"}


def burst_with_restarts(make, *, seed: int, restarts: int) -> float:
    """Trade in bursts until the gateway has restarted so often; return how long the books took to agree."""
    main: EngineRoom = make(RESTARTS.format(restarts=restarts), seed=seed, environment=QUICK_RETURN)
    chance = random.Random(seed)
    for _ in range(60 * restarts):
        for _ in range(chance.randint(1, 4)):
            main.target(chance.choice((0, 0, 5, 10, 20)), chance.choice(SYMBOLS))
        main.run_for(chance.uniform(0.0, 0.05))
        if main.assembly.session.statistics.links_lost >= restarts:
            break
        if main.parts.status.connection is not ConnectionState.READY:
            main.run_until(lambda: main.conditions.connected and main.conditions.reconciled, "the way back")
    main.run_until(lambda: main.conditions.connected, "the way back")
    return main.await_agreement()


DISORDER = """
description: Callbacks are lost, doubled and late.
faults:
  - {kind: callbacks, drop: 0.1, duplicate: 0.2, delay: 0.5, delay_s: [0.0, 0.4], clients: [1]}
"""


def trade_in_disorder(main: EngineRoom, chance: random.Random, orders: int = 12) -> float:
    """Trade while callbacks are in disorder; return how long the books took to agree."""
    for _ in range(orders):
        main.target(chance.choice((0, 5, 10, 20)), chance.choice(SYMBOLS))
        main.run_for(chance.uniform(0.0, 0.1))
    return main.await_agreement()


def burst_in_disorder(make, *, seed: int) -> float:
    """One burst in a room of its own."""
    return trade_in_disorder(make(DISORDER, seed=seed), random.Random(seed))
