"""Configuration: what config.yaml says, and everything that is wrong with it at once (F9, S3)."""

import math
import os
import re
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.config_loader import load_settings
from core.config_schema import Settings
from core.config_section import Section
from core.config_yaml import parse
from core.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[2]
LIVE_WITHOUT_ACCOUNT = "mode is live, so account_id must name the account that may be traded"
SHIPPED = PROJECT / "config.yaml"


@pytest.fixture
def load(tmp_path):
    def load(text="", environ=None):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, environ or {})

    return load


@pytest.fixture
def problems(load):
    def problems(text="", environ=None):
        with pytest.raises(ConfigError) as caught:
            load(text, environ)
        return list(caught.value.problems)

    return problems


# --- the shipped file ------------------------------------------------------------------------------------


def key_paths(model, prefix=()):
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from key_paths(kind, (*prefix, name))
        else:
            yield (*prefix, name)


def test_the_shipped_file_holds_every_key_with_its_default():
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    defaults = Settings().model_dump(mode="json")
    loaded = load_settings(SHIPPED, {}).settings.model_dump(mode="json")
    for path in key_paths(Settings):
        here, default, effective = shipped, defaults, loaded
        for part in path:
            assert part in here, f"{'.'.join(path)} is missing in config.yaml"
            here, default, effective = here[part], default[part], effective[part]
        if path != ("strategies",):
            assert effective == default, f"{'.'.join(path)} is not the default"


def test_every_key_of_the_shipped_file_is_explained():
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    explained = False
    for line in lines:
        if not line.strip():
            explained = False
        elif line.lstrip().startswith("#") or "#" in line:
            explained = True
        else:  # a comment may stand for a few keys that follow each other
            assert explained, f"no comment explains {line!r}"


def test_the_run_time_folders_are_relative_to_the_file(tmp_path, load):
    loaded = load("paths: {logs: /elsewhere/logs, state: s/x}")
    assert loaded.root == tmp_path
    assert loaded.folders.state == tmp_path / "s" / "x"
    assert loaded.folders.control == tmp_path / "state"
    assert loaded.folders.logs == Path("/elsewhere/logs")


def test_the_folders_can_be_made(tmp_path, load):
    folders = load().folders
    folders.make()
    folders.make()
    assert all(f.is_dir() for f in (folders.state, folders.control, folders.logs, folders.results))
    assert not folders.flags.exists(), "a lost flags folder stays lost: nobody may trade"


def test_an_empty_file_means_all_defaults(load):
    assert load("").settings == Settings()
    assert load("# nothing\n").settings == Settings()
    assert load("broker:\nrisk:\n  drawdown:\n").settings == Settings()


def test_the_hash_covers_what_is_effective_and_not_the_layout(load):
    plain = load("broker: {port: 4001}").sha256
    assert load("# a comment\nbroker:\n    port: 4001").sha256 == plain
    assert load("", {"BACKSTOP__BROKER__PORT": "4001"}).sha256 == plain
    assert load("").sha256 != plain


# --- mistakes --------------------------------------------------------------------------------------------


def test_f9_all_mistakes_are_told_at_once_with_place_value_and_what_is_allowed(problems):
    found = problems(
        "mode: live\n"
        "broker:\n"
        "  prot: 4002\n"
        "  port: 99999\n"
        "  request_timeout_s: .nan\n"
        "universe: {symbols: [AAPL, aapl], currency: EUR}\n"
        "risk:\n"
        "  drawdown: {max_drawdown: -1}\n"
        "  heartbeat: 3\n"
        "bars: {size_s: 301}\n"
        "sizing: {drawdown_levels: [0.1, 0.05, 0.2]}\n"
        "strategies:\n"
        "  - {name: momentum, weight: 0.7}\n"
        "  - {name: mean_reversion, weight: 0.6, parameters: {window: often}}\n"
    )
    assert found == [
        "config.yaml line 3: broker.prot: unknown key; did you mean port?",
        "config.yaml line 4: broker.port: 99999 is not allowed: must be a whole number from 1 to 65535",
        "config.yaml line 5: broker.request_timeout_s: nan is not allowed: must be a number above 0, at most 3600",
        "config.yaml line 6: universe.symbols[1]: 'aapl' is not allowed: must be text of the form ^[A-Z][A-Z0-9. ]{0,11}$",
        "config.yaml line 6: universe.currency: 'EUR' is not allowed: must be USD",
        "config.yaml line 8: risk.drawdown.max_drawdown: -1 is not allowed: must be a number above 0, at most 1",
        "config.yaml line 9: risk.heartbeat: 3 is not allowed: must be keys and values",
        "config.yaml line 10: bars.size_s: 301 is not allowed: must be one of 60, 300, 900, 1800, 3600",
        "config.yaml line 11: sizing: drawdown_levels must rise strictly",
        "config.yaml line 14: strategies[1].parameters.window: 'often' is not allowed: must be a number",
        f"config.yaml: {LIVE_WITHOUT_ACCOUNT}; strategies: the weights of the enabled strategies add up to more than 1",
    ]


