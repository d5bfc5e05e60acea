"""Sessions from a file are the library's."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from data.exchange_calendar import exchange_calendar

ROOT = Path(__file__).resolve().parents[2]
PRINT = """
import sys
from datetime import date
from pathlib import Path

from data import kept_calendar

kept_calendar.FOLDER = Path(sys.argv[1])
calendar = kept_calendar.kept_calendar("XNYS", date(2011, 1, 3), date(2012, 12, 31))
print(calendar.name, calendar.timezone, calendar.all_sessions)
print("exchange_calendars" in sys.modules)
"""


def printed(folder: Path) -> list[str]:
    """Name, time zone and sessions as a process of its own prints them, and whether it had to ask the library."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT, str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_sessions_are_those_of_the_library_which_is_asked_once(tmp_path: Path):
    calendar = exchange_calendar("XNYS", date(2011, 1, 3), date(2012, 12, 31))
    expected = f"{calendar.name} {calendar.timezone} {calendar.all_sessions}"
    assert printed(tmp_path / "kept") == [expected, "True"]
    assert printed(tmp_path / "kept") == [expected, "False"]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"timezone": "UTC", "sessions": [[1, 2]]}'])
def test_a_file_that_is_not_what_was_written_is_made_anew(tmp_path: Path, body: bytes):
    expected = printed(tmp_path)[0]
    (file,) = tmp_path.iterdir()
    file.write_bytes(body)
    assert printed(tmp_path) == [expected, "True"]
    assert printed(tmp_path) == [expected, "False"]


def test_a_folder_that_can_not_be_made_only_costs_time(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert printed(tmp_path / "file" / "kept")[1] == "True"


def test_a_single_backtest_needs_neither_pandas_nor_the_library():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, backtester.modes.single; print(*sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert not {"pandas", "exchange_calendars", "pyarrow"} & set(done.stdout.split())
