"""F10: the configuration is edited while the system runs: nothing of it counts before the restart."""

from __future__ import annotations

import time

from tests.faults.conftest import QuietStage


def test_an_edit_changes_nothing_in_a_running_watchdog(quiet: QuietStage) -> None:
    before = quiet.config.read_text()
    quiet.config.write_text(before + "risk: {gross_exposure: {max_gross_exposure: 0.00001}}\n")
    try:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            quiet.assert_quiet()
            time.sleep(0.05)
        quiet.config.write_text("::: no yaml at all")
        time.sleep(0.3)
        quiet.assert_quiet()
    finally:
        quiet.config.write_text(before)
