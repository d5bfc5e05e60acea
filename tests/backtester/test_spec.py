"""Options from a YAML file."""

from __future__ import annotations

import pytest

from backtester.options import ONLY_FOR, parse
from core.errors import ConfigError


def write(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_gives_the_options_that_would_be_typed(tmp_path):
    path = write(
        tmp_path,
        "strategy: [momentum=0.5, mean_reversion=0.5]\nsymbols: AAPL,IBM\nstart: 2009-01-02\n"
        "set: {sizing.allow_short: true, backtest.commission: fixed}\njson: true\n",
    )
    typed = parse(
        [
            "--strategy",
            "momentum=0.5",
            "--strategy",
            "mean_reversion=0.5",
            "--symbols",
            "AAPL,IBM",
            "--start",
            "2009-01-02",
            "--json",
            "--set",
            "sizing.allow_short=true",
            "--set",
            "backtest.commission=fixed",
        ]
    )
    filed = parse(["--spec", path])
    assert {**vars(filed), "spec": None} == vars(typed)


def test_what_is_typed_overrides_the_file(tmp_path):
    path = write(
        tmp_path, "strategy: [momentum]\ncash: 5\nset: {sizing.allow_short: true}\nstart: 2009-01-02\n"
    )
    options = parse(
        ["--spec", path, "--strategy", "mean_reversion", "--cash", "7", "--set", "caps.max_positions=2"]
    )
    assert options.strategy == ["mean_reversion"]
    assert options.cash == "7"
    assert options.set == ["sizing.allow_short=true", "caps.max_positions=2"]


def test_every_mistake_in_a_file_is_told_with_its_line(tmp_path):
    path = write(tmp_path, "mod: single\njson: 3\nstart: [2009-01-02, 2010-01-04]\nspec: other.yaml\n")
    with pytest.raises(ConfigError) as caught:
        parse(["--spec", path])
    assert [problem.removeprefix(path) for problem in caught.value.problems] == [
        " line 1: mod: unknown option; did you mean mode?",
        " line 2: json: must be true or false",
        " line 3: start: must be one value",
        " line 4: spec: unknown option; run_backtest.py --help lists the options",
    ]


@pytest.mark.parametrize("text", ["- single\n", "mode: [\n", "mode: single\nmode: single\n"])
def test_a_file_that_is_no_list_of_options_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=r"study\.yaml"):
        parse(["--spec", write(tmp_path, text)])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: can't be read"):
        parse(["--spec", str(tmp_path / "none.yaml")])


def test_an_option_of_another_mode_is_refused_instead_of_ignored():
    with pytest.raises(ConfigError) as caught:
        parse(["--grid", "momentum.fast_window=5..10", "--trials", "5"])
    assert caught.value.problems == (
        "--grid is for --mode grid_search or optimise or walk_forward, not single",
        "--trials is for --mode optimise, not single",
    )
    assert (
        parse(["--mode", "walk_forward", "--grid", "momentum.fast_window=5..10", "--train", "500"]).train
        == 500
    )


def test_every_option_of_the_table_exists():
    options = vars(parse([]))
    assert {name for names in ONLY_FOR.values() for name in names} <= set(options)


def test_a_date_that_is_none_says_how_to_write_one(capsys):
    with pytest.raises(SystemExit):
        parse(["--start", "2005-13-01"])
    assert "'2005-13-01' is no date; write it as 2005-01-31" in capsys.readouterr().err
