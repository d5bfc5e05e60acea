"""Following main over two sources, on the monotonic clock only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.config_schema import HeartbeatCheck
from core.ipc import HeartbeatListener, Verifier
from risk.checks.heartbeat import check_heartbeat
from risk.heartbeat_watch import HeartbeatWatch

SECOND = 1_000_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall_ns=1_700_000_000 * SECOND, monotonic_ns=1_000 * SECOND)


@pytest.fixture
def watch(tmp_path: Path, clock: ManualClock) -> Iterator[HeartbeatWatch]:
    verifier = Verifier(bytes(32), "run1", sender="main", kinds={"heartbeat"}, clock=clock)
    with closing(HeartbeatListener(f"ipc://{tmp_path}/none", verifier)) as listener:
        yield HeartbeatWatch(listener, file=tmp_path / "main.json", run_id="run1", clock=clock)


def beat(tmp_path: Path, moment_ns: int, run_id: str = "run1", **body: object) -> None:
    document = {"run_id": run_id, "monotonic_ns": moment_ns, "body": {"phase": "trading", **body}}
    (tmp_path / "main.json").write_text(json.dumps(document))


def test_a_heartbeat_file_of_another_run_does_not_arm(
    tmp_path: Path, watch: HeartbeatWatch, clock: ManualClock
) -> None:
    beat(tmp_path, clock.monotonic_ns(), run_id="run0")
    watch.poll()
    assert not watch.view().armed


def test_a_heartbeat_from_before_a_reboot_does_not_count(
    tmp_path: Path, watch: HeartbeatWatch, clock: ManualClock
) -> None:
    beat(tmp_path, clock.monotonic_ns() + 3600 * SECOND)
    watch.poll()
    assert not watch.view().armed


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_wall_clock_that_jumps_is_neither_a_false_nor_a_missed_alarm(
    tmp_path: Path, watch: HeartbeatWatch, clock: ManualClock, jump_s: int
) -> None:
    beat(tmp_path, clock.monotonic_ns())
    watch.poll()
    clock._wall_ns += jump_s * SECOND
    assert not check_heartbeat(watch.view(), HeartbeatCheck()).is_breach
    clock.advance(3.5)
    assert check_heartbeat(watch.view(), HeartbeatCheck()).is_breach


def test_a_file_that_is_not_replaced_any_more_grows_old(
    tmp_path: Path, watch: HeartbeatWatch, clock: ManualClock
) -> None:
    beat(tmp_path, clock.monotonic_ns())
    for _ in range(20):
        watch.poll()
        clock.advance(0.25)
    assert watch.view().age_s == pytest.approx(5.0)


def test_progress_is_the_count_of_events_not_the_heartbeat(
    tmp_path: Path, watch: HeartbeatWatch, clock: ManualClock
) -> None:
    for _ in range(8):
        beat(tmp_path, clock.monotonic_ns(), events_processed=7, queue_depth=2)
        watch.poll()
        clock.advance(0.5)
    view = watch.view()
    assert view.age_s == pytest.approx(0.5)
    assert view.progress_age_s == pytest.approx(4.0)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"run_id": "run1"}', '{"run_id":"run1","monotonic_ns":"x","body":{}}']
)
def test_garbage_in_the_file_is_ignored(tmp_path: Path, watch: HeartbeatWatch, text: str) -> None:
    (tmp_path / "main.json").write_text(text)
    assert not watch.poll()
    assert not watch.view().armed
