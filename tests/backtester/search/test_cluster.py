"""A search on a Dask cluster of processes: the same scores as here, also when a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backtester.distributed_runner import LocalRunner, open_runner
from backtester.search.chunked import score_draw
from backtester.search.draw import Draw
from backtester.search.store import TrialStore
from backtester.search.work import METRICS
from core.errors import ConfigError
from tests.backtester.search.cases import CONFLICTS, SPACE, small_work

pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own, of workers that are lost on purpose

ROOT = Path(__file__).resolve().parents[3]
EVERYTHING = Draw(size=SPACE.size, count=SPACE.size)
DEADLINE_S = 90.0


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def worker(address: str) -> subprocess.Popen[bytes]:
    return start(
        "dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0",
        "--host", "127.0.0.1", "--local-directory", tempfile.gettempdir(),
    )  # fmt: skip


def wait_for(condition, what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    note = tmp_path_factory.mktemp("dask") / "scheduler.json"
    scheduler = start(
        "dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(note),
    )
    wait_for(lambda: note.exists() and note.read_text().strip().endswith("}"), "the scheduler")
    address = json.loads(note.read_text())["address"]
    workers = [worker(address) for _ in range(2)]
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> TrialStore:
    store = TrialStore(folder=tmp_path_factory.mktemp("here"), space=SPACE)
    score_draw(LocalRunner(small_work()), EVERYTHING, store, 4, lambda _count: None)
    return store


def assert_same(store: TrialStore, other: TrialStore) -> None:
    for first, _ in EVERYTHING.chunks(4):
        ours, theirs = store.read(first), other.read(first)
        assert ours is not None
        assert theirs is not None
        assert np.array_equal(ours.numbers, theirs.numbers)
        for name in METRICS:
            assert np.array_equal(ours.figures[name], theirs.figures[name], equal_nan=True), name
    one, two = store.returns(), other.returns()
    assert one is not None
    assert two is not None
    assert np.array_equal(one[1], two[1])


def test_a_cluster_gives_the_scores_of_this_machine_and_survives_a_killed_worker(cluster, here, tmp_path):
    address, workers = cluster
    store = TrialStore(folder=tmp_path, space=SPACE)
    seen: list[int] = []

    def on_done(count: int) -> None:
        seen.append(count)
        if len(seen) == 2:  # chunks are under way on both workers
            os.kill(workers[0].pid, signal.SIGKILL)

    with open_runner(small_work(), address) as runner:
        scored = score_draw(runner, EVERYTHING, store, 4, on_done)
    assert workers[0].wait(DEADLINE_S) == -signal.SIGKILL
    assert sum(seen) == SPACE.size
    assert scored.conflicts == CONFLICTS
    assert_same(here, store)


def test_when_every_worker_is_lost_the_search_waits_for_another_one(cluster, here, tmp_path):
    address, workers = cluster
    store = TrialStore(folder=tmp_path, space=SPACE)
    seen: list[int] = []

    def on_done(count: int) -> None:
        seen.append(count)
        if len(seen) == 2:
            for process in workers:
                process.kill()
                process.wait()
            workers.append(worker(address))

    workers.append(worker(address))
    with open_runner(small_work(), address) as runner:
        score_draw(runner, EVERYTHING, store, 4, on_done)
    assert_same(here, store)


@pytest.mark.parametrize(
    ("address", "told"),
    [("10.0.0.5", "write the scheduler's address"), ("tcp://127.0.0.1:9", "no scheduler answers")],
)
def test_an_address_that_leads_nowhere_is_told(address, told, monkeypatch):
    monkeypatch.setattr("backtester.distributed_runner._CONNECT_S", 0.5)
    with pytest.raises(ConfigError, match=told), open_runner(small_work(), address):
        pass


def test_a_worker_that_runs_other_code_is_refused(cluster, monkeypatch):
    address, workers = cluster
    if all(process.poll() is not None for process in workers):
        workers.append(worker(address))
    monkeypatch.setattr("backtester.distributed_runner.code_sha256", lambda: "0" * 64)
    with pytest.raises(ConfigError, match="runs code"), open_runner(small_work(), address):
        pass
