"""The account side of one session: values, summary, profit and loss, positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from paper_gateway import responses, times
from paper_gateway.hub import AccountNews, Hub
from paper_gateway.requests import AccountRequest, AccountUpdatesRequest, Incoming, Simple
from paper_gateway.types import PositionView

Send = Callable[[bytes], None]

# Values that are not an amount of money have no currency.
_PLAIN_KEYS = frozenset(
    {"AccountCode", "AccountOrGroup", "AccountReady", "AccountType", "Currency", "Cushion", "Leverage"}
    | {
        "DayTradesRemaining",
        "HighestSeverity",
        "LookAheadNextChange",
        "NLVAndMarginInReview",
        "TradingType-S",
    }
)


class AccountService:
    """Account requests and streams of one client."""

    def __init__(self, hub: Hub, send: Send) -> None:
        self._hub = hub
        self._send = send
        self._account = hub.settings.account
        self._updates = False
        self._positions = False
        self._sent_values: dict[str, str] = {}
        self._summaries: dict[int, dict[str, str]] = {}
        self._summary_tags: dict[int, frozenset[str]] = {}
        self._multi_updates: dict[int, dict[str, str]] = {}
        self._multi_positions: set[int] = set()
        self._pnl: set[int] = set()
        self._pnl_single: dict[int, int] = {}

    # --- requests ----------------------------------------------------------------------------------------

    def request(self, request: AccountRequest) -> None:
        """Serve a request that has an id and names the account."""
        if request.account not in {"", "All", self._account}:
            self._send(responses.error(request.request_id, 321, _invalid_account(request.account)))
            return
        handler = {
            Incoming.REQ_ACCOUNT_SUMMARY: self._summary,
            Incoming.REQ_ACCOUNT_UPDATES_MULTI: self._updates_multi,
            Incoming.REQ_POSITIONS_MULTI: self._positions_multi,
            Incoming.REQ_PNL: self._profit_and_loss,
            Incoming.REQ_PNL_SINGLE: self._profit_and_loss_single,
        }[request.kind]
        handler(request)

    def request_updates(self, request: AccountUpdatesRequest) -> None:
        """Start the stream of values and portfolio with all of them, or end it."""
        if request.account not in {"", self._account}:
            self._send(responses.error(-1, 321, _invalid_account(request.account)))
            return
        self._updates = request.subscribe
        self._sent_values = {}
        if not request.subscribe:
            return
        self._send_values(self._hub.brokerage.account_values())
        for view in self._hub.brokerage.positions():
            self._send_portfolio(view)
        self._send(responses.account_time(f"{times.local(self._hub.market.now_ns):%H:%M}"))
        self._send(responses.account_download_end(self._account))

    def request_positions(self, _request: Simple) -> None:
        """Send all positions, and changes from now on."""
        self._positions = True
        for view in self._hub.brokerage.positions():
            self._send_position(view)
        self._send(responses.position_end())

    def cancel(self, request: Simple) -> None:
        """End a stream; one that doesn't run is let pass, as TWS does."""
        if request.kind is Incoming.CANCEL_POSITIONS:
            self._positions = False
        elif request.kind is Incoming.CANCEL_ACCOUNT_SUMMARY:
            self._summaries.pop(request.number, None)
            self._summary_tags.pop(request.number, None)
        elif request.kind is Incoming.CANCEL_ACCOUNT_UPDATES_MULTI:
            self._multi_updates.pop(request.number, None)
        elif request.kind is Incoming.CANCEL_POSITIONS_MULTI:
            self._multi_positions.discard(request.number)
        elif request.kind is Incoming.CANCEL_PNL:
            self._pnl.discard(request.number)
        elif request.kind is Incoming.CANCEL_PNL_SINGLE:
            self._pnl_single.pop(request.number, None)

    def _summary(self, request: AccountRequest) -> None:
        if len(self._summaries) >= 2 and request.request_id not in self._summaries:
            text = "Maximum number of account summary requests exceeded"
            self._send(
                responses.error(request.request_id, 322, f"Error processing request.-'c' : cause - {text}")
            )
            return
        self._summaries[request.request_id] = {}
        self._summary_tags[request.request_id] = frozenset(filter(None, request.tags.split(",")))
        self._send_summary(request.request_id, self._hub.brokerage.account_values())
        self._send(responses.account_summary_end(request.request_id))

    def _updates_multi(self, request: AccountRequest) -> None:
        self._multi_updates[request.request_id] = {}
        self._send_multi(request.request_id, self._hub.brokerage.account_values())
        self._send(responses.account_update_multi_end(request.request_id))

    def _positions_multi(self, request: AccountRequest) -> None:
        self._multi_positions.add(request.request_id)
        for view in self._hub.brokerage.positions():
            self._send_position_multi(request.request_id, view)
        self._send(responses.position_multi_end(request.request_id))

    def _profit_and_loss(self, request: AccountRequest) -> None:
        self._pnl.add(request.request_id)
        self._send(responses.profit_and_loss(request.request_id, *self._hub.brokerage.pnl()))

    def _profit_and_loss_single(self, request: AccountRequest) -> None:
        self._pnl_single[request.request_id] = request.con_id
        self._send_pnl_single()

    # --- streams -----------------------------------------------------------------------------------------

    def on_position(self, view: PositionView) -> None:
        """Send a position that changed."""
        if self._positions:
            self._send_position(view)
        if self._updates:
            self._send_portfolio(view)
        for request_id in self._multi_positions:
            self._send_position_multi(request_id, view)

    def on_account(self, news: AccountNews) -> None:
        """Send what changed; profit and loss always, so that its age can be watched."""
        for request_id in self._pnl:
            self._send(responses.profit_and_loss(request_id, *news.pnl))
        if self._pnl_single:
            self._send_pnl_single()
        if news.values is None:
            return
        if self._updates:
            self._send_values(news.values)
            for view in self._hub.brokerage.positions():
                self._send_portfolio(view)
            self._send(responses.account_time(f"{times.local(self._hub.market.now_ns):%H:%M}"))
        for request_id in self._multi_updates:
            self._send_multi(request_id, news.values)
        for request_id in self._summaries:
            self._send_summary(request_id, news.values)

    def _send_values(self, values: Mapping[str, str]) -> None:
        for key, value in _changed(values, self._sent_values):
            self._send(responses.account_value(self._account, key, value, _currency(key)))

    def _send_multi(self, request_id: int, values: Mapping[str, str]) -> None:
        for key, value in _changed(values, self._multi_updates[request_id]):
            self._send(responses.account_update_multi(request_id, self._account, key, value, _currency(key)))

    def _send_summary(self, request_id: int, values: Mapping[str, str]) -> None:
        tags = self._summary_tags[request_id]
        everything = any(tag.startswith("$LEDGER") for tag in tags)
        wanted = {key: value for key, value in values.items() if everything or key in tags}
        for key, value in _changed(wanted, self._summaries[request_id]):
            self._send(responses.account_summary(request_id, self._account, key, value, _currency(key)))

    def _send_portfolio(self, view: PositionView) -> None:
        self._send(responses.portfolio_value(self._account, view, self._hub.instrument(view.symbol)))

    def _send_position(self, view: PositionView) -> None:
        self._send(responses.position(self._account, view, self._hub.instrument(view.symbol)))

    def _send_position_multi(self, request_id: int, view: PositionView) -> None:
        instrument = self._hub.instrument(view.symbol)
        self._send(responses.position_multi(request_id, self._account, view, instrument))

    def _send_pnl_single(self) -> None:
        held = {self._hub.instrument(one.symbol).con_id: one for one in self._hub.brokerage.positions()}
        for request_id, con_id in self._pnl_single.items():
            self._send(responses.profit_and_loss_single(request_id, held.get(con_id)))


def _changed(values: Mapping[str, str], sent: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Pairs that differ from those sent, which are brought up to date."""
    news = [(key, value) for key, value in values.items() if sent.get(key) != value]
    sent.update(news)
    return news


def _currency(key: str) -> str:
    return "" if key in _PLAIN_KEYS else "USD"


def _invalid_account(account: str) -> str:
    return f"Error validating request.-'b' : cause - Invalid account code '{account[:20]}'."
