"""N2: the gateway restarts in a burst of orders and has forgotten the youngest. None is lost, none is doubled."""

from __future__ import annotations

import pytest

from tests.faults.bursts import burst_with_restarts
from tests.faults.conftest import MakeRoom


@pytest.mark.parametrize("seed", [1])
def test_a_burst_over_restarts_loses_and_doubles_nothing(room: MakeRoom, seed: int) -> None:
    burst_with_restarts(room, seed=seed, restarts=3)
