"""O11: NaN, zero, negative, crossed and tenfold prices: no order on them."""

from __future__ import annotations

import pytest

from tests.faults.conftest import MakeRoom

MODES = ("nan", "zero", "negative", "crossed", "tenfold")
FAULTS = "description: Prices that can't be.\nfaults:\n" + "".join(
    f"  - {{kind: feed, mode: {mode}, control: {mode}}}\n" for mode in MODES
)


def test_no_entry_leaves_on_prices_that_cannot_be(room: MakeRoom) -> None:
    main = room(FAULTS)
    for mode in MODES:
        quotes = main.parts.feed.quote("IBM")
        main.stage.begin(mode)
        main.run_until(lambda before=quotes: main.parts.feed.quote("IBM") is not before, "another quote")  # type: ignore[misc]
        main.run_for(0.3)
        main.target(10, price=190.0)  # what the strategy knew at its bar's close
        assert main.kinds("order_sent") == [], f"{mode}: {main.parts.feed.quote('IBM')}"
        main.stage.end(mode)
        main.run_for(0.5)
    main.run_until(lambda: not main.conditions.stale_symbols, "prices as before")
    main.target(10)
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill on good prices")


@pytest.mark.parametrize("mode", ["crossed", "tenfold"])
def test_a_bar_of_impossible_prices_is_no_bar(room: MakeRoom, mode: str) -> None:
    main = room(FAULTS)
    main.stage.begin(mode)
    main.run_for(1.0)
    assert main.kinds("order_sent") == []
