"""The fault tests as one part of the campaign: each test a run of the rows in its file's name."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.outcome import Outcome
from tests.chaos.plan import files_by_row

ROOT = Path(__file__).resolve().parents[2]
_ERROR_LENGTH = 3000


def run_suite(rows: Iterable[str], jobs: int, scratch: Path) -> dict[str, Outcome]:
    """Run the tests of these rows; outcomes by row."""
    files = files_by_row()
    wanted = sorted({path for row in rows for path in files.get(row, ())})
    if not wanted:
        return {}
    report = scratch / "suite.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(jobs)]
    subprocess.run(
        [*command, f"--junit-xml={report}", *map(str, wanted)],
        cwd=ROOT,
        stdout=(scratch / "suite.txt").open("w"),
        stderr=subprocess.STDOUT,
        check=False,
    )
    by_file = _read(report)
    outcomes: dict[str, Outcome] = {}
    for row in rows:
        for path in files.get(row, ()):
            outcomes.setdefault(row, Outcome()).add(by_file.get(path.stem, _not_run(path)))
    return outcomes


def _not_run(path: Path) -> Outcome:
    return Outcome(runs=1, failures=1, errors=[f"{path.name}: was not run"])


def _read(report: Path) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    if not report.exists():
        return outcomes
    for case in ET.parse(report).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        module = case.get("classname", "").rpartition(".")[2]
        outcome = outcomes.setdefault(module, Outcome())
        outcome.runs += 1
        problem = case.find("failure") if case.find("failure") is not None else case.find("error")
        if problem is not None:
            outcome.failures += 1
            outcome.errors.append(f"{module}::{case.get('name')}: {(problem.text or '')[-_ERROR_LENGTH:]}")
        for one in case.iter("property"):
            outcome.measure(str(one.get("name")), float(one.get("value", "nan")))
    return outcomes
