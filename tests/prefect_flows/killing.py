"""Kills nights at every step and inside their writes, and prints what became of them; a process of its own, for it forks.

Everything is imported once, which takes longest; each night is then a fork that ends by a real SIGKILL or completes. The parent
itself never opens a database: a fork may not inherit one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import core.atomic_file
from core.exit_codes import ExitCode
from data.packaged import load_packaged
from feature_repo import publish, store, work  # noqa: F401 (imported before the forks)
from feature_repo.locations import FeatureFolder
from features.catalogue import compute
from features.panel import panel_of
from features.snapshot import read_snapshot
from prefect_flows import artefacts  # noqa: F401
from prefect_flows.plain import run_plain
from prefect_flows.steps import STEPS
from tca.generator import generate
from tca.store import TcaStore

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
SYMBOLS = ["AAPL", "IBM"]
DAY = date(2013, 2, 15)
METHODS = [("AAPL", "VWAP"), ("AAPL", "MKT"), ("IBM", "LMT")]
WRITES = ["quality", "compute", "publish", "costs"]
"""Steps that replace files; materialise writes a database, see `kill_while_loading`."""


def main(folder: Path) -> None:
    warm_up()
    clean, killed = folder / "clean", folder / "killed"
    in_fork(partial(prepare, clean))
    shutil.copytree(clean, killed)
    in_fork(lambda: complete(clean))
    points = []
    for name in STEPS:  # each night goes on behind the one that was killed before, and gets a little further
        points.append(f"before {name}")
        in_fork(partial(kill_at, killed, f"{name} ..."), killed=True)
        if name in WRITES:
            points.append(f"in the first write of {name}")
            in_fork(partial(kill_in_write, killed, name), killed=True)
        if name == "materialise":
            points.append("in the online store's loading")
            in_fork(lambda: kill_while_loading(killed), killed=True)
    in_fork(lambda: complete(killed))
    outcomes = [json.loads((place / "outcome.json").read_text()) for place in (clean, killed)]
    print(json.dumps({"steps": list(STEPS), "points": points, "outcomes": outcomes}))


def warm_up() -> None:
    """Fill the caches that the forks inherit: kernels, calendars, prices, fonts."""
    compute(panel_of(load_packaged(SYMBOLS)).until(30))
    work.feature_calendar("XNYS")


def in_fork(work: Callable[[], object], *, killed: bool = False) -> None:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - a forked child must never return into its parent's code
            traceback.print_exc()
            os._exit(70)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if killed:
        assert os.WIFSIGNALED(status), "the night wasn't killed"
        assert os.WTERMSIG(status) == signal.SIGKILL
    else:
        assert status == 0, f"the night ended with {status}"


def prepare(folder: Path) -> None:
    (folder / "results").mkdir(parents=True)
    with TcaStore(folder / "results" / "tca_log.duckdb") as database:
        generate(database, parents=6000, seed=3)


def night(folder: Path, tell: Callable[[str], None]) -> ExitCode:
    os.environ["BACKSTOP__PATHS__CONTROL"] = str(folder / "control")
    os.environ["BACKSTOP__PATHS__RESULTS"] = str(folder / "results")
    os.environ["BACKSTOP__UNIVERSE__SYMBOLS"] = "[AAPL, IBM]"
    os.environ["BACKSTOP__NIGHTLY__RETRAIN"] = "'off'"
    return run_plain(CONFIG, DAY, None, replace=False, tell=tell)


def kill_me() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(folder: Path, line: str) -> None:
    night(folder, lambda told: kill_me() if told == line else None)


def kill_in_write(folder: Path, step: str) -> None:
    """Kill when half of the step's first file is written."""
    current: list[str] = []
    write_all = core.atomic_file.write_all

    def half(descriptor: int, data: bytes) -> None:
        if current and current[-1] == f"{step} ...":
            write_all(descriptor, data[: len(data) // 2])
            kill_me()
        write_all(descriptor, data)

    core.atomic_file.write_all = half
    night(folder, current.append)


def kill_while_loading(folder: Path) -> None:
    """Kill when a part of the rows is in the online store."""
    from feast.infra.online_stores.sqlite import SqliteOnlineStore

    write = SqliteOnlineStore.online_write_batch

    def part(self, config, table, data, progress):
        write(self, config, table, data[: len(data) // 2], progress)
        kill_me()

    setattr(SqliteOnlineStore, "online_write_batch", part)  # noqa: B010 - a method
    night(folder, lambda _told: None)


def complete(folder: Path) -> None:
    """Run a night to its end and note all that it left."""
    said: list[str] = []
    code = night(folder, said.append)
    assert code == ExitCode.CLEAN, said
    features = FeatureFolder.below(folder / "control")
    snapshot = read_snapshot(features.snapshot)
    online = store.Store(features)
    results = folder / "results" / "nightly" / DAY.isoformat()
    record = json.loads((results / "run.json").read_text())
    files = [
        features.daily,
        features.tca,
        results / "values.csv",
        results / "costs.csv",
        results / "quality.csv",
    ]
    outcome = {
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "snapshot": [snapshot.versions, {name: row.model_dump() for name, row in snapshot.rows.items()}],
        "online": {
            symbol: [row.event_ns, sorted(row.values.items())]
            for symbol, row in sorted(online.online_daily(SYMBOLS).items())
        },
        "costs": [sorted(row.values.items()) for row in online.online_costs(METHODS).values()],
        "steps": [[one["name"], one["state"]] for one in record["steps"]],
        "left": sorted(
            path.name for path in features.path.iterdir() if ".tmp" not in path.name and "-" not in path.name
        ),
    }
    (folder / "outcome.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
