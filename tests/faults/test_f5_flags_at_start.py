"""F5: a kill flag stands at the start: no order, and both programs say how to re-arm."""

from __future__ import annotations

import pytest

from tests.faults.hand import hand
from tests.risk.stage import Stage


@pytest.mark.parametrize("name", ["KILL_NOW.flag", "KILL.flag"])
def test_nobody_trades_and_nothing_is_sold_by_surprise(stage: Stage, name: str) -> None:
    (stage.folder / "flags" / name).write_text("looked odd")
    with hand(stage.port) as human:
        human.buy("IBM", 10, order_ref="")
        human.await_positions({"IBM": 10})
        main = stage.spawn("main.py", "--config", str(stage.config), name="main")
        stage.start_watchdog()
        assert main.wait(60) == 4, stage.output("main")
        assert "--rearm" in stage.output("main")
        body = stage.await_state("halted")
        assert body["lease"] is False
        assert "--rearm" in body["halted"]
        assert human.positions() == {"IBM": 10}