def test_a_rule_about_two_keys_is_not_blamed_when_one_of_them_is_wrong(problems):
    found = problems("broker: {main_client_id: -1, watchdog_client_id: 1}")
    assert len(found) == 1
    assert "broker.main_client_id: -1" in found[0]
    assert problems("broker: {main_client_id: 2}") == [
        "config.yaml line 1: broker: main_client_id and watchdog_client_id must differ"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("caps: {max_positons: 3}", "caps.max_positons: unknown key; did you mean max_positions?"),
        ("zzzz: 1", "zzzz: unknown key; known here: account_id, alerts,"),
        ("caps: {max_gross_exposure: .inf}", "caps.max_gross_exposure: inf is not allowed"),
        ("caps: {max_positions: -3}", "must be a whole number from 1 to 500"),
        ("caps: {max_positions: 2.5}", "must be a whole number from 1 to 500"),
        ("caps: {max_positions: }", "caps.max_positions: nothing is not allowed"),
        ("account_id: 12345", "must be text of the form"),
        (
            "execution: {pretrade: {max_order_notional: .nan}}",
            "max_order_notional: nan is not allowed: must be a number",
        ),
        ("execution: {pretrade: {max_order_notional: 0}}", "must be a number above 0, at most 1000000000"),
        ("strategies: []", "strategies: [] is not allowed: must be a list of at least 1 items"),
        ("strategies: [{weight: 0.5}]", "strategies[0].name: must be given"),
        ("strategies: {name: x}", "strategies: {'name': 'x'} is not allowed: must be a list"),
        ("sizing: {allow_short: perhaps}", "must be true or false"),
        ("execution: {on_shutdown: flatten}", "must be one of keep_stops, cancel_all, keep_all"),
        ("alerts: {apprise_url_env: [https://secret]}", "must be text of the form ^[A-Z][A-Z0-9_]*$"),
    ],
)
def test_f9_a_mistake_names_the_key_and_what_is_allowed(problems, text, expected):
    (problem,) = problems(text)
    assert expected in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("broker: {port: 1}\nbroker: {port: 2}", "line 2: broker: stands twice, first in line 1"),
        ("broker:\n  port: 1\n  port: 2\n", "line 3: broker.port: stands twice, first in line 2"),
        ("mode: &a paper\naccount_id: *a", "line 1: account_id: anchors and aliases can't be used here"),
        ("a: &a [*a]", "anchors and aliases"),
        ("broker: [\n", "line 2: not valid YAML"),
        ("broker: {port: 1", "not valid YAML"),
        ("mode: paper\n\tbroker: 1", "line 2: not valid YAML"),
        ("- a\n- b", "must hold keys and values, not a list"),
        ("just text", "must hold keys and values, not a str"),
        ("? [a, b]\n: 1", "line 1: a key must be a plain name"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("mode: pa\x07per", "line 1: holds the character '\\x07'"),
        ("a: " + "[" * 3000, "not valid YAML"),
        ("a: " + "[" * 30 + "]" * 30, "nested too deeply"),
    ],
)
def test_f9_broken_yaml_is_told_with_its_line(problems, text, expected):
    assert any(expected in problem for problem in problems(text))


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch /tmp/backstop-s3']",
        "!!python/name:os.system",
        "!!binary aGVsbG8=",
        "!!set {a, b}",
        "!custom 1",
        "!!timestamp 2020-01-01",
    ],
)
def test_s3_a_tag_makes_nothing(problems, value):
    found = problems(f"mode: {value}")
    assert any("line 1: mode: the tag !" in problem for problem in found)
    assert not Path("/tmp/backstop-s3").exists()


def test_ticker_symbols_that_old_yaml_reads_as_booleans_are_symbols(load):
    assert load("universe: {symbols: [ON, NO, Y, ALL]}").settings.universe.symbols == ("ON", "NO", "Y", "ALL")


def test_numbers_may_be_written_in_the_usual_ways(load):
    settings = load("logging: {max_bytes: 1_000_000}\ncaps: {max_participation: 1e-3}").settings
    assert settings.logging.max_bytes == 1_000_000
    assert math.isclose(settings.caps.max_participation, 0.001)


