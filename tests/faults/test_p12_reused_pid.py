"""P12: main is dead and its process id belongs to somebody else now: nobody foreign is signalled."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.risk.stage import Stage


def test_the_fence_leaves_a_foreign_process_alone_that_has_mains_pid(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "1", "--orders", "2", "--deaf")
    stage.await_check("heartbeat", "ok")
    foreign = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        # The kernel has given main's pid away: the lock file still names it with main's start time.
        path = stage.folder / "state" / "main.lock"
        owner = json.loads(path.read_text())
        peer.kill()
        peer.wait()
        path.write_text(json.dumps(owner | {"pid": foreign.pid}))
        stage.kill_now.touch()
        assert stage.await_kill()["flat"]
        assert foreign.poll() is None, "a foreign process was signalled"
    finally:
        foreign.kill()
        foreign.wait()
