"""O8: while flattening one symbol is refused, one is halted: the others are closed, and these are listed as residue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.risk.stage import Stage


@pytest.mark.parametrize(
    "trouble",
    [
        "{kind: reject, code: 201, symbols: [MSFT], clients: [2]}",
        pytest.param("{kind: hold, reason: locate, symbols: [MSFT], clients: [2]}", marks=pytest.mark.slow),
        pytest.param("{kind: hold, reason: halt, symbols: [MSFT], clients: [2]}", marks=pytest.mark.slow),
    ],
    ids=["margin", "locate", "halt"],
)
def test_what_cannot_be_closed_is_left_and_listed(tmp_path: Path, trouble: str) -> None:
    (tmp_path / "project").mkdir()
    with Stage(tmp_path / "project", faults=f"description: Trouble in MSFT.\nfaults: [{trouble}]") as stage:
        stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer("--positions", "3", "--orders", "3")
        stage.await_check("heartbeat", "ok")
        stage.kill_now.touch()
        ended = stage.await_kill()
        assert not ended["flat"]
        assert [item["symbol"] for item in ended["residue"]] == ["MSFT"]
        assert ended["residue"][0]["reason"]
        held, _ = stage.ask_account()
        assert held == {"MSFT": "100"}
