"""The campaign's own parts: what is planned, kept, summed up and written."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.__main__ import parse, plan
from tests.chaos.document import BEGIN, END, with_table
from tests.chaos.outcome import Outcome, attempt
from tests.chaos.plan import CAMPAIGNS, INVARIANTS, TITLES, files_by_row
from tests.chaos.store import Store

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TEST: set[str] = set()


def test_every_row_of_the_catalogue_has_a_test_a_campaign_or_a_reason() -> None:
    held = set(files_by_row()) | set(CAMPAIGNS) | set(INVARIANTS)
    assert set(TITLES) - held == WITHOUT_TEST
    page = (ROOT / "docs" / "reliability.md").read_text()
    for row in WITHOUT_TEST:
        assert f"**{row}**" in page


@pytest.mark.parametrize("row", CAMPAIGNS)
def test_every_unit_can_be_found(row: str) -> None:
    module, _, function = CAMPAIGNS[row].unit.partition(".")
    assert callable(getattr(importlib.import_module(f"tests.chaos.{module}"), function))


def test_units_come_in_turn_with_their_seeds() -> None:
    options = parse(["--only", "p1,N2", "--seed", "7", "--runs", "2"])
    assert plan(options) == [("P1", 7), ("N2", 7), ("P1", 8), ("N2", 8)]


def test_a_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    done = Outcome(runs=20, failures=1, figures={"agree_s": [0.5]}, errors=["why"], checks={"G3": [1, 0]})
    Store(path).add("P1", 3, done)
    with path.open("a") as file:
        file.write('{"row": "P1", "se')  # it was stopped here
    again = Store(path)
    assert again.done == {("P1", 3): done}
    assert again.of("P1") == done


def _fail(text: str) -> None:
    raise AssertionError(text)


def test_what_failed_is_counted_named_and_kept(tmp_path: Path) -> None:
    outcome, folder = Outcome(), tmp_path / "project"
    folder.mkdir()
    (folder / "evidence").write_text("x")
    with attempt(outcome, "P1 seed 5", folder, tmp_path / "keep"):
        _fail("two of a kind")
    assert (outcome.runs, outcome.failures) == (1, 1)
    assert "two of a kind" in outcome.errors[0]
    assert (tmp_path / "keep" / "P1-seed-5" / "evidence").exists()


def test_the_report_has_a_line_a_row_and_counts_invariants_over_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "x.jsonl")
    store.add("P1", 1, Outcome(runs=20, figures={"agree_s": [1.0, 3.0]}, checks={"G3": [1, 0]}))
    store.add("N2", 1, Outcome(runs=25, failures=1, errors=["<b>"], checks={"G3": [1, 1]}))
    store.add(report.SUITE + "N4", 0, Outcome(runs=1))
    rows = {row["id"]: row for row in report.collect(store)}
    assert list(rows) == list(TITLES)
    assert (rows["G3"]["runs"], rows["G3"]["failures"]) == (2, 1)
    assert rows["N4"]["runs"] == 1
    assert "agree 1 median, 3 p99 s" in report.line(rows["P1"])
    assert report.line(rows["F12"]).endswith("no run")
    run = {
        "scale": "small",
        "version": "v",
        "when": "w",
        "machine": "m",
        "units": 2,
        "units_planned": 3,
        "load": "1",
    }
    report.write(tmp_path, run, list(rows.values()))
    document = json.loads((tmp_path / "chaos.json").read_text())
    assert {"id", "runs", "failures", "figures"} <= set(document["rows"][0])
    assert "&lt;b&gt;" in (tmp_path / "chaos.html").read_text()
    page = with_table(f"a\n{BEGIN}OUTDATED\n{END}\nb", report.markdown(document))
    assert "| P1 | main killed at a random message | 20 | 0 |" in page
    assert "Scale **small**" in page
    assert "OUTDATED" not in page
    assert page.endswith("\nb")


@pytest.mark.parametrize(
    "arguments", [["--only", "X9"], ["--runs", "0"], ["--jobs", "0"], ["--scale", "huge"]]
)
def test_a_wrong_option_is_told(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tests.chaos", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "error:" in done.stderr
