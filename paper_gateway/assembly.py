"""Puts the gateway together: prices, market, brokerage, hub, server, replay."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from data.csv_bars import load_folder
from data.packaged import load_packaged, packaged_calendar
from paper_gateway.account import AccountType
from paper_gateway.audit import Audit
from paper_gateway.bar_fills import BarModel
from paper_gateway.brokerage import Brokerage
from paper_gateway.commissions import CommissionSchedule, FixedSchedule, TieredSchedule
from paper_gateway.faults.director import Director
from paper_gateway.faults.prices import with_splits
from paper_gateway.faults.scenario import Scenario
from paper_gateway.faults.scenario_file import load_scenario
from paper_gateway.hub import Hub, HubSettings
from paper_gateway.impact import ImpactModel
from paper_gateway.market import Market
from paper_gateway.replay import Replay, ReplaySettings
from paper_gateway.server import GatewayServer, ServerSettings

_SCHEDULES: dict[str, type[CommissionSchedule]] = {"tiered": TieredSchedule, "fixed": FixedSchedule}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """What the command line says; see ``python -m paper_gateway --help``."""

    host: str = "127.0.0.1"
    port: int = 4002
    symbols: tuple[str, ...] | None = None
    data: Path | None = None
    start: date | None = None
    sessions: int | None = None
    speed: float = 1.0
    seed: int = 1
    wait_for_client: bool = False
    barrier: bool = False
    bar_boundary: int = 300
    account: str = "DU1234567"
    cash: Decimal = Decimal(1_000_000)
    account_type: str = "margin"
    commission: str = "tiered"
    bar_model: BarModel | None = None
    impact: ImpactModel = field(default_factory=ImpactModel)
    not_shortable: tuple[str, ...] = ()
    master_client_id: int | None = None
    max_messages_per_second: int = 0
    faults: Path | None = None
    fault_control: Path | None = None
    audit: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The parts of a gateway, connected."""

    options: GatewayOptions
    server: GatewayServer
    replay: Replay
    director: Director | None = None


def assemble(options: GatewayOptions) -> Assembly:
    """Build a gateway that does not listen yet.

    Raises
    ------
    DataError
        When the prices can't be used.
    ValueError
        When an option is out of its range.
    """
    if options.data is None:
        tables, calendar = load_packaged(options.symbols), packaged_calendar()
    else:
        folder = load_folder(options.data, options.symbols)
        tables, calendar = folder.tables, folder.calendar
    scenario: Scenario | None = None
    if options.faults is not None:
        scenario = load_scenario(options.faults)
        tables = with_splits(tables, scenario.splits)
    market = Market(tables, calendar, seed=options.seed, centred_quotes=options.bar_model is not None)
    brokerage = Brokerage(
        market,
        account_id=options.account,
        cash=options.cash,
        commission=_SCHEDULES[options.commission](),
        account_type=AccountType(options.account_type),
        seed=options.seed,
        bar_model=options.bar_model,
        impact=options.impact,
        not_shortable=options.not_shortable,
    )
    hub = Hub(
        market,
        brokerage,
        HubSettings(
            account=options.account,
            master_client_id=options.master_client_id,
            max_messages_per_second=options.max_messages_per_second,
        ),
    )
    if options.audit is not None:
        hub.audit = Audit(options.audit, lambda: brokerage.internals.account.cash)
    server = GatewayServer(
        hub,
        ServerSettings(
            host=options.host,
            port=options.port,
            boundary_s=options.bar_boundary,
            wait_at_boundary=options.barrier,
        ),
    )
    replay = Replay(
        market,
        brokerage,
        ReplaySettings(
            start=options.start,
            sessions=options.sessions,
            speed=options.speed,
            wait_for_client=options.wait_for_client,
            # Also without --barrier: back-pressure is settled there.
            barrier_s=options.bar_boundary,
            close_first=options.bar_model is not None,
        ),
        server,
    )
    hub.on_bars_wanted = replay.release
    director = None
    if scenario is not None:
        director = Director(scenario, server, seed=options.seed, control=options.fault_control)
    return Assembly(options=options, server=server, replay=replay, director=director)
