"""Command line of the paper gateway: ``python -m paper_gateway --port 4002``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import os
import signal
import sys
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import structlog

from core.errors import BackstopError
from paper_gateway.assembly import Assembly, GatewayOptions, assemble
from paper_gateway.bar_fills import BarModel
from paper_gateway.impact import ImpactModel
from paper_gateway.status import write_status

_STATUS_INTERVAL_S = 0.25
_USAGE = 2


def _speed(text: str) -> float:
    try:
        value = float("inf") if text == "max" else float(text.removesuffix("x"))
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"'{text}' is neither 'max' nor a number above 0")
    return value


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no date of the form YYYY-MM-DD") from None


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number above 0")
    return int(text)


def _cash(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or not 0 < value <= Decimal("1e12"):
        raise argparse.ArgumentTypeError(f"'{text}' is no amount above 0 and up to 10^12")
    return value


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m paper_gateway",
        description="An embedded IB Gateway: serves TWS API clients on loopback from replayed prices. Real daily "
        "bars; the path inside a bar is simulated.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="loopback address to listen on (%(default)s)")
    add("--port", type=int, default=4002, help="port, 0 for a free one (%(default)s)")
    add("--symbols", nargs="+", metavar="SYMBOL", help="symbols to list (all that there are)")
    add("--data", type=Path, metavar="FOLDER", help="CSV or Parquet bars instead of the packaged prices")
    add(
        "--start",
        type=_date,
        metavar="DATE",
        help="first session, YYYY-MM-DD (the first with a quarter of history)",
    )
    add("--sessions", type=_positive, metavar="N", help="freeze the market after N sessions (never)")
    add("--speed", type=_speed, default=1.0, metavar="X", help="market seconds per second, or max (1)")
    add("--seed", type=int, default=1, help="seed of the simulated paths and fills (%(default)s)")
    add("--wait-for-client", action="store_true", help="start the clock when a client subscribes to bars")
    add("--barrier", action="store_true", help="hold time at boundaries until clients asked for the time")
    add(
        "--bar-boundary",
        type=_positive,
        default=300,
        metavar="S",
        help="seconds between boundaries (%(default)s)",
    )
    add("--account", default="DU1234567", help="account id (%(default)s)")
    add("--cash", type=_cash, default=Decimal(1_000_000), help="cash at the start (%(default)s)")
    add("--account-type", choices=("margin", "cash"), default="margin", help="kind of account (%(default)s)")
    add("--commission", choices=("tiered", "fixed"), default="tiered", help="IB's schedule (%(default)s)")
    add(
        "--fill-model",
        choices=("tape", "bar"),
        default="tape",
        help="tape: orders meet the simulated path and its spread; bar: they fill as a backtest over bars of "
        "--bar-boundary seconds assumes, at the next bar's open or at the stop, with the costs below (%(default)s)",
    )
    costs = BarModel()
    add(
        "--half-spread-bps",
        type=float,
        default=costs.half_spread_bps,
        metavar="BPS",
        help="bar model (%(default)s)",
    )
    add(
        "--slippage-bps",
        type=float,
        default=costs.slippage_bps,
        metavar="BPS",
        help="bar model (%(default)s)",
    )
    add(
        "--impact-bps",
        type=float,
        default=costs.impact_bps,
        metavar="BPS",
        help="bar model: impact of an order as large as its bar's volume (%(default)s)",
    )
    add(
        "--participation",
        type=float,
        default=costs.participation,
        metavar="X",
        help="bar model: largest share of a bar's volume that is ours (%(default)s)",
    )
    impact = ImpactModel()
    add(
        "--impact",
        type=float,
        default=impact.strength,
        metavar="Y",
        help="tape model: Y of the square-root law of market impact, 0 for none (%(default)s)",
    )
    add(
        "--impact-half-life",
        type=float,
        default=impact.half_life_s,
        metavar="S",
        help="tape model: market seconds after which half of an impact has faded (%(default)s)",
    )
    add(
        "--not-shortable",
        nargs="+",
        default=(),
        metavar="SYMBOL",
        help="symbols of which no share can be borrowed: short sales are rejected (none)",
    )
    add("--master-client-id", type=int, metavar="ID", help="client that hears of all clients' orders (none)")
    add(
        "--max-messages-per-second",
        type=int,
        default=0,
        metavar="N",
        help="drop a client that sends more, as TWS does at 50 (no limit)",
    )
    add(
        "--status-file",
        type=Path,
        metavar="FILE",
        help="JSON file to keep up to date with the replay's state",
    )
    add(
        "--faults",
        type=Path,
        metavar="FILE",
        help="scenario of faults (YAML; ready ones lie in paper_gateway/faults/scenarios, --seed chooses their chances)",
    )
    add(
        "--fault-control",
        type=Path,
        metavar="FOLDER",
        help="folder of files that begin and end the faults which name them as control",
    )
    add("--audit", type=Path, metavar="FILE", help="JSON lines of what really happens in the account")
    return parser


def _options(arguments: argparse.Namespace) -> GatewayOptions:
    given = vars(arguments) | {"symbols": tuple(arguments.symbols) if arguments.symbols else None}
    given.pop("status_file")
    model = {
        name: given.pop(name) for name in ("half_spread_bps", "slippage_bps", "impact_bps", "participation")
    }
    given["impact"] = ImpactModel(strength=given["impact"], half_life_s=given.pop("impact_half_life"))
    given["not_shortable"] = tuple(given["not_shortable"])
    if given.pop("fill_model") == "bar":
        given["bar_model"] = BarModel(size_s=arguments.bar_boundary, **model)
    return GatewayOptions(**given)


async def _serve(assembly: Assembly, status_file: Path | None) -> None:
    """Serve, as a server that listens already, until a signal comes or the replay fails."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server, replay = assembly.server, assembly.replay

    def report() -> None:
        if status_file is not None:
            write_status(status_file, server.port, replay.status(), server.hub)

    report()
    print(f"listening on {assembly.options.host}:{server.port}", flush=True)
    task = asyncio.create_task(replay.run())
    directing = None if assembly.director is None else asyncio.create_task(assembly.director.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stopping.done():
            await asyncio.wait({stopping}, timeout=_STATUS_INTERVAL_S)
            report()
            if task.done():
                task.result()  # a replay that failed ends the gateway; one that is finished does not
            if directing is not None and directing.done():
                directing.result()
    finally:
        task.cancel()
        stopping.cancel()
        if directing is not None:
            directing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(task, stopping)
        await server.stop()


async def _main(options: GatewayOptions, status_file: Path | None) -> int:
    try:
        assembly = assemble(options)
    except (BackstopError, ValueError) as problem:
        print(f"paper_gateway: {problem}", file=sys.stderr)
        return _USAGE
    try:
        await assembly.server.start()
    except OSError as problem:
        where = f"{options.host}:{options.port}"
        reason = "is in use" if problem.errno == errno.EADDRINUSE else os.strerror(problem.errno or 0)
        print(f"paper_gateway: can't listen on {where}: {reason}; choose another --port", file=sys.stderr)
        return _USAGE
    await _serve(assembly, status_file)
    return 0


def _print_human(_logger: object, level: str, event: structlog.typing.EventDict) -> str:
    """Render an event as the other processes' terminals show theirs."""
    time, name = event.pop("time"), str(event.pop("event")).replace("_", " ")
    return f"{time} {level:<8} {name}  " + " ".join(f"{key}={value}" for key, value in event.items())


def _set_up_logging() -> None:
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S", key="time")
    structlog.configure(processors=[stamp, structlog.processors.format_exc_info, _print_human])


def main() -> int:
    """Run the gateway; returns the exit code. An error of its own ends it with a traceback and 1."""
    arguments = make_parser().parse_args()
    _set_up_logging()
    try:
        options = _options(arguments)
    except ValueError as problem:
        print(f"paper_gateway: {problem}", file=sys.stderr)
        return _USAGE
    return asyncio.run(_main(options, arguments.status_file))


if __name__ == "__main__":
    sys.exit(main())
