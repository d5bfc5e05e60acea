"""One function for each parser: it takes any bytes, and raises only when the parser does what it must not.

A parser may refuse, in the way that its docstring names. It must not raise anything else, hang, or grow without bound.
"""

from __future__ import annotations

import functools
import hmac
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from core.clock import ManualClock
from core.config_loader import load_settings
from core.config_schema import BrokerSettings, RiskSettings
from core.csv_log import OrderSubmissionTail
from core.errors import ConfigError
from core.events import Event
from core.flags import FlagFolder
from core.ib_wrapper.dispatch import Counters, Dispatcher
from core.ib_wrapper.session import IBSession
from core.ib_wrapper.wire import MAX_PAYLOAD, FrameBuffer, StreamOutOfStep, parse_server_hello
from core.ipc import HEARTBEAT, Verifier
from core.ipc.messages import PROTOCOL
from core.journal import verify
from core.journal.chain import read_head
from core.locks import read_owner
from core.restrictions import RestrictionFolder
from dashboard.sources import read_gateway_status, read_main, read_watchdog
from data.bar_files import Problems, read_bar_file
from data.bar_table import DataError
from paper_gateway.codec import FrameReader, MalformedMessage, ProtocolViolation, message
from paper_gateway.faults.scenario_file import load_scenario
from paper_gateway.request_decoder import decode_request
from risk.checks.book_mismatch import differing
from risk.checks.heartbeat import check_heartbeat
from risk.checks.progress import check_progress
from risk.heartbeat_watch import HeartbeatWatch
from risk.kill_history import KillHistory
from scripts.incident.command import main as incident

KEY = bytes(range(32))
RUN_ID = "fuzzed-run"
NOW = 10**15
Target = Callable[[bytes], object]


@functools.cache
def _folder() -> Path:
    """Scratch folder of this process."""
    return Path(tempfile.mkdtemp(prefix="backstop-fuzz-"))


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _told(error: ConfigError | DataError) -> None:
    """A refusal says why."""
    assert error.problems


class _Silence:
    """Nobody speaks on this channel."""

    def poll(self) -> None:
        return None


@functools.cache
def _session() -> tuple[Any, list[Event]]:
    events: list[Event] = []
    session = IBSession(BrokerSettings(), client_id=1, sink=events.append, clock=ManualClock(NOW, NOW))
    dispatcher = Dispatcher(
        session._callbacks,
        157,
        on_vital_loss=lambda _text: None,
        after_batch=lambda: None,
        is_current=lambda: True,
        counters=Counters(),
        log=structlog.get_logger("fuzz"),
    )
    return dispatcher, events


def tws_stream(data: bytes) -> None:
    """Bytes of a broker: cut into frames in whatever pieces they come."""
    whole, pieces = FrameBuffer(), FrameBuffer()
    half = len(data) // 2
    try:
        expected = whole.feed(data)
    except StreamOutOfStep:
        return
    assert [*pieces.feed(data[:half]), *pieces.feed(data[half:])] == expected
    assert all(len(payload) <= MAX_PAYLOAD for payload in expected)
    for payload in expected:
        try:
            parse_server_hello(payload)
        except StreamOutOfStep:
            continue


def tws_message(data: bytes) -> None:
    """One message of a broker, decoded into events."""
    dispatcher, events = _session()
    dispatcher.run([data])
    events.clear()


def gateway_stream(data: bytes) -> None:
    """Bytes of a client of the paper gateway."""
    reader = FrameReader()
    try:
        reader.feed(data)
        if not reader.take_prefix():
            return
        while reader.next() is not None:
            continue
    except ProtocolViolation:
        return


def gateway_request(data: bytes) -> None:
    """One message of a client of the paper gateway; what was decoded can be encoded."""
    try:
        decode_request(data)
    except MalformedMessage:
        return
    fields = data.decode("utf-8", "replace").split("\0")
    message(*fields[:-1])


def submissions(data: bytes) -> None:
    """``logs/order_submissions.csv``, as the watchdog follows it while it grows."""
    half = len(data) // 2
    path = _file("submissions.csv", data[:half])
    tail = OrderSubmissionTail(path)
    tail.poll()
    with path.open("ab") as file:
        file.write(data[half:])
    for one in tail.poll():
        assert one.quantity > 0
        assert one.monotonic_ns > 0
    tail.close()


