"""O8: while flattening one symbol is refused, one is halted: the others are closed, and these are listed as residue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.risk.stage import Stage

MARGIN = """
description: MSFT can't be sold for want of margin.
faults: [{kind: reject, code: 201, symbols: [MSFT], clients: [2]}]
"""
HELD = """
description: IBM is halted, and for MSFT shares are being located.
faults:
  - {kind: hold, reason: halt, symbols: [IBM], clients: [2]}
  - {kind: hold, reason: locate, symbols: [MSFT], clients: [2]}
"""


def _kill(stage: Stage) -> dict[str, Any]:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "3", "--orders", "3")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    return stage.await_kill()


def test_what_is_refused_is_left_and_listed(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with Stage(tmp_path / "project", faults=MARGIN) as stage:
        ended = _kill(stage)
        assert not ended["flat"]
        assert [item["symbol"] for item in ended["residue"]] == ["MSFT"]
        assert ended["residue"][0]["reason"]
        held, _ = stage.ask_account()
        assert held == {"MSFT": "100"}


@pytest.mark.slow  # the kill is patient with orders that the broker has taken
def test_what_the_exchange_holds_is_left_and_listed(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with Stage(tmp_path / "project", faults=HELD) as stage:
        ended = _kill(stage)
        assert not ended["flat"]
        assert {item["symbol"] for item in ended["residue"]} == {"IBM", "MSFT"}
        assert all(item["reason"] for item in ended["residue"])
        held, _ = stage.ask_account()
        assert held == {"IBM": "100", "MSFT": "100"}
