"""Typed configuration: one frozen model a section; a component receives its own section only.

Every key is described in ``config.yaml``. Parsing, error texts and overrides live in ``core.config_loader``.
Fractions are fractions (0.02 is 2%); other units stand in the key (``_s``, ``_bps``, ``_annual``).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.config_execution_methods import MethodName, MethodSettings, WheelModelSettings
from core.config_features import FeatureSettings
from core.config_nightly import NightlySettings
from core.config_section import Section
from core.config_veto import VetoSettings

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Symbol = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9. ]{0,11}$")]
Parameter = int | float
StopKind = Literal["fixed", "trailing"]


class BrokerSettings(Section):
    """Where the broker is and how patient we are with it."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=4002, ge=1, le=65535)
    main_client_id: int = Field(default=1, ge=1, le=999)
    watchdog_client_id: int = Field(default=2, ge=1, le=999)
    connect_timeout_s: Seconds = 10.0
    startup_timeout_s: Seconds = 60.0
    request_timeout_s: Seconds = 10.0
    probe_interval_s: Seconds = 2.0
    probe_timeout_s: Seconds = 5.0
    reconnect_initial_s: Seconds = 0.5
    reconnect_max_s: Seconds = 30.0
    messages_per_second: int = Field(default=45, ge=1, le=50)
    market_data_type: Literal[1, 2, 3, 4] = 1

    @model_validator(mode="after")
    def _client_ids_differ(self) -> BrokerSettings:
        if self.main_client_id == self.watchdog_client_id:
            raise ValueError("main_client_id and watchdog_client_id must differ")
        return self


class UniverseSettings(Section):
    """What may be traded."""

    symbols: tuple[Symbol, ...] = Field(
        default=("AAPL", "FB", "GOOG", "IBM", "MSFT"), min_length=1, max_length=500
    )
    exchange: str = "SMART"
    primary_exchanges: dict[Symbol, str] = Field(default_factory=dict)
    currency: Literal["USD"] = "USD"
    calendar: str = "XNYS"


class BarSettings(Section):
    """The one bar size of live trading and of the backtest."""

    size_s: Literal[60, 300, 900, 1800, 3600] = 300
    warmup_bars: int = Field(default=400, ge=0, le=20_000)
    assemble_grace_s: Seconds = 0.5
    stale_after_s: Seconds = 30.0


class StrategySettings(Section):
    """One strategy and its parameters; names and bounds are the strategy's own."""

    name: str = Field(min_length=1)
    enabled: bool = True
    weight: Fraction = 0.5
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    stop_kind: StopKind | None = None
    pairs: tuple[tuple[Symbol, Symbol], ...] = ()


class SizingSettings(Section):
    """How a signal becomes a quantity (see ``portfolio.decision``)."""

    risk_per_trade: Annotated[float, Field(gt=0, le=0.05)] = 0.01
    stop_atr_multiple: Annotated[float, Field(gt=0, le=50)] = 2.0
    stop_kind: StopKind = "fixed"
    atr_window: int = Field(default=14, ge=2, le=200)
    allow_short: bool = False
    drawdown_levels: tuple[Fraction, ...] = (0.05, 0.10, 0.15)
    drawdown_scales: tuple[Fraction, ...] = (0.5, 0.25, 0.0)
    target_volatility_annual: Annotated[float, Field(gt=0, le=2)] = 0.15
    volatility_window_sessions: int = Field(default=60, ge=5, le=500)
    max_leverage: Annotated[float, Field(gt=0, le=4)] = 1.5

    @model_validator(mode="after")
    def _throttle_is_a_staircase(self) -> SizingSettings:
        levels, scales = self.drawdown_levels, self.drawdown_scales
        if len(levels) != len(scales):
            raise ValueError("drawdown_levels and drawdown_scales must be of the same length")
        if list(levels) != sorted(set(levels)):
            raise ValueError("drawdown_levels must rise strictly")
        if list(scales) != sorted(scales, reverse=True):
            raise ValueError("drawdown_scales must not rise")
        return self


class CapSettings(Section):
    """Caps that the decision keeps; the most restrictive wins."""

    max_gross_exposure: Annotated[float, Field(gt=0, le=4)] = 1.5
    max_symbol_exposure: Annotated[float, Field(gt=0, le=1)] = 0.25
    max_positions: int = Field(default=20, ge=1, le=500)
    max_participation: Annotated[float, Field(gt=0, le=1)] = 0.02
    monthly_fill_budget: int = Field(default=600, ge=1, le=1_000_000)
    account_type: Literal["margin", "cash"] = "margin"
    settlement_days: int = Field(default=1, ge=0, le=5)