def flags(data: bytes) -> None:
    """Body of ``KILL.flag``: describes itself, and may be taken up as a kill."""
    path = _file("KILL.flag", data)
    folder = FlagFolder(path.parent)
    state = folder.present()
    assert state.stands
    assert "\n" not in state.detail
    KillHistory().unfinished(folder.read_kill(), RUN_ID, ManualClock(NOW, NOW))


def config(data: bytes) -> None:
    """``config.yaml``."""
    try:
        load_settings(_file("config.yaml", data), {})
    except ConfigError as error:
        _told(error)


def config_override(data: bytes) -> None:
    """A setting from the environment: its name, a line's end, its value."""
    name, _, value = data.decode("utf-8", "replace").replace("\0", "").partition("\n")
    empty = _file("empty.yaml", b"")
    try:
        load_settings(empty, {f"BACKSTOP__{name}": value})
    except ConfigError as error:
        _told(error)


def scenario(data: bytes) -> None:
    """A scenario of faults for the paper gateway."""
    try:
        load_scenario(_file("scenario.yaml", data))
    except ConfigError as error:
        _told(error)


def _verifier() -> Verifier:
    return Verifier(KEY, RUN_ID, sender="main", kinds={HEARTBEAT}, clock=ManualClock(NOW, NOW))


def ipc_frames(data: bytes) -> None:
    """Frames of a stranger: none is accepted."""
    verifier = _verifier()
    verifier.accept(data.split(b"|"))
    verifier.accept([PROTOCOL, data, data[:32].ljust(32)])
    assert verifier.accepted == 0


def ipc_content(data: bytes) -> None:
    """Content that is signed with the right key, whatever it holds."""
    mac = hmac.digest(KEY, PROTOCOL + b"\0" + data, "sha256")
    _verifier().accept([PROTOCOL, data, mac])


def heartbeat_file(data: bytes) -> None:
    """``logs/*_heartbeat.json``, as the watchdog's second channel and as the panel read it."""
    path = _file("main_heartbeat.json", data)
    _file("risk_monitor_heartbeat.json", data)
    clock = ManualClock(NOW, NOW)
    silence: Any = _Silence()
    watch = HeartbeatWatch(silence, file=path, run_id=RUN_ID, clock=clock)
    watch.poll()
    settings = RiskSettings().heartbeat
    check_heartbeat(watch.view(), settings)
    check_progress(watch.view(), settings)
    positions = watch.positions()
    if positions is not None:
        differing(positions, {})
    str((watch.halt_reason, watch.overdue_orders))
    read_main(path.parent)
    read_watchdog(path.parent)
    read_gateway_status(path)


def lock_file(data: bytes) -> None:
    """A lock file: names a process, or nobody."""
    owner = read_owner(_file("main.lock", data))
    if owner is not None:
        owner.is_running()


def journal_head(data: bytes) -> None:
    """The head file beside a journal, and a journal that is none."""
    path = _file("x.db", data)
    _file("x.db.head", data)
    read_head(path)
    verify(path)


def restrictions(data: bytes) -> None:
    """A restriction file: what can't be read restricts everything."""
    folder = _folder() / "control" / "restrictions"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fuzz.json").write_bytes(data)
    restricting = RestrictionFolder(_folder() / "control", ManualClock(NOW, NOW))
    assert 0.0 <= restricting.standing().scale_of("momentum") <= 1.0


def bars(data: bytes) -> None:
    """A file of bars, as CSV."""
    path = _file("AAPL.csv", data)
    try:
        read_bar_file(path, ZoneInfo("America/New_York"), Problems(path))
    except DataError as error:
        _told(error)


def incident_file(data: bytes) -> None:
    """An incident file that is played again."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):  # most of what the fuzzer makes would stop at the format otherwise
        document["format"] = 1
        data = json.dumps(document).encode()
    assert incident(["replay", str(_file("incident.json", data))]) in {0, 1, 2}


TARGETS: dict[str, Target] = {
    one.__name__: one
    for one in (
        tws_stream,
        tws_message,
        gateway_stream,
        gateway_request,
        submissions,
        flags,
        config,
        config_override,
        scenario,
        ipc_frames,
        ipc_content,
        heartbeat_file,
        lock_file,
        journal_head,
        restrictions,
        bars,
        incident_file,
    )
}
