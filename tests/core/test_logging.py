"""Logging: JSON in files, people's text on the terminal; floods, secrets and hostile text (F2, F12, S3)."""

import io
import json
import logging as stdlib_logging
import sys
import threading
from contextlib import closing

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from core.config_schema import LoggingSettings
from core.logging import log_uncaught_errors, setup
from core.secrets import REDACTED, redact
from core.text import escape
from core.vocabulary import HaltLevel, HaltReason


class Terminal(io.StringIO):
    """A terminal that can break."""

    is_broken = False
    is_a_tty = False

    def isatty(self):
        return self.is_a_tty

    def write(self, text):
        if self.is_broken:
            raise BrokenPipeError("the terminal has gone away")
        return super().write(text)


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def output(tmp_path, terminal):
    with closing(setup("main", LoggingSettings(), tmp_path, run_id="run-1", terminal=terminal)) as opened:
        yield opened
    structlog.reset_defaults()
    root = stdlib_logging.getLogger()
    for handler in [one for one in root.handlers if type(one).__module__ == "core.logging"]:
        root.removeHandler(handler)


@pytest.fixture
def lines(tmp_path):
    return lambda: [json.loads(line) for line in (tmp_path / "main.log").read_text().splitlines()]


@pytest.fixture
def log(output):
    return structlog.get_logger("tests")


def test_an_event_is_one_json_object_and_one_line_for_people(log, lines, terminal):
    log.info("order_sent", symbol="AAPL", quantity=3)
    (line,) = lines()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "event": "order_sent",
        "level": "info",
        "logger": "tests",
        "process": "main",
        "run_id": "run-1",
        "symbol": "AAPL",
        "quantity": 3,
    }
    assert terminal.getvalue()[9:] == "info     order sent  symbol=AAPL quantity=3\n"


def test_levels_below_the_configured_one_are_left_out(log, lines):
    log.debug("too_small")
    log.warning("enough")
    assert [line["event"] for line in lines()] == ["enough"]


def test_enums_and_nan_are_written_plainly(log, lines):
    log.error("halted", reason=HaltReason.JOURNAL, level_of_halt=HaltLevel.HALTED, nlv=float("nan"))
    (line,) = lines()
    assert (line["reason"], line["level_of_halt"], line["nlv"]) == ("journal", 2, None)


def test_s3_text_from_outside_can_neither_forge_a_line_nor_command_a_terminal(log, terminal, tmp_path):
    evil = 'x\n{"event":"forged"}\r\x1b[2J\x9b31m\u2028\u202e'
    log.info(evil, symbol=evil, nested={evil: [evil]})
    stdlib_logging.getLogger("ibapi").error("from a library: %s", evil)
    for text in ((tmp_path / "main.log").read_text(), terminal.getvalue()):
        assert len(text.splitlines()) == 2
        assert not set(text) & set("\r\x1b\x9b\u2028\u202e")


def test_secrets_are_not_written(log, terminal, tmp_path):
    log.info("x", ipc_key="S3CRET", api_token="S3CRET", settings={"password": "S3CRET", "key": "visible"})
    text = (tmp_path / "main.log").read_text() + terminal.getvalue()
    assert "S3CRET" not in text
    assert text.count(REDACTED) == 6
    assert "visible" in text


@pytest.mark.parametrize("key", ["password", "IPC_KEY", "apiKey_secret", "private_keys", "smtp_password_2"])
def test_a_key_that_names_a_secret_is_known(key):
    assert redact(key, "x") == REDACTED


@pytest.mark.parametrize("key", ["key", "monkey", "symbol", "tokenize", "keys"])
def test_other_keys_are_shown(key):
    assert redact(key, "x") == "x"


def test_an_exception_is_logged_with_its_trace(log, lines, terminal):
    try:
        raise ValueError("broken\x1b[31m")  # noqa: TRY301 - the trace is the case
    except ValueError:
        log.exception("failed")
    (line,) = lines()
    assert "ValueError: broken" in line["exception"]
    assert "Traceback" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()


def test_an_error_that_ends_a_thread_is_logged(log, lines, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    log_uncaught_errors()
    thread = threading.Thread(target=lambda: dict[str, int]()["missing"], name="reader")
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError("at the end"), None)
    first, second = lines()
    assert (first["event"], first["thread"], first["level"]) == (
        "thread_ended_by_an_error",
        "reader",
        "critical",
    )
    assert "KeyError" in first["exception"]
    assert "at the end" in second["exception"]


def test_f12_a_flood_is_capped_and_rotated(tmp_path, terminal, output):
    with closing(setup("flood", LoggingSettings(max_bytes=100_000, backups=2), tmp_path, terminal=terminal)):
        log = structlog.get_logger("tests")
        for number in range(5_000):
            log.info("flood", number=number, filler="x" * 100)
    files = sorted(tmp_path.glob("flood.log*"))
    assert [file.name for file in files] == ["flood.log", "flood.log.1", "flood.log.2"]
    assert all(file.stat().st_size <= 100_000 for file in files)
    assert '"number":4999' in files[0].read_text()


def test_f12_a_huge_event_is_cut(log, lines):
    log.info("huge", text="x" * 10_000_000, many=["y" * 1000] * 1000)
    log.info("next")
    first, second = lines()
    assert len(json.dumps(first)) < 33_000
    assert (first["event"], first["cut"], second["event"]) == ("huge", True, "next")


def test_f2_a_log_that_can_not_be_written_is_counted_and_stops_nobody(log, output, tmp_path, terminal):
    log.info("before")
    output.close()
    (tmp_path / "main.log").unlink()
    (tmp_path / "main.log").mkdir()
    log.error("lost_in_the_file")
    assert output.lost == 1
    assert "lost in the file" in terminal.getvalue()
    (tmp_path / "main.log").rmdir()
    log.info("after")
    assert '"event":"after"' in (tmp_path / "main.log").read_text()


def test_a_terminal_that_goes_away_stops_nobody(log, lines, terminal):
    terminal.is_broken = True
    log.info("one")
    log.info("two")
    assert [line["event"] for line in lines()] == ["one", "two"]


def test_colours_are_for_terminals_only(tmp_path, terminal, output, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal.is_a_tty = True
    with closing(setup("other", LoggingSettings(), tmp_path, terminal=terminal)):
        structlog.get_logger().error("red")
    assert terminal.getvalue().startswith("\x1b[31m")
    assert "\x1b" not in (tmp_path / "other.log").read_text()


def test_lines_of_many_threads_stay_whole(log, lines):
    def write(n):
        for number in range(200):
            log.info("line", thread=n, number=number, filler="x" * 200)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines()) == 800


@given(st.text(), st.integers(1, 50))
def test_escaped_text_is_printable_on_one_line_and_of_bounded_length(text, limit):
    result = escape(text, limit)
    assert len(result.splitlines()) <= 1
    assert len(result) <= limit + 40
    assert "\x1b" not in result
    result.encode("utf-8")