class PretradeSettings(Section):
    """Checks on entries before they are journaled and sent; of these only that for repeats binds exits."""

    price_collar: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    max_order_quantity: int = Field(default=50_000, ge=1, le=10_000_000)
    max_order_notional: Decimal = Field(default=Decimal(300_000), gt=0, le=Decimal(1_000_000_000))
    max_orders_per_minute: int = Field(default=60, ge=1, le=3000)
    quote_max_age_s: Seconds = 15.0
    repeat_window_s: Seconds = 60.0
    max_repeats: int = Field(default=20, ge=1, le=1000)


class ExecutionSettings(Section):
    """Orders: how they are sent and what becomes of them at a graceful stop."""

    pretrade: PretradeSettings = PretradeSettings()
    method: MethodName = "MKT"
    exit_method: MethodName = "MKT"
    limit_offset_bps: Annotated[float, Field(ge=0, le=500)] = 5.0
    methods: MethodSettings = MethodSettings()
    wheel: WheelModelSettings = WheelModelSettings()
    pending_submit_query_s: Seconds = 5.0
    on_shutdown: Literal["keep_stops", "cancel_all", "keep_all"] = "keep_stops"
    reconcile_interval_s: Seconds = 10.0


class BacktestSettings(Section):
    """What a backtest assumes of the account and of the market's answer to orders (see ``docs/backtesting.md``)."""

    cash: Decimal = Field(default=Decimal(1_000_000), gt=0, le=Decimal(1_000_000_000))
    commission: Literal["tiered", "fixed", "none"] = "tiered"
    half_spread_bps: Annotated[float, Field(ge=0, le=200)] = 1.0
    slippage_bps: Annotated[float, Field(ge=0, le=200)] = 1.0
    impact_bps: Annotated[float, Field(ge=0, le=1000)] = 10.0
    fill_participation: Annotated[float, Field(gt=0, le=1)] = 0.1
    fill_at: Literal["open", "close"] = "open"
    time_in_force: Literal["DAY", "GTC"] = "DAY"
    cash_interest_annual: Fraction = 0.0
    margin_interest_annual: Fraction = 0.06
    borrow_fee_annual: Fraction = 0.005


class QualitySettings(Section):
    """What is done about a defect that a check of loaded bars finds (see ``docs/data.md``)."""

    order: Literal["fail", "drop", "repair"] = "fail"
    duplicates: Literal["fail", "drop", "repair"] = "fail"
    non_positive: Literal["fail", "drop"] = "fail"
    bad_volume: Literal["fail", "drop", "repair"] = "fail"
    crossed: Literal["fail", "drop", "repair"] = "fail"
    outside_sessions: Literal["fail", "drop"] = "fail"
    holes: Literal["fail", "drop", "repair", "warn"] = "warn"
    bad_ticks: Literal["fail", "drop", "repair", "warn"] = "warn"
    unadjusted_splits: Literal["fail", "drop", "repair", "warn"] = "warn"
    ticker_reuse: Literal["fail", "drop", "warn"] = "warn"
    zero_volume: Literal["fail", "drop", "warn"] = "warn"
    stale: Literal["fail", "drop", "warn"] = "warn"


class DataSettings(Section):
    """Historical data."""

    quality: QualitySettings = QualitySettings()


class HeartbeatCheck(Section):
    """Main's heartbeat and progress."""

    enabled: bool = True
    interval_s: Seconds = 0.25
    timeout_s: Seconds = 3.0
    progress_timeout_s: Seconds = 3.0
    startup_grace_s: Seconds = 60.0


class OrderRateCheck(Section):
    """Orders within a sliding minute, from the CSV and from the broker's own reports."""

    enabled: bool = True
    max_per_minute: int = Field(default=100, ge=1, le=10_000)


class DrawdownCheck(Section):
    """Loss from the persisted peak of net liquidation value."""

    enabled: bool = True
    max_drawdown: Annotated[float, Field(gt=0, le=1)] = 0.15
    max_age_s: Seconds = 2.0
    confirmations: int = Field(default=2, ge=1, le=20)


class DailyLossCheck(Section):
    """Loss since the previous close, by the broker's own daily profit and loss, as a fraction of the value of then."""

    enabled: bool = True
    max_daily_loss: Annotated[float, Field(gt=0, le=1)] = 0.05
    confirmations: int = Field(default=2, ge=1, le=20)


