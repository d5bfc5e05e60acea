"""The market side of one session: contracts, ticks, five-second bars, history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paper_gateway import history_requests, responses, times
from paper_gateway.history import HistoryRefused
from paper_gateway.history_requests import BAR_SIZES, GrowingBar, Pacing, bar_row, check_request
from paper_gateway.hub import Hub, StepData
from paper_gateway.requests import (
    ContractDetailsRequest,
    ContractSpec,
    HeadTimestampRequest,
    HistoricalDataRequest,
    Incoming,
    MarketDataRequest,
    MatchingSymbolsRequest,
    RealTimeBarsRequest,
    Simple,
    TickByTickRequest,
)
from paper_gateway.ticks import TickHeads, join_frame, quote_ticks, real_time_bar_head, tick_by_tick
from paper_gateway.types import Instrument

Send = Callable[[bytes], None]
LIVE, FROZEN = 1, 2
_NO_CONTRACT = "No security definition has been found for the request"
_MAX_OPEN_HISTORY = 50


@dataclass(frozen=True, slots=True)
class _Kept:
    """A keepUpToDate request."""

    symbol: str
    size_s: int
    format_date: int
    bar: GrowingBar


class MarketService:
    """Market data requests and streams of one client. ``send`` takes bytes ready for the socket."""

    def __init__(self, hub: Hub, send: Send) -> None:
        self._hub = hub
        self._send = send
        self._pacing = Pacing()
        self._data_type = LIVE
        self._quotes: dict[int, tuple[str, TickHeads]] = {}
        self._bars: dict[int, tuple[str, bytes]] = {}
        self._ticks: dict[int, tuple[str, str]] = {}
        self._kept: dict[int, _Kept] = {}

    @property
    def wants_bars(self) -> bool:
        """Whether the client receives five-second bars: then a barrier waits for it."""
        return bool(self._bars)

    def drop_streams(self) -> None:
        """Forget every subscription, as TWS does when it has lost its servers (1101)."""
        for streams in (self._quotes, self._bars, self._ticks, self._kept):
            streams.clear()

    def _error(self, request_id: int, code: int, text: str) -> None:
        self._send(responses.error(request_id, code, text))

    def _find(self, request_id: int, spec: ContractSpec) -> Instrument | None:
        found = self._hub.resolve(spec)
        if found is None:
            self._error(request_id, 200, _NO_CONTRACT)
        return found

    # --- contracts ---------------------------------------------------------------------------------------

    def contract_details(self, request: ContractDetailsRequest) -> None:
        """Send the contract that matches."""
        found = self._find(request.request_id, request.contract)
        if found is not None:
            hours = self._hub.market.trading_hours()
            self._send(responses.contract_details(request.request_id, found, hours))
            self._send(responses.contract_details_end(request.request_id))

    def matching_symbols(self, request: MatchingSymbolsRequest) -> None:
        """Send stocks whose symbol begins with the pattern, or whose name holds it."""
        pattern = request.pattern.strip().upper()
        found = [
            one
            for one in self._hub.instruments()
            if pattern and (one.symbol.startswith(pattern) or pattern in one.long_name.upper())
        ]
        self._send(responses.symbol_samples(request.request_id, found[:16]))

    def market_rule(self, request: Simple) -> None:
        """Send the price increments of a rule: one here, from zero upwards."""
        ticks = {one.min_tick for one in self._hub.instruments()}
        self._send(responses.market_rule(request.number, [(0 * min(ticks), min(ticks))]))

    # --- ticks -------------------------------------------------------------------------------------------

    def set_data_type(self, request: Simple) -> None:
        """Choose live, frozen or delayed. Data are live here, so delayed kinds give live ones, as in TWS."""
        if request.number not in {1, 2, 3, 4}:
            self._error(-1, 321, "Error validating request.-'cN' : cause - Invalid market data type")
            return
        self._data_type = FROZEN if request.number in {2, 4} else LIVE

    def market_data(self, request: MarketDataRequest) -> None:
        """Start level-one ticks with all that is known, or send one snapshot."""
        if request.request_id in self._quotes:
            self._error(
                request.request_id, 322, "Error processing request.-'bB' : cause - Duplicate ticker id"
            )
            return
        found = self._find(request.request_id, request.contract)
        if found is None:
            return
        frozen = self._data_type == FROZEN and not self._hub.market.is_open
        heads = TickHeads(request.request_id)
        self._send(responses.market_data_type(request.request_id, FROZEN if frozen else LIVE))
        self._send(responses.tick_parameters(request.request_id, found.min_tick))
        quote = self._hub.shown_quote(found.symbol)
        for tick in heads.messages(quote_ticks(quote, None)):
            self._send(tick)
        if request.snapshot:
            self._send(responses.tick_snapshot_end(request.request_id))
        else:
            self._quotes[request.request_id] = (found.symbol, heads)

    def tick_by_tick(self, request: TickByTickRequest) -> None:
        """Start ticks of one kind. The replay knows one trade and one quote for each five seconds."""
        if request.tick_type not in {"Last", "AllLast", "BidAsk", "MidPoint"}:
            text = (
                f"Error validating request.-'cK' : cause - Invalid tick-by-tick type {request.tick_type[:20]}"
            )
            self._error(request.request_id, 321, text)
            return
        found = self._find(request.request_id, request.contract)
        if found is not None:
            self._ticks[request.request_id] = (found.symbol, request.tick_type)

    def real_time_bars(self, request: RealTimeBarsRequest) -> None:
        """Start five-second bars."""
        if request.request_id in self._bars:
            self._error(
                request.request_id, 322, "Error processing request.-'cj' : cause - Duplicate ticker id"
            )
        elif request.bar_size != 5:
            self._error(
                request.request_id, 321, "Error validating request.-'cj' : cause - Invalid bar size: 5"
            )
        elif request.what_to_show not in {"TRADES", "MIDPOINT", "BID", "ASK"}:
            text = f"Error validating request.-'cj' : cause - Invalid data type {request.what_to_show[:20]}"
            self._error(request.request_id, 321, text)
        else:
            found = self._find(request.request_id, request.contract)
            if found is not None:
                self._bars[request.request_id] = (found.symbol, real_time_bar_head(request.request_id))
                self._hub.bars_wanted()

    # --- history -----------------------------------------------------------------------------------------

    def historical_data(self, request: HistoricalDataRequest) -> None:
        """Send bars of the past, and keep them up to date if asked."""
        request_id = request.request_id
        refusal = check_request(request)
        if refusal is None and len(self._kept) >= _MAX_OPEN_HISTORY:
            refusal = history_requests.PACING_VIOLATION
        if refusal is None and not self._pacing.allows(request, self._hub.monotonic()):
            refusal = history_requests.PACING_VIOLATION
        if refusal is not None:
            self._error(request_id, refusal.code, refusal.text)
            return
        found = self._find(request_id, request.contract)
        if found is None:
            return
        try:
            bars = self._hub.market.history(
                found.symbol,
                duration=request.duration,
                bar_size_s=BAR_SIZES[request.bar_size],
                end_ns=times.parse_end(request.end) if request.end else None,
                what_to_show=request.what_to_show,
            )
        except HistoryRefused as problem:
            refusal = history_requests.refused(problem)
        else:
            refusal = None if bars else history_requests.NO_DATA
        if refusal is not None:
            self._error(request_id, refusal.code, refusal.text)
            return
        size_s = BAR_SIZES[request.bar_size]
        end_ns = times.parse_end(request.end) if request.end else self._hub.market.now_ns
        start, end = times.date_and_time(bars[0].start_ns), times.date_and_time(end_ns)
        rows = [bar_row(bar, size_s, request.format_date) for bar in bars]
        self._send(responses.historical_data(request_id, start, end, rows))
        if request.keep_up_to_date:
            self._kept[request_id] = _Kept(
                found.symbol, size_s, request.format_date, GrowingBar(bars, size_s)
            )

    def head_timestamp(self, request: HeadTimestampRequest) -> None:
        """Send the first moment of which there are data."""
        found = self._find(request.request_id, request.contract)
        if found is None:
            return
        head_ns = self._hub.market.head_ns(found.symbol)
        as_seconds = request.format_date == 2
        text = str(head_ns // 1_000_000_000) if as_seconds else times.date_and_time(head_ns)
        self._send(responses.head_timestamp(request.request_id, text))

    # --- the end of streams ------------------------------------------------------------------------------

    def cancel(self, request: Simple) -> None:
        """End a stream."""
        number = request.number
        if request.kind is Incoming.CANCEL_HISTORICAL_DATA:
            if self._kept.pop(number, None) is None:
                self._error(number, 366, f"No historical data query found for ticker id:{number}")
            else:
                text = "Historical Market Data Service error message:API historical data query cancelled"
                self._error(number, 162, f"{text}: {number}")
            return
        streams: dict[Incoming, dict[int, Any]] = {
            Incoming.CANCEL_MKT_DATA: self._quotes,
            Incoming.CANCEL_REAL_TIME_BARS: self._bars,
            Incoming.CANCEL_TICK_BY_TICK: self._ticks,
        }
        if streams[request.kind].pop(number, None) is None:
            self._error(number, 300, f"Can't find EId with tickerId:{number}")

    # --- streams -----------------------------------------------------------------------------------------

    def on_step(self, step: Sequence[StepData]) -> None:
        """Send the news of a step to the subscriptions that want them.

        Quotes go first, so that whoever acts on a bar's close holds the quote of that moment.
        """
        news = {one.symbol: one for one in step}
        for symbol, heads in self._quotes.values():
            tails = news[symbol].tick_tails
            if tails:
                for tick in heads.messages(tails):
                    self._send(tick)
        for symbol, head in self._bars.values():
            one = news[symbol]
            if one.bar is not None:
                self._send(join_frame(head, one.bar_tail))
        for request_id, kept in self._kept.items():
            bar = news[kept.symbol].bar
            if bar is not None:
                row = bar_row(kept.bar.add(bar), kept.size_s, kept.format_date)
                self._send(responses.historical_data_update(request_id, row))
        for request_id, (symbol, kind) in self._ticks.items():
            quote = news[symbol].quote
            if quote is not None and news[symbol].tick_tails:
                self._send(tick_by_tick(request_id, kind, quote))
