"""Alerts on their way to the helper process and through it to a service."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.alerts import AlertHelper, alert_line
from tests.waiting import wait_for

PIPE_BUF = 4096


class Service:
    """A service of apprise's ``json://`` sort on this machine."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.texts.append(json.loads(body)["message"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.server.shutdown()
    service.server.server_close()


def residue_of(symbols: int) -> str:
    reason = "closing order rejected: 201 Order rejected - reason: " + "the symbol is halted, " * 14
    items = "; ".join(f"SYM{number} 100 ({reason})" for number in range(symbols))
    return f"kill ended (drawdown): NOT flat: {items}"


def test_an_alert_longer_than_a_pipe_takes_arrives_shortened_and_so_does_the_next(service: Service) -> None:
    long = residue_of(13)
    assert len(long) > PIPE_BUF
    helper = AlertHelper([service.url])
    try:
        helper.send("critical", long)
        helper.send("critical", "halted after a kill")
        wait_for(lambda: len(service.texts) >= 2, "both alerts")
    finally:
        helper.close()
    first, second = service.texts
    assert first.startswith("kill ended (drawdown): NOT flat: SYM0 100")
    assert first.endswith("[cut]")
    assert len(first) > PIPE_BUF - 100
    assert second == "halted after a kill"
    assert helper.dropped == 0


@given(text=st.text(st.sampled_from('a"\\\n\0é€😀'), max_size=60), times=st.integers(1, 200))
def test_a_line_always_fits_ends_and_tells_the_beginning(text: str, times: int) -> None:
    whole = text * times
    line = alert_line("critical", whole)
    assert len(line) <= PIPE_BUF
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    document = json.loads(line)
    assert document["severity"] == "critical"
    told = document["text"]
    assert told == whole or whole.startswith(told.removesuffix(" [cut]"))
    is_short = len(json.dumps({"severity": "critical", "text": whole})) < PIPE_BUF
    assert (told == whole) == is_short