def test_a_file_that_is_missing_unreadable_or_no_text_is_told(tmp_path):
    path = tmp_path / "config.yaml"

    def told(expected):
        with pytest.raises(ConfigError, match=re.escape(expected)):
            load_settings(path, {})

    told("there is no such file")
    path.mkdir()
    told("is no regular file")
    path.rmdir()
    os.mkfifo(path)
    told("is no regular file")
    path.unlink()
    path.write_bytes(b"mode: \xff\xfe")
    told("is not UTF-8 text (byte 6)")
    path.write_bytes(b"#" * 1_000_001)
    told("is larger than")


# --- the environment -------------------------------------------------------------------------------------


def test_the_environment_overrides_the_file(load):
    loaded = load(
        "broker: {port: 4001}",
        {
            "BACKSTOP__BROKER__PORT": "7497",
            "BACKSTOP__UNIVERSE__SYMBOLS": "[IBM, MSFT]",
            "BACKSTOP__RISK__DRAWDOWN__MAX_DRAWDOWN": "0.2",
            "BACKSTOP__MODE": "live",
            "BACKSTOP__ACCOUNT_ID": "U1234567",
            "BACKSTOP_RUN_ID": "not an override",
            "HOME": "/root",
        },
    )
    assert loaded.settings.broker.port == 7497
    assert loaded.settings.universe.symbols == ("IBM", "MSFT")
    assert loaded.settings.risk.drawdown.max_drawdown == 0.2
    assert loaded.settings.account_id == "U1234567"
    assert len(loaded.overrides) == 5


def test_an_item_of_a_list_is_overridden_by_its_number(load):
    text = "strategies: [{name: a, weight: 0.5}, {name: b, weight: 0.5}]"
    loaded = load(text, {"BACKSTOP__STRATEGIES__1__ENABLED": "false", "BACKSTOP__STRATEGIES__0__WEIGHT": "1"})
    assert [(s.enabled, s.weight) for s in loaded.settings.strategies] == [(True, 1.0), (False, 0.5)]


def test_f9_a_wrong_override_is_told_by_the_variables_name(problems):
    found = problems(
        "mode: paper",
        {
            "BACKSTOP__BROKER__PORT": "0",
            "BACKSTOP__BROKER__HOTS": "x",
            "BACKSTOP__NOTHING__HERE": "1",
            "BACKSTOP__MODE__X": "1",
            "BACKSTOP__": "1",
            "BACKSTOP__STRATEGIES__7__NAME": "x",
            "BACKSTOP__CAPS__ACCOUNT_TYPE": "!!python/name:os.system",
        },
    )
    text = "\n".join(found)
    assert all(problem.startswith("environment BACKSTOP__") for problem in found)
    for expected in (
        "BACKSTOP__BROKER__PORT: broker.port: 0 is not allowed: must be a whole number from 1 to 65535",
        "BACKSTOP__BROKER__HOTS: broker.hots: unknown key; did you mean host?",
        "BACKSTOP__NOTHING__HERE: nothing: unknown key",
        "BACKSTOP__MODE__X: there is nothing to override: mode.x",
        "BACKSTOP__: no key path",
        "BACKSTOP__CAPS__ACCOUNT_TYPE: '!!python/name:os.system' is the tag",
    ):
        assert expected in text


def test_the_settings_can_not_be_changed_afterwards(load):
    loaded = load()
    with pytest.raises(ValueError, match="frozen"):
        loaded.settings.broker.port = 1


def test_what_a_component_finds_wrong_is_told_like_the_rest(load):
    loaded = load()
    loaded.reject([])
    with pytest.raises(ConfigError) as caught:
        loaded.reject(["strategies[0].parameters.window: 0 is out of range"])
    assert caught.value.problems == ("config.yaml: strategies[0].parameters.window: 0 is out of range",)


# --- properties ------------------------------------------------------------------------------------------


@given(st.text(alphabet=string.printable + "é\x00\ud800", max_size=80))
def test_f9_no_text_makes_the_parser_fail(text):
    document = parse(text)
    assert (
        document.problems
        or document.value is None
        or isinstance(document.value, dict | list | str | int | float)
    )


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(string.ascii_letters, max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(string.ascii_letters, min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Settings.model_fields, "other"]), plain, max_size=6))
def test_f9_any_plain_content_loads_or_gives_problems_that_name_the_file(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("c") / "config.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    problems = ["config.yaml"]
    try:
        load_settings(path, {})
    except ConfigError as error:
        problems = list(error.problems)
    assert problems
    assert all(problem.startswith("config.yaml") for problem in problems)
