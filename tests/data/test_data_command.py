"""``python -m data`` as its user runs it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.cli.run import main
from data.packaged import load_packaged
from data.sources import open_source

ROOT = Path(__file__).resolve().parents[2]
HEADER = "date,open,high,low,close,volume\n"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys, monkeypatch) -> Run:
    """Run a command line in this process: a process of its own takes seconds to begin."""
    monkeypatch.chdir(ROOT)

    def main_of(*arguments: str | Path) -> Done:
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as left:
            code = int(str(left.code))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return main_of


def test_bars_go_into_the_store_and_come_out_as_the_same_numbers(run, tmp_path):
    store, out = tmp_path / "h.duckdb", tmp_path / "out"
    for _ in range(2):
        done = run("import", "packaged", "--symbols", "aapl,IBM", "--store", store)
        assert done.returncode == 0, done.stderr
        assert "2 symbols, 6,540 bars" in done.stdout
    listed = json.loads(run("list", "--store", store, "--json").stdout)
    assert [(one["symbol"], one["bars"], one["prices"]) for one in listed["series"]] == [
        ("AAPL", 3270, "splits"),
        ("IBM", 3270, "splits"),
    ]
    for number, kind in enumerate(("csv", "parquet")):
        folder = out / str(number)
        assert run("export", store, "--to", folder, "--format", kind).returncode == 0
        real = load_packaged(["AAPL", "IBM"])
        for symbol, table in open_source(folder).tables.items():
            for name in ("end_ns", "open", "high", "low", "close", "volume"):
                assert getattr(table, name).tolist() == getattr(real[symbol], name).tolist()
    again = run("export", store, "--to", out / "0")
    assert again.returncode == 2
    assert "is there already (--force replaces it)" in again.stderr
    assert (
        run(
            "export", store, "--to", out / "0", "--force", "--start", "2010-01-04", "--end", "2010-12-31"
        ).returncode
        == 0
    )
    with (out / "0" / "IBM.csv").open() as file:
        assert len(list(csv.reader(file))) == 253


def test_intraday_bars_come_out_as_they_went_in(run, tmp_path):
    folder, store = tmp_path / "in", tmp_path / "h.duckdb"
    folder.mkdir()
    rows = [f"2012-11-12 09:{minute}:00,1,2,0.5,1.5,100" for minute in range(30, 60, 5)]
    (folder / "XYZ.csv").write_text(HEADER + "\n".join(rows) + "\n")
    assert run("import", folder, "--store", store, "--name", "mine").returncode == 0
    for kind in ("csv", "parquet"):
        assert run("export", f"{store}@mine,5m", "--to", tmp_path / kind, "--format", kind).returncode == 0
        ours, theirs = (open_source(one).tables["XYZ"] for one in (folder, tmp_path / kind))
        assert ours.end_ns.tolist() == theirs.end_ns.tolist()
        assert theirs.size_s == 300


@pytest.fixture
def faulty(tmp_path) -> Path:
    folder: Path = tmp_path / "faulty"
    folder.mkdir()
    rows = ["2012-11-12,1,2,0.5,1.5,100", "2012-11-12,1,2,0.5,1.6,90", "2012-11-13,1,0.9,0.5,1.5,80"]
    (folder / "XYZ.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return folder


def test_defects_are_refused_with_their_lines_until_a_policy_says_otherwise(run, faulty, tmp_path):
    done = run("check", faulty)
    assert done.returncode == 2
    assert f"{faulty}/XYZ.csv: line 3: the time 2012-11-12 stands twice" in done.stderr
    assert "line 4: high is 0.9, below open 1" in done.stderr
    asked = ("--quality", "duplicates=repair", "--quality", "crossed=repair", "--json")
    report = json.loads(run("check", faulty, *asked).stdout)
    assert report["counts"] == {"duplicates": 1, "crossed": 1}
    assert report["findings"][0]["done"] == "it takes the place of the ones before"
    assert not (tmp_path / "h.duckdb").exists()
    refused = run("import", faulty, "--store", tmp_path / "h.duckdb")
    assert refused.returncode == 2
    assert not (tmp_path / "h.duckdb").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check", "nowhere"], "nowhere: is neither a folder of bars nor packaged"),
        (
            ["check", "packaged", "--quality", "hole=fail"],
            "data.quality.hole: unknown key; did you mean holes?",
        ),
        (["check", "packaged", "--quality", "holes=maybe"], "data.quality.holes: 'maybe' is not allowed"),
        (["check", "packaged", "--quality", "holes"], "write CHECK=POLICY, such as holes=fail"),
        (["check", "packaged", "--symbols", "XX"], "XX isn't among the packaged symbols"),
        (["list", "--store", "nowhere.duckdb"], "there is no such store"),
        (["list", "--store", "nowhere"], "the name of a store ends in .duckdb"),
        (["import", "some.duckdb"], "is a store already"),
        (["import", "packaged", "--name", "Bad Name"], "write a small letter"),
        (["download", "yahoo", "--symbols", "A", "--start", "2020-13-01"], "'2020-13-01' is no date"),
        (
            ["download", "yahoo", "--symbols", "A", "--start", "2020-01-02", "--end", "2019-01-02"],
            "lies behind the end",
        ),
        (["download", "polygon", "--symbols", "A", "--start", "2020-01-02"], "POLYGON_API_KEY"),
        (
            ["download", "ib", "--symbols", "A", "--start", "2020-01-02", "--size", "7m"],
            "IB has no bars of 420 s",
        ),
        (["export", "packaged", "--to", "/proc/no", "--symbols", "FB"], "can't be written"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(run, arguments, told):
    done = run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_help_shows_examples_and_loads_nothing_heavy(run):
    for arguments in ([], ["import"], ["download"], ["list"], ["check"], ["export"], ["calibrate"]):
        done = run(*arguments, "--help")
        assert done.returncode == 0
        assert "examples:" in done.stdout
        assert "python -m data" in done.stdout
    code = "import sys, data.cli.run\ntry: data.cli.run.main(['--help'])\nexcept SystemExit: pass\nprint(sorted({'numpy', 'pandas', 'duckdb', 'httpx', 'pydantic'} & set(sys.modules)))"
    listed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert listed.stdout.splitlines()[-1] == "[]"


def test_it_is_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "data", "check", "nowhere"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("nowhere: is neither")


def test_calibration_prints_a_row_for_every_check(run):
    done = run("calibrate", "--series", "2")
    assert done.returncode == 0
    assert done.stdout.count("unadjusted_splits") == 2
