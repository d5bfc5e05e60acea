"""O13: account values are up to three minutes old; a loss is seen by the watchdog's own marks at once."""

from __future__ import annotations

from core.records import RecordKind
from tests.risk.stage import Stage


class MovingStage(Stage):
    """A market that moves, in which IB tells account values every three minutes."""

    def start_gateway(self, *options: str):
        return super().start_gateway("--speed", "60", "--cash", "100000", *options)


def test_a_loss_is_seen_between_two_account_values(tmp_path) -> None:
    with MovingStage(tmp_path) as stage:
        stage.environment |= {
            "BACKSTOP__RISK__DRAWDOWN__MAX_DRAWDOWN": "0.0005",
            "BACKSTOP__RISK__GROSS_EXPOSURE__MAX_GROSS_EXPOSURE": "10",
        }
        stage.start_watchdog()
        stage.await_state("watching")
        stage.start_peer("--positions", "3")
        ended = stage.await_kill()
        assert ended["reason"] in {"drawdown", "daily_loss"}
        started = [one for one in stage.records() if one.kind == RecordKind.KILL_STARTED][-1]
        figures = started.payload["figures"]
        assert isinstance(figures, dict)
        assert figures["age_s"] <= 2.0, "the mark that was judged"
        assert ended["flat"]
