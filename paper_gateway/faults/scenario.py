"""Scenario files: which faults happen, when, and to whom. ``paper_gateway/faults/scenarios`` holds ready ones.

A span is a number, or ``[low, high]`` of which the seed draws one. Times are seconds of wall time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_LONGEST_S = 86_400.0
Seconds = Annotated[float, Field(ge=0, le=_LONGEST_S, allow_inf_nan=False)]
Chance = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Symbol = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9. ]{0,11}$")]
ClientId = Annotated[int, Field(ge=0, le=999)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Span(_Model):
    """A number of seconds, or a range to draw it from."""

    low: Seconds = 0.0
    high: Seconds = 0.0

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: object) -> object:
        if isinstance(given, bool):
            raise ValueError("must be a number of seconds, or [low, high]")  # noqa: TRY004 - pydantic wants it
        if isinstance(given, int | float):
            return {"low": given, "high": given}
        if isinstance(given, list):
            if len(given) != 2:
                raise ValueError("must be a number of seconds, or [low, high]")
            return {"low": given[0], "high": given[1]}
        return given

    @model_validator(mode="after")
    def _is_ordered(self) -> Span:
        if self.low > self.high:
            raise ValueError(f"the low end {self.low:g} is above the high end {self.high:g}")
        return self

    def draw(self, chance: random.Random) -> float:
        """Draw a value; a plain number takes nothing from the generator."""
        return self.low if self.low == self.high else chance.uniform(self.low, self.high)


class Fault(_Model):
    """What all faults share: when, how long, and to whom.

    Attributes
    ----------
    after_s
        Begins so long after the first client has connected.
    after_orders
        Begins with that order (of the clients named) since the gateway started, or since it last happened.
    control
        Begins when a file of this name appears in the folder of ``--fault-control``, and ends when it goes away.
    for_s
        How long it lasts; left out: to the end (or as long as the control file stands).
    repeat
        How often it happens in all; each time its beginning is drawn anew from the end of the time before.
    clients
        Client ids that it concerns; none named: all.
    """

    after_s: Span = Span()
    after_orders: Annotated[list[int], Field(max_length=2)] = []
    control: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    for_s: Span | None = None
    repeat: int = Field(default=1, ge=1, le=100_000)
    clients: tuple[ClientId, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_orders(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(given.get("after_orders"), int):
            return given | {"after_orders": [given["after_orders"]] * 2}
        return given

    @model_validator(mode="after")
    def _has_one_beginning(self) -> Fault:
        if self.after_orders and (
            len(self.after_orders) != 2 or not 1 <= self.after_orders[0] <= self.after_orders[1]
        ):
            raise ValueError("after_orders: must be a number from 1, or [low, high]")
        if sum((bool(self.after_orders), bool(self.control), self.after_s.high > 0)) > 1:
            raise ValueError("give one of after_s, after_orders and control")
        return self

    def concerns(self, client_id: int) -> bool:
        """Whether a client is among those named."""
        return not self.clients or client_id in self.clients


class Callback(StrEnum):
    """News that a client gets unasked."""

    STATUS = "status"
    EXECUTION = "execution"
    COMMISSION = "commission"
    POSITION = "position"
    ERROR = "error"


class Callbacks(Fault):
    """News that is lost, comes twice, or late and so in another order. Answers to requests stay whole, as in TWS."""

    kind: Literal["callbacks"]
    of: tuple[Callback, ...] = tuple(Callback)
    drop: Chance = 0.0
    duplicate: Chance = 0.0
    delay: Chance = 0.0
    delay_s: Span = Span()


class Commissions(Fault):
    """Commission reports that say -1 first, come late, or come only when executions are asked for."""

    kind: Literal["commissions"]
    mode: Literal["unknown", "late", "missing"]
    delay_s: Span = Span(low=1.0, high=1.0)


class Corrections(Fault):
    """Executions that are corrected later: the same id with ``.02``, at another price."""

    kind: Literal["corrections"]
    chance: Chance = 1.0
    delay_s: Span = Span(low=0.2, high=0.2)
    by: Decimal = Field(default=Decimal("0.05"), ge=Decimal(-10), le=Decimal(10))


class Reject(Fault):
    """Orders that are refused."""

    kind: Literal["reject"]
    code: int = Field(default=201, ge=100, le=20_000)
    text: str = "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. INSUFFICIENT EQUITY"
    symbols: tuple[Symbol, ...] = ()
    chance: Chance = 1.0


class Hold(Fault):
    """Orders that are taken and don't go on: stuck in PendingSubmit, waiting for a locate, or for a halt's end."""

    kind: Literal["hold"]
    reason: Literal["pending_submit", "locate", "halt"]
    symbols: tuple[Symbol, ...] = ()
    chance: Chance = 1.0


class Cancels(Fault):
    """Cancels that are never answered, refused, or acknowledged although the order fills after all."""

    kind: Literal["cancels"]
    mode: Literal["ignored", "refused", "filled_after"]
    code: Literal[161, 202, 10147, 10148] = 10148
    shares: int = Field(default=1, ge=1, le=100_000)
    delay_s: Span = Span(low=0.2, high=0.2)
    chance: Chance = 1.0


class Twice(Fault):
    """Orders that reach IB twice: one reference, two permIds."""

    kind: Literal["twice"]
    chance: Chance = 1.0


class Foreign(Fault):
    """An order that somebody else places in the account, at the market or resting at a limit."""

    kind: Literal["foreign"]
    symbol: Symbol
    action: Literal["BUY", "SELL"] = "BUY"
    quantity: int = Field(default=1, ge=1, le=1_000_000)
    limit: Decimal | None = Field(default=None, gt=0, le=Decimal(1_000_000))
    order_ref: str = Field(default="", max_length=40)


class Split(Fault):
    """A split: from the named session on prices are divided by the ratio, holdings multiplied before its opening."""

    kind: Literal["split"]
    symbol: Symbol
    ratio: int = Field(ge=2, le=100)
    on: date


class Feed(Fault):
    """Market data that stop (``frozen``; ``farm``: 2103 and 2104; ``competing``: 10197) or are wrong."""

    kind: Literal["feed"]
    mode: Literal["frozen", "farm", "competing", "zero", "negative", "crossed", "nan", "tenfold"]
    symbols: tuple[Symbol, ...] = ()


class ServersLost(Fault):
    """TWS loses IB's servers: 1100, no news, then 1101 (subscriptions lost) or 1102 (kept)."""

    kind: Literal["servers_lost"]
    back: Literal[1101, 1102] = 1102


