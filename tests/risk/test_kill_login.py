"""A kill that is taken up again meets the account that it was begun with, or nothing is sent."""

from __future__ import annotations

import signal
import subprocess
from decimal import Decimal

import pytest

from core.clock import SystemClock
from core.journal import Journal
from core.records import RecordKind
from risk.kill_history import KillHistory
from risk.kill_login import KillLogin
from tests.faults.hand import hand
from tests.risk.stage import Stage
from tests.waiting import wait_for

OURS = "DU1234567"
HERE = KillLogin(mode="paper", address="127.0.0.1:4002")


def _started(stage: Stage, **login: str) -> None:
    """Leave the record of a kill that has begun; without ``login`` as an earlier version wrote it."""
    path = stage.folder / "state" / "watchdog.db"
    path.parent.mkdir(exist_ok=True)
    journal = Journal(path, process="risk_monitor", run_id="earlier", boot_id="b", clock=SystemClock())
    journal.append(
        RecordKind.KILL_STARTED,
        {"kill_id": "abc123", "reason": "drawdown", "detected_monotonic_ns": 1, **login},
    )
    journal.close()


def _cut_short(stage: Stage) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "1", "--orders", "2", "--deaf")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    wait_for(lambda: stage.records("kill_started"), "the kill's record")
    for process in (watchdog, peer):
        process.kill()
        process.wait()


def _restart_gateway(stage: Stage, account: str) -> None:
    for process in stage.processes:
        if "paper_gateway" in process.args:  # type: ignore[operator]
            process.kill()
            process.wait()
    stage.start_gateway("--account", account)


def _assert_nothing_is_sent(stage: Stage, text: str) -> subprocess.Popen[bytes]:
    """Start the watchdog beside a human's position and order: both stay, and it halts and says why."""
    with hand(stage.port) as human:
        human.buy("IBM", 10, order_ref="")
        human.buy("MSFT", 10, order_ref="mine", limit=Decimal(1))
        human.await_positions({"IBM": 10})
        watchdog = stage.start_watchdog()
        wait_for(lambda: text in str(stage.status().get("halted")), "the halt")
        wait_for(lambda: stage.status().get("connection") == "ready", "a connection")
        assert stage.status()["state"] == "halted"
        assert stage.status()["lease"] is False
        assert human.positions() == {"IBM": 10}
        assert human.open_orders() == {"mine"}
    told = [one.payload for one in stage.records("alert")]
    assert any(one["severity"] == "critical" and text in str(one["text"]) for one in told), told
    assert not stage.records("kill_ended", "close_intent")
    return watchdog


def test_a_kill_that_was_cut_short_is_not_completed_in_another_account(stage: Stage) -> None:
    _cut_short(stage)
    started = stage.records("kill_started")[-1].payload
    expected = {"account": OURS, "mode": "paper", "address": f"127.0.0.1:{stage.port}"}
    assert {name: started[name] for name in expected} == expected
    _restart_gateway(stage, "DU7777777")
    watchdog = _assert_nothing_is_sent(stage, "this login has DU7777777")
    watchdog.send_signal(signal.SIGTERM)
    assert watchdog.wait(20) == 3
    _restart_gateway(stage, OURS)
    stage.start_watchdog()
    assert stage.await_kill()["flat"]


def test_without_a_recorded_account_a_kill_of_paper_mode_spares_real_money(stage: Stage) -> None:
    _started(stage, account="", mode="paper", address=f"127.0.0.1:{stage.port}")
    _restart_gateway(stage, "U7777777")
    _assert_nothing_is_sent(stage, "mode is paper, but this login has U7777777")


def test_a_kill_of_another_broker_is_not_completed_at_the_configured_one(stage: Stage) -> None:
    _started(stage, account="", mode="paper", address="127.0.0.1:1")
    _assert_nothing_is_sent(stage, "127.0.0.1:1")


def test_the_record_of_an_earlier_version_is_completed_where_the_configuration_points(stage: Stage) -> None:
    _started(stage)
    with hand(stage.port) as human:
        human.buy("IBM", 10, order_ref="")
        human.await_positions({"IBM": 10})
    stage.start_watchdog()
    assert stage.await_kill()["flat"]
    assert stage.ask_account() == ({}, 0)


@pytest.mark.parametrize(
    ("begun", "account", "accounts", "refusal"),
    [
        (KillLogin(account="DU1"), "DU1", ("DU1", "DU2"), None),
        (KillLogin(account="DU1"), "DU2", ("DU2",), "this login has DU2"),
        (KillLogin(account="DU1"), None, ("DU1", "DU2"), "this login has DU1, DU2"),
        # Its own account is finished, whatever its name and the mode: it was decided on there.
        (KillLogin(account="U1", mode="paper"), "U1", ("U1",), None),
        (KillLogin(account="DU1"), None, (), None),
        (KillLogin(), "DU1", ("DU1",), None),
        (KillLogin(), "U1", ("U1",), "mode is paper, but this login has U1"),
        (KillLogin(), None, ("DU1", "U1"), "mode is paper, but this login has DU1, U1"),
        (KillLogin(), None, (), None),
    ],
)
def test_what_is_known_of_both_logins_decides(
    begun: KillLogin, account: str | None, accounts: tuple[str, ...], refusal: str | None
) -> None:
    assert begun.refusal(HERE, account, accounts) == refusal


def test_live_mode_does_not_complete_a_kill_in_a_paper_account() -> None:
    live = KillLogin(account="U1", mode="live", address="127.0.0.1:4001")
    assert KillLogin().refusal(live, "DU1", ("DU1",)) == "mode is live, but this login has DU1"
    assert KillLogin().refusal(live, "U1", ("U1",)) is None


@pytest.mark.parametrize(
    ("begun", "is_other"),
    [
        (KillLogin(), False),
        (HERE, False),
        (KillLogin(account="DU1", mode="paper", address="127.0.0.1:4002"), False),
        (KillLogin(mode="live", address="127.0.0.1:4002"), True),
        (KillLogin(mode="paper", address="127.0.0.1:4001"), True),
    ],
)
def test_a_configured_login_differs_by_what_both_name(begun: KillLogin, is_other: bool) -> None:
    assert begun.differs_from(HERE) is is_other
    named = HERE.at("DU2")
    assert begun.differs_from(named) is (is_other or begun.account == "DU1")


def test_a_login_survives_the_journal() -> None:
    login = KillLogin(account="DU1", mode="paper", address="127.0.0.1:4002")
    assert KillLogin.of({**login.payload(), "reason": "drawdown"}) == login
    assert KillHistory().login == KillLogin.of({}) == KillLogin()
