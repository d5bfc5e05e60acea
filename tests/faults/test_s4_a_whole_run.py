"""S4: nothing of ours listens on TCP but the paper gateway, on loopback, and it answers no browser.

The same run, from its start to a kill, also shows that no secret is written anywhere and that no other user can write to what
it leaves: it is started with secrets in its environment and a umask that forbids nothing.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.acceptance.system import System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
IPC_KEY = "5ec2e7" * 11
SECRETS = {
    "BACKSTOP_IPC_KEY": IPC_KEY,
    "BACKSTOP_APPRISE_URL": "json://user:marked-password-7f3a@127.0.0.1:9/marked-token-91bc",
    "POLYGON_API_KEY": "marked-polygon-key-44d0",
    "PREFECT_API_KEY": "marked-prefect-key-5e61",
}
MARKS = (
    IPC_KEY,
    "marked-password-7f3a",
    "marked-token-91bc",
    "marked-polygon-key-44d0",
    "marked-prefect-key-5e61",
)
READABLE = {"main_heartbeat.json", "risk_monitor_heartbeat.json"}
"""Hold no secret; a monitoring program of another user may read them."""


@dataclass
class Seen:
    """What was seen of a run."""

    folder: Path
    listeners: dict[str, set[str]] = field(default_factory=dict)
    answer: bytes = b""
    names: set[str] = field(default_factory=set)
    command_lines: str = ""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("whole-run")
    before = os.umask(0)
    system = System(folder, **SECRETS)
    config = folder / "config.yaml"
    text = config.read_text()
    assert "apprise_url_env: []" in text
    config.write_text(text.replace("apprise_url_env: []", "apprise_url_env: [BACKSTOP_APPRISE_URL]"))
    try:
        system.start("--sessions", "200")
        system.wait_trading(orders=2)
        result = Seen(folder)
        look_at_processes(system, result)
        (system.flags / "KILL_NOW.flag").touch()
        assert system.wait() == 3, system.terminal()[-3000:]
        yield result
    finally:
        os.umask(before)
        system.close()


def look_at_processes(system: System, seen: Seen) -> None:
    """Read from the kernel which process listens where, then speak HTTP to the gateway."""
    assert system._process is not None
    family = [psutil.Process(system._process.pid)]
    family += family[0].children(recursive=True)
    for process in family:
        words = " ".join(process.cmdline())
        seen.command_lines += words + "\n"
        seen.names |= {
            name for name in ("main.py", "risk_monitor.py", "paper_gateway", "dashboard") if name in words
        }
        own = {
            f"{one.laddr.ip}:{one.laddr.port}"
            for one in process.net_connections("inet")
            if one.status == "LISTEN"
        }
        if own:
            seen.listeners[words] = own
    (address,) = {address for addresses in seen.listeners.values() for address in addresses}
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 10.0) as browser:
        browser.settimeout(10.0)
        browser.sendall(
            b"POST /kill HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n"
        )
        try:
            seen.answer = browser.recv(1000)
        except ConnectionResetError:
            seen.answer = b""


def test_only_the_paper_gateway_listens_and_only_on_loopback(seen: Seen) -> None:
    assert {"main.py", "risk_monitor.py", "paper_gateway", "dashboard"} <= seen.names
    ((words, addresses),) = seen.listeners.items()
    assert "paper_gateway" in words
    assert {address.rpartition(":")[0] for address in addresses} == {"127.0.0.1"}


def test_a_post_of_a_browser_gets_no_answer(seen: Seen) -> None:
    assert seen.answer == b""


def test_no_secret_is_in_any_file_or_command_line(seen: Seen) -> None:
    files = [path for path in seen.folder.rglob("*") if path.is_file()]
    written = {path.name for path in files}
    assert {"main.db", "watchdog.db", "main.log", "risk_monitor.log"} <= written
    assert any(path.parent.name == "incidents" for path in files)
    for mark in MARKS:
        assert mark not in seen.command_lines
        holding = [str(path) for path in files if mark.encode() in path.read_bytes()]
        assert holding == []


def test_nobody_else_may_write_and_what_matters_nobody_else_may_read(seen: Seen) -> None:
    own = [path for name in ("state", "logs", "results") for path in (seen.folder / name).rglob("*")]
    assert own
    for path in own:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert not mode & 0o022, f"{path} has mode {mode:o}"
        private = path.suffix in {".db", ".log", ".csv"} or path.parent.name == "incidents"
        if path.is_file() and private and path.name not in READABLE:
            assert not mode & 0o044, f"{path} has mode {mode:o}"
    for path in own:
        if path.name == "ipc":
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
