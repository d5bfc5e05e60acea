"""``python -m data download ib``: a broker session of its own, which asks for past bars and nothing else."""

from __future__ import annotations

import sys
import time

import structlog

from core.clock import SystemClock
from core.config_schema import BrokerSettings
from core.exit_codes import ExitCode
from core.ib_wrapper.session import IBSession
from core.vocabulary import Unknown
from data.bar_table import NS_PER_S, DataError
from data.cli.context import DownloadRequest, terminal_progress
from data.download.ib import IBDownload
from data.download.plan import SIZES, plan
from data.history_pacing import RELAXED, STRICT, HistoryPacer
from data.store.writer import HistoryWriter

_SMALL_BAR_S = 30
_ANSWER_S = 120.0


def download_ib(request: DownloadRequest) -> ExitCode:
    """Connect, plan, download; what was done until an interruption is in the store.

    Raises
    ------
    DataError
        When the size isn't offered, the store is busy, or the broker stays away.
    """
    size_s = request.options.size
    if size_s not in SIZES:
        sizes = ", ".join(str(size) for size in SIZES)
        raise DataError([f"--size: IB has no bars of {size_s} s that fit; possible seconds: {sizes}"])
    clock, broker = SystemClock(), _broker(request)
    session = _session(request, broker, clock)
    session.start()
    try:
        if not session.wait_ready(request.options.wait):
            print(
                f"no broker at {broker.host}:{broker.port} within {request.options.wait} s: is TWS or IB Gateway running, with "
                "its API on?",
                file=sys.stderr,
            )
            return ExitCode.BROKER_REFUSED
        return _download(request, session, clock)
    finally:
        session.stop()


def _broker(request: DownloadRequest) -> BrokerSettings:
    given = {"host": request.options.host, "port": request.options.port, "request_timeout_s": _ANSWER_S}
    changes = {name: value for name, value in given.items() if value is not None}
    return request.loaded.settings.broker.model_copy(update=changes)


def _session(request: DownloadRequest, broker: BrokerSettings, clock: SystemClock) -> IBSession:
    settings = request.loaded.settings
    return IBSession(
        broker,
        client_id=request.options.client_id,
        sink=lambda _event: None,
        clock=clock,
        logger=structlog.wrap_logger(structlog.PrintLogger(sys.stderr), processors=[_drop]),
        account_id=settings.account_id,
        exchange=settings.universe.exchange,
        primary_exchanges=settings.universe.primary_exchanges,
        currency=settings.universe.currency,
    )


def _drop(_logger: object, _name: str, _event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent


def _download(request: DownloadRequest, session: IBSession, clock: SystemClock) -> ExitCode:
    now_s = session.current_time().result(_ANSWER_S)
    if isinstance(now_s, Unknown):
        raise DataError([f"the broker doesn't tell the time: {now_s}"])
    size_s, calendar = request.options.size, request.calendar()
    pieces = plan(request.symbols, size_s, request.first, request.last, calendar, now_s * NS_PER_S)
    if not pieces:
        raise DataError([f"there is no session between {request.first} and {request.last} that is over"])
    relaxed = request.options.pacing == "relaxed" and size_s > _SMALL_BAR_S
    pacer = HistoryPacer(clock, RELAXED if relaxed else STRICT)
    with HistoryWriter(request.store) as writer, terminal_progress(len(pieces), "ib") as progress:
        download = IBDownload(
            session, writer, calendar=calendar, pacer=pacer, clock=clock, sleep=time.sleep, progress=progress
        )
        try:
            done = download.run(pieces)
        except KeyboardInterrupt:
            print(
                f"stopped; what came so far is in {request.store}, and the same command goes on",
                file=sys.stderr,
            )
            return ExitCode.CLEAN
    for problem in done.problems:
        print(problem, file=sys.stderr)
    print(
        f"{done.pieces} of {len(pieces)} pieces downloaded, {done.already} were there already; "
        f"{done.bars:,} bars written to {request.store}"
    )
    return ExitCode.USAGE if done.problems else ExitCode.CLEAN