class GrossExposureCheck(Section):
    """Gross position value over net liquidation value."""

    enabled: bool = True
    max_gross_exposure: Annotated[float, Field(gt=0, le=10)] = 2.0
    confirmations: int = Field(default=2, ge=1, le=20)


class FillBudgetCheck(Section):
    """Fills in a calendar month of market time."""

    enabled: bool = True
    max_fills_per_month: int = Field(default=1200, ge=1, le=1_000_000)


class BookMismatchCheck(Section):
    """Main's book against the broker's positions."""

    enabled: bool = True
    interval_s: Seconds = 1.0
    tolerated_s: Seconds = 10.0


class BrokerSilenceCheck(Section):
    """The watchdog's own broker session."""

    enabled: bool = True
    timeout_s: Seconds = 10.0


class RiskSettings(Section):
    """The watchdog. One section a check."""

    flag_poll_s: Annotated[float, Field(gt=0, le=0.05)] = 0.01
    fence_timeout_s: Annotated[float, Field(gt=0, le=5)] = 0.2
    lease_s: Annotated[float, Field(gt=0, le=3)] = 3.0
    heartbeat: HeartbeatCheck = HeartbeatCheck()
    order_rate: OrderRateCheck = OrderRateCheck()
    drawdown: DrawdownCheck = DrawdownCheck()
    daily_loss: DailyLossCheck = DailyLossCheck()
    gross_exposure: GrossExposureCheck = GrossExposureCheck()
    fill_budget: FillBudgetCheck = FillBudgetCheck()
    book_mismatch: BookMismatchCheck = BookMismatchCheck()
    broker_silence: BrokerSilenceCheck = BrokerSilenceCheck()


class AlertSettings(Section):
    """Where alerts go besides the log and the terminal. URLs hold secrets: name environment variables."""

    apprise_url_env: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")], ...] = ()


class PathSettings(Section):
    """Run-time folders, relative to the folder of ``config.yaml``. ``control`` is global across runs."""

    state: str = Field(default="state", min_length=1)
    control: str = Field(default="state", min_length=1)
    logs: str = Field(default="logs", min_length=1)
    flags: str = Field(default="flags", min_length=1)
    results: str = Field(default="results", min_length=1)


class LoggingSettings(Section):
    """Log files: JSON lines, capped and rotated."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    max_bytes: int = Field(default=20_000_000, ge=100_000, le=1_000_000_000)
    backups: int = Field(default=5, ge=1, le=100)


class Settings(Section):
    """The whole of ``config.yaml``."""

    mode: Literal["paper", "live"] = "paper"
    account_id: str | None = Field(default=None, pattern=r"^[A-Z]{1,3}[0-9]{3,12}$")
    broker: BrokerSettings = BrokerSettings()
    universe: UniverseSettings = UniverseSettings()
    bars: BarSettings = BarSettings()
    strategies: tuple[StrategySettings, ...] = Field(
        default=(StrategySettings(name="momentum"), StrategySettings(name="mean_reversion")), min_length=1
    )
    sizing: SizingSettings = SizingSettings()
    caps: CapSettings = CapSettings()
    execution: ExecutionSettings = ExecutionSettings()
    backtest: BacktestSettings = BacktestSettings()
    data: DataSettings = DataSettings()
    features: FeatureSettings = FeatureSettings()
    veto: VetoSettings = VetoSettings()
    nightly: NightlySettings = NightlySettings()
    risk: RiskSettings = RiskSettings()
    alerts: AlertSettings = AlertSettings()
    paths: PathSettings = PathSettings()
    logging: LoggingSettings = LoggingSettings()

    def trails(self, strategy: str) -> bool:
        """Whether the protective stops of a strategy trail; one that isn't named does as ``sizing`` says."""
        named = next((one.stop_kind for one in self.strategies if one.name == strategy), None)
        return (named or self.sizing.stop_kind) == "trailing"

    @model_validator(mode="after")
    def _is_consistent(self) -> Settings:
        problems = []
        if self.mode == "live" and self.account_id is None:
            problems.append("mode is live, so account_id must name the account that may be traded")
        names = [strategy.name for strategy in self.strategies]
        if len(set(names)) != len(names):
            problems.append(f"strategies: a name stands twice in {names}")
        unknown = [name for name in self.veto.strategies if name not in names]
        if unknown:
            problems.append(f"veto.strategies: {unknown} are none of the strategies {names}")
        if sum(s.weight for s in self.strategies if s.enabled) > 1 + 1e-9:
            problems.append("strategies: the weights of the enabled strategies add up to more than 1")
        if problems:  # all at once, like every other mistake
            raise ValueError("; ".join(problems))
        return self
