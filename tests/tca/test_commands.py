"""The command line as a new user meets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tca.__main__ import main
from tca.store import TcaStore
from tests.tca.journals import Scribe, a_whole_order

ROOT = Path(__file__).resolve().parents[2]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A database of two orders, and its journal."""
    scribe = Scribe(tmp_path)
    scribe.cash()
    a_whole_order(scribe, "BS-<A>-E")
    a_whole_order(scribe, "BS-B-E", 3)
    path = tmp_path / "tca.duckdb"
    assert main(["rebuild", "--journal", str(scribe.path), "--database", str(path)]) == 0
    yield path
    scribe.journal.close()


def test_help_shows_examples_and_loads_nothing_heavy() -> None:
    script = "import sys; from tca.options import parser; parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert not {"duckdb", "scipy", "numpy", "plotly"} & set(loaded.split())
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["follow", "--poll", "0", "--journal", "x"],
        ["generate", "--parents", "0", "--database", "x"],
        ["learning-curve", "--seeds", "none"],
        ["no-such-command"],
        [],
    ],
)
def test_bad_words_end_with_the_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_the_check_agrees_and_says_so(database: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["check", "--database", str(database)]) == 0
    assert "equal to the cent" in capsys.readouterr().out
    assert main(["check", "--json", "--database", str(database)]) == 0
    assert json.loads(capsys.readouterr().out)["journals"][0]["difference"] == "0.000000"


def test_an_empty_database_is_told_and_does_not_count_as_agreement(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "empty.duckdb"
    with TcaStore(path) as store:
        store.publish()
    assert main(["check", "--database", str(path)]) == 1
    assert "holds no journal" in capsys.readouterr().out
    assert main(["report", "--database", str(path)]) == 0
    assert "no measured parent order" in capsys.readouterr().out


def test_a_missing_database_or_journal_ends_with_the_remedy(tmp_path: Path, capsys: Capture) -> None:
    assert main(["report", "--database", str(tmp_path / "none.duckdb")]) == 2
    assert "tca rebuild" in capsys.readouterr().err
    words = ["rebuild", "--database", str(tmp_path / "x.duckdb"), "--journal", str(tmp_path / "no.db")]
    assert main(words) == 2
    assert "there is no journal" in capsys.readouterr().err
    assert not (tmp_path / "x.duckdb").exists()


def test_a_second_writer_is_told_who_writes(database: Path, tmp_path: Path, capsys: Capture) -> None:
    with TcaStore(database):
        words = ["rebuild", "--journal", str(tmp_path / "main.db"), "--database", str(database)]
        assert main(words) == 5
    assert "being written by another process" in capsys.readouterr().err


def test_one_order_is_shown_with_its_fills_and_its_journal(database: Path, capsys: Capture) -> None:
    assert main(["show", "BS-B-E", "--database", str(database)]) == 0
    out = capsys.readouterr().out
    assert "16.000000" in out, "the shortfall"
    assert len(re.findall(r" (?:order_intent|arrival|fill|commission) +\{", out)) == 6
    assert main(["show", "nobody", "--database", str(database)]) == 2
    assert "no parent order nobody" in capsys.readouterr().err


def test_the_report_stands_alone_links_to_journals_and_escapes_names(
    database: Path, tmp_path: Path, capsys: Capture
) -> None:
    page = tmp_path / "report.html"
    assert main(["report", "--database", str(database), "--output", str(page)]) == 0
    assert "2 parent orders" in capsys.readouterr().out
    text = page.read_text()
    assert "<A>" not in text.partition("<main>")[2].partition("</main>")[0]
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", text)
    for anchor in ("order-BS--A--E", "order-BS-B-E"):
        assert f'href="#{anchor}"' in text
        assert f'id="{anchor}"' in text
    assert "order_intent" in text.partition("Journal of the outliers")[2]


def test_the_report_in_json_adds_up(database: Path, tmp_path: Path, capsys: Capture) -> None:
    capsys.readouterr()
    words = ["report", "--json", "--database", str(database), "--output", str(tmp_path / "r.html")]
    assert main(words) == 0
    result = json.loads(capsys.readouterr().out)
    totals = result["totals"]
    assert totals["parents"] == 2
    assert float(totals["cost"]) == sum(float(part) for part in totals["parts"].values()) == 32.0
    for groups in result["groups"].values():
        assert sum(group["parents"] for group in groups) == 2
    (only,) = result["reweighted"]
    assert (only["method"], only["chosen"], only["bps"]["estimate"]) == ("VWAP", 2, pytest.approx(16.0))


def test_a_run_that_is_not_there_names_those_that_are(database: Path, capsys: Capture) -> None:
    assert main(["report", "--run", "nope", "--database", str(database)]) == 2
    assert "the newest there: run-1" in capsys.readouterr().err
