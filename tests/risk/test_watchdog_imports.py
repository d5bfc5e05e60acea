"""The watchdog can't break when research code does: it never loads any of it."""

from __future__ import annotations

import subprocess
import sys

from tests.risk.stage import ROOT, Stage

_ALLOWED = ("core", "risk", "risk_monitor")
_FORBIDDEN = ("numpy", "pandas", "numba", "pyarrow", "exchange_calendars", "apprise", "feast")


def test_the_watchdog_loads_only_core_risk_and_its_few_libraries() -> None:
    script = (
        "import sys, risk_monitor; print('\\n'.join(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(_FORBIDDEN) & set(loaded)
    own = {
        path.name.removesuffix(".py")
        for path in ROOT.iterdir()
        if path.name.isidentifier() or path.suffix == ".py"
    }
    assert (own & set(loaded)) <= set(_ALLOWED)


def test_a_running_watchdog_stays_small(stage: Stage) -> None:
    import psutil

    process = stage.start_watchdog()
    stage.await_state("watching")
    megabytes = psutil.Process(process.pid).memory_info().rss / 1e6
    print(f"resident memory of the watchdog: {megabytes:.1f} MB")
    assert megabytes < 80
