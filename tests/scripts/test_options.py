from __future__ import annotations

import datetime as dt
import re
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from scripts.options import Action, PaperOptions, UsageError, parse

ROOT = Path(__file__).resolve().parents[2]


def test_without_options_a_real_broker_is_meant() -> None:
    options = parse([], ROOT)
    assert (options.action, options.paper, options.config) == (Action.RUN, None, ROOT / "config.yaml")


def test_a_kill_is_abandoned_only_on_request() -> None:
    assert parse(["--rearm", "closed by hand"], ROOT).abandon_kill is False
    assert parse(["--rearm", "closed by hand", "--abandon-kill"], ROOT).abandon_kill is True


def test_paper_alone_takes_every_default() -> None:
    assert parse(["--paper"], ROOT).paper == PaperOptions()


def test_every_paper_option_is_read(tmp_path: Path) -> None:
    words = [
        "--paper",
        "--sessions",
        "3",
        "--speed",
        "500",
        "--symbols",
        "aapl, IBM",
        "--start",
        "2012-11-05",
    ]
    words += ["--data", str(tmp_path), "--seed", "4", "--cash", "50000.50", "--port", "4002"]
    assert parse(words, ROOT).paper == PaperOptions(
        sessions=3,
        speed="500",
        symbols=("AAPL", "IBM"),
        start=dt.date(2012, 11, 5),
        data=tmp_path,
        seed=4,
        cash=Decimal("50000.50"),
        port=4002,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--paper", "--sessions", "0"], "'0' is no whole number from 1 to 10000"),
        (["--paper", "--sessions", "-3"], "--sessions"),
        (["--paper", "--speed", "fast"], "'fast' is neither 'max' nor a number"),
        (["--paper", "--speed", "nan"], "'nan' is neither"),
        (["--paper", "--symbols", "AAPL,AAPL"], "one twice"),
        (["--paper", "--symbols", "AA;rm"], "'AA;RM' is no stock symbol"),
        (["--paper", "--start", "yesterday"], "no date of the form YYYY-MM-DD"),
        (["--paper", "--cash", "NaN"], "no amount above 0"),
        (["--paper", "--data", "/nowhere/at/all"], "is no folder"),
        (["--paper", "--port", "70000"], "from 1 to 65535"),
        (["--sessions", "3"], "only together with --paper"),
        (["--paper", "--status"], "not allowed with argument"),
        (["--rearm", "   "], "needs a reason in words"),
        (["--abandon-kill"], "only together with --rearm"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        parse(words, ROOT)


def test_the_help_names_every_option_that_the_parser_knows() -> None:
    done = subprocess.run([ROOT / "run_system.sh", "--help"], capture_output=True, text=True, check=True)
    for name in re.findall(r'add_argument\("(--[a-z]+)"', (ROOT / "scripts" / "options.py").read_text()):
        assert f"{name} " in done.stdout, f"{name} is missing in the help"


@pytest.mark.parametrize(
    ("words", "said"), [(["--papre"], "unknown option '--papre'"), (["--speed"], "needs a value")]
)
def test_a_misspelt_option_is_refused_before_anything_is_installed(words: list[str], said: str) -> None:
    done = subprocess.run([ROOT / "run_system.sh", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_folder_of_bars_names_its_symbols_unless_others_are_asked_for(tmp_path: Path) -> None:
    for name in ("spy.csv", "QQQ.parquet", "BRK.B.csv.gz", "notes.txt"):
        (tmp_path / name).touch()
    paper = parse(["--paper", "--data", str(tmp_path)], ROOT).paper
    assert paper is not None
    assert paper.symbols == ("BRK.B", "QQQ", "SPY")
    chosen = parse(["--paper", "--data", str(tmp_path), "--symbols", "SPY"], ROOT).paper
    assert chosen is not None
    assert chosen.symbols == ("SPY",)


@pytest.mark.parametrize(
    ("name", "said"), [("notes.txt", "holds no file named SYMBOL.csv"), ("my-prices.csv", "MY-PRICES")]
)
def test_a_folder_without_a_symbol_is_refused(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match=said):
        parse(["--paper", "--data", str(tmp_path)], ROOT)
