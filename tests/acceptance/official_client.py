"""The official client, unmodified, for tests against the paper gateway."""

import contextlib
import threading
import time

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.order import Order
from ibapi.wrapper import EWrapper

from tests.waiting import DEADLINE_S, wait_for


class OfficialClient(EWrapper, EClient):  # type: ignore[misc]  # ibapi has no types
    """The official client, its callbacks kept in ``calls`` as (name, arguments)."""

    def __init__(self):
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.calls = []
        self._thread = None

    def __getattribute__(self, name):
        if not name.startswith("_") and name in _CALLBACKS:
            calls = object.__getattribute__(self, "calls")
            return lambda *arguments: calls.append((name, arguments))
        return object.__getattribute__(self, name)

    def named(self, name):
        return [arguments for called, arguments in list(self.calls) if called == name]

    def errors(self, *, code=None):
        return [one for one in self.named("error") if code is None or one[1] == code]

    def wait_for(self, name, matches=lambda *_: True, deadline_s=DEADLINE_S):
        """Wait for a callback; returns its arguments."""

        def first():
            return next(([one] for one in self.named(name) if matches(*one)), None)

        try:
            return wait_for(first, name, deadline_s)[0]
        except AssertionError as problem:
            raise AssertionError(f"{problem}; errors: {self.errors()}") from None

    def wait_for_error(self, code, deadline_s=DEADLINE_S):
        return self.wait_for("error", lambda _, given, __: given == code, deadline_s)

    def start(self, port, client_id, *, expect_ready=True):
        self.connect("127.0.0.1", port, client_id)
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        if expect_ready:
            self.wait_for("nextValidId")
        return self

    def stop(self):
        self.disconnect()
        if self._thread is not None:
            self._thread.join(timeout=10)
            assert not self._thread.is_alive()


_CALLBACKS = frozenset(
    name
    for name, value in vars(EWrapper).items()
    if callable(value) and not name.startswith(("_", "logAnswer"))
)


@contextlib.contextmanager
def official_client(port, client_id=1):
    client = wait_for(lambda: _connected(port, client_id), "a connection with a free client id")
    try:
        yield client
    finally:
        client.stop()


def _connected(port, client_id):
    """Connect once; None when the id is still in use (ibapi's socket lingers a second after disconnect)."""
    client = OfficialClient().start(port, client_id, expect_ready=False)
    wait_for(lambda: client.named("nextValidId") or client.errors(code=326), "an answer")
    if client.named("nextValidId"):
        return client
    client.stop()
    time.sleep(0.1)  # between two polls
    return None


def stock(symbol="AAPL"):
    contract = Contract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = symbol, "STK", "SMART", "USD"
    return contract


def order(action="BUY", quantity=100, kind="MKT", **fields):
    made = Order()
    made.action, made.totalQuantity, made.orderType = action, quantity, kind
    for name, value in fields.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made