class Silence(Fault):
    """Questions that are never answered."""

    kind: Literal["silence"]
    requests: tuple[Literal["positions", "open_orders", "executions", "account", "time", "history"], ...] = (
        "positions",
        "open_orders",
    )
    chance: Chance = 1.0


class LockedId(Fault):
    """Client ids that are said to be in use (326)."""

    kind: Literal["locked_id"]


class HalfOpen(Fault):
    """Connections whose other end is gone without a word: nothing is read from them, nothing written."""

    kind: Literal["half_open"]


class ZeroWindow(Fault):
    """A server that reads nothing any more, so that the client's writes run into a closed window."""

    kind: Literal["zero_window"]


class Latency(Fault):
    """Bytes that take their time, in their order."""

    kind: Literal["latency"]
    in_s: Span = Span()
    out_s: Span = Span()


class Reset(Fault):
    """Connections that are reset (RST): what was under way is thrown away."""

    kind: Literal["reset"]


class Garbage(Fault):
    """Frames of random fields, or (``stream``) bytes that are no frames at all."""

    kind: Literal["garbage"]
    mode: Literal["frames", "stream"] = "frames"
    count: int = Field(default=10, ge=1, le=100_000)


class Restart(Fault):
    """The gateway restarts: all connections are reset, nobody listens for ``down_s``.

    ``login_s``: connections are then taken and not answered (the nightly reset, a login that waits for 2FA).
    ``forget_s``: orders of the last moments that had not reached IB are gone.
    ``next_id``: nextValidId goes on, or begins at 1 again.
    """

    kind: Literal["restart"]
    down_s: Span = Span(low=0.5, high=0.5)
    login_s: Span = Span()
    forget_s: Seconds = 0.0
    next_id: Literal["kept", "reset"] = "kept"


AnyFault = Annotated[
    Callbacks
    | Commissions
    | Corrections
    | Reject
    | Hold
    | Cancels
    | Twice
    | Foreign
    | Split
    | Feed
    | ServersLost
    | Silence
    | LockedId
    | HalfOpen
    | ZeroWindow
    | Latency
    | Reset
    | Garbage
    | Restart,
    Field(discriminator="kind"),
]


class Scenario(_Model):
    """A file's content."""

    description: str = Field(min_length=1, max_length=1000)
    faults: tuple[AnyFault, ...] = Field(min_length=1, max_length=200)

    @property
    def splits(self) -> Iterator[Split]:
        """Splits, which change the recorded prices before the replay begins."""
        return (fault for fault in self.faults if isinstance(fault, Split))
