"""O10: a manual trade or a foreign order in the account is reported, and its symbol locked."""

from __future__ import annotations

import time

import pytest

from tests.faults.conftest import MakeRoom

FAULTS = """
description: Somebody trades by hand.
faults:
  - {kind: foreign, symbol: IBM, quantity: 30, control: trade}
  - {kind: foreign, symbol: IBM, quantity: 10, limit: 1, order_ref: other, control: order}
"""


@pytest.mark.parametrize("what", ["trade", "order"])
def test_what_a_stranger_does_locks_the_symbol_and_no_other(room: MakeRoom, what: str) -> None:
    main = room(FAULTS)
    main.stage.begin(what)
    began = time.monotonic()
    main.run_until(lambda: main.conditions.locked_symbols == {"IBM"}, "the lock")
    assert time.monotonic() - began < 20.0
    main.target(10)
    main.target(10, "MSFT")
    main.run_until(lambda: main.held().get("MSFT") == 10, "the fill of the other symbol")
    assert "IBM" not in main.held()
    assert [one["symbol"] for one in main.kinds("denial")] == ["IBM"]
    assert main.kinds("break")[-1]["symbol"] == "IBM"
