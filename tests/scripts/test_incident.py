"""Incident files of real kills: written from what is left, and decided again to the same end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.incident.account import account
from scripts.incident.replay import Finding, replay
from tests.risk.stage import ROOT, Stage

pytestmark = pytest.mark.timeout(120)
PROCESSES = [{"name": "main", "pid": 12, "starts": 1, "running": False, "exit_code": -9}]


class MovingStage(Stage):
    """A market that moves fast enough for a loss."""

    def start_gateway(self, *options: str):
        return super().start_gateway("--speed", "60", "--cash", "100000", *options)


def by_flag(stage: Stage) -> str:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "3", "--orders", "10")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    return "kill_now_flag"


def by_drawdown(stage: Stage) -> str:
    stage.environment |= {
        "BACKSTOP__RISK__DRAWDOWN__MAX_DRAWDOWN": "0.0005",
        "BACKSTOP__RISK__DAILY_LOSS__ENABLED": "false",
        "BACKSTOP__RISK__GROSS_EXPOSURE__MAX_GROSS_EXPOSURE": "10",
    }
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "3")
    return "drawdown"


def by_dead_main(stage: Stage) -> str:
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "2", "--orders", "5")
    stage.await_check("heartbeat", "ok")
    peer.send_signal(signal.SIGKILL)
    return "heartbeat"


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.incident", *map(str, words)],
        cwd=ROOT,
        input=json.dumps(PROCESSES),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def write(stage: Stage, reason: str) -> Path:
    done = command(
        "write",
        *("--kind", "kill", "--reason", reason, "--run-id", stage.environment["BACKSTOP_RUN_ID"]),
        *("--state", stage.folder / "state", "--control", stage.folder / "state"),
        *("--flags", stage.folder / "flags", "--config", stage.config, "--results", stage.folder / "results"),
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.mark.parametrize("way", [by_flag, by_drawdown, by_dead_main])
def test_a_kill_is_decided_again_from_its_file_alone(tmp_path: Path, way) -> None:
    with (MovingStage if way is by_drawdown else Stage)(tmp_path) as stage:
        reason = way(stage)
        ended = stage.await_kill()
        assert ended["reason"] == reason
        stage.await_state("halted")
        path = write(stage, reason)
    done = command("replay", path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "same    the watchdog's decision to kill" in done.stdout
    assert "same    the kill sequence" in done.stdout
    assert "same    the outcome of the kill: flat" in done.stdout

    page = path.with_suffix(".md").read_text()
    assert page.startswith(f"# Kill: {reason.replace('_', chr(92) + '_')}\n")
    assert f"flat after {ended['flag_to_flat_ms']:.1f} ms" in page
    assert "| main | 12 | ended, code -9 |" in page
    assert path.stat().st_mode & 0o777 == 0o600

    document = json.loads(path.read_text())
    assert stage.environment["BACKSTOP_IPC_KEY"] not in path.read_text()
    assert_it_sees_what_was_altered(document)


def assert_it_sees_what_was_altered(document: dict[str, Any]) -> None:
    """Each alteration of the file shows as a difference at its place."""

    def differing(alter) -> list[Finding]:
        copy = json.loads(json.dumps(document))
        records = copy["journals"]["watchdog"]["records"]
        alter({kind: next(r["payload"] for r in records if r["kind"] == kind) for kind in KINDS})
        return [one for one in replay(copy) if one.same is False]

    def other_limits(payloads) -> None:
        settings, evidence = payloads["kill_started"]["settings"], payloads["kill_started"]["evidence"]
        settings["drawdown"]["max_drawdown"] = 0.9
        settings["heartbeat"]["timeout_s"] = 1000.0
        if evidence["flag"] is not None:
            evidence["flag"]["kind"] = "none"

    def one_more_order(payloads) -> None:
        steps = payloads["kill_trace"]["steps"]
        close = next(a for step in steps for a in step["actions"] if a["type"] == "SendCloses")
        close["orders"][0]["quantity"] = "999999"

    def not_flat(payloads) -> None:
        payloads["kill_ended"]["flat"] = False

    assert "the watchdog's decision to kill" in [one.what for one in differing(other_limits)]
    assert any(one.what.startswith("the kill sequence, step") for one in differing(one_more_order))
    found = differing(not_flat)
    assert {"the outcome of the kill", "hash chain of watchdog's records"} <= {one.what for one in found}
    assert "**differs**" in account(document, found)


KINDS = ("kill_started", "kill_trace", "kill_ended")


def test_what_is_no_incident_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"format": 99}')
    done = command("replay", path)
    assert done.returncode == 2
    assert "no incident file" in done.stderr
    assert "no incidents in" in command("list", "--results", tmp_path).stdout
