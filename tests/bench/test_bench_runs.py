"""Every bench runs, with counts too small to say anything, and its rows have their shape. No figure is judged here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import (
    bench_bars,
    bench_command,
    bench_fold,
    bench_kill,
    bench_tca,
    bench_ticks,
    bench_veto,
    bench_watchdog,
)
from tests.bench.report import Row, percentile, row, table, write_json

KEYS = {"work", "case", "unit", "n", "p50", "p99", "max", "target", "reference", "ratio"}


def say(text: str) -> None:
    print(text)


def check(rows: list[Row], folder: Path) -> list[Row]:
    """Write the rows and read them back; returns them."""
    file = folder / "results" / "bench.json"
    write_json(file, {"command": "test"}, rows)
    found = json.loads(file.read_text())
    assert found["run"] == {"command": "test"}
    assert len(found["rows"]) == len(rows) > 0
    for one in found["rows"]:
        assert set(one) >= KEYS
        assert one["n"] >= 1
        assert 0 <= one["p50"] <= one["p99"] <= one["max"]
        assert one["case"] in table(rows)
    return rows


@pytest.mark.slow
def test_a_kill_is_timed_for_a_main_that_lives_is_stopped_or_is_dead(tmp_path: Path) -> None:
    rows = check(bench_kill.run(1, say, working=24, by_silence=False), tmp_path)
    assert {one.case.partition(":")[0] for one in rows} > set(bench_kill.CASES)
    assert next(one for one in rows if one.work == "kills that failed").max == 0


@pytest.mark.slow
def test_the_way_from_a_closed_bar_to_an_order_is_timed_beside_a_bare_client(tmp_path: Path) -> None:
    case = bench_bars.CASES[0]
    rows = check(bench_bars.run(1, say, cases=(replace(case, speed=20_000.0),)), tmp_path)
    assert any(one.ratio for one in rows)


def test_cost_analysis_is_timed_on_the_live_path_and_in_its_report(tmp_path: Path) -> None:
    rows = check(bench_tca.run(1, say), tmp_path)
    assert {one.unit for one in rows} == {"ms", "s"}


def test_ticks_taken_and_lost_are_counted_for_both_clients(tmp_path: Path) -> None:
    rows = check(bench_ticks.run(1, say, floods=(500,), bursts=1), tmp_path)
    lost = {one.case.partition(":")[0]: one.max for one in rows if one.work == "ticks lost"}
    assert lost["ours"] == 0


def test_a_backtest_is_timed_from_the_shell_to_its_printed_result(tmp_path: Path) -> None:
    (one,) = check(bench_command.run(1, say), tmp_path)
    assert one.max < 60.0


def test_start_memory_and_processor_time_are_measured(tmp_path: Path) -> None:
    rows = check(bench_watchdog.run(1, say, watched_s=0.1, idle_s=0.4), tmp_path)
    assert {"s", "MB", "% of a core"} == {one.unit for one in rows}


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile(range(1, 101), 99) == 99
    assert percentile([5.0], 99) == 5.0


@pytest.mark.parametrize(("p99", "verdict"), [(50.0, "met"), (50.1, "MISSED")])
def test_a_missed_target_is_told(p99: float, verdict: str) -> None:
    made = row("work", "case", "ms", [1.0, p99], target=50.0)
    assert made.verdict == verdict
    assert verdict in table([made])


def test_the_look_up_of_a_verdict_is_timed(tmp_path: Path) -> None:
    (one,) = check(bench_veto.run(1, say), tmp_path)
    assert "500 symbols" in one.note


def test_the_fold_of_a_long_journal_is_timed(tmp_path: Path) -> None:
    (one,) = check(bench_fold.run(1, say), tmp_path)
    assert one.case == "10,000 records"
    assert "1,000 orders" in one.note
