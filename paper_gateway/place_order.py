"""PLACE_ORDER: the longest message of a client, read into the ticket that the brokerage takes.

A real gateway echoes nearly every field in openOrder. So the fields are kept by name (``OrderFields``), those that
mean something here become an ``OrderTicket``, and ``open_order`` writes the others back as they came.
Layout: ``EClient.placeOrder`` of ibapi 9.81 and of ib_async 2.1, at server version 157.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from paper_gateway.codec import UNSET_TEXTS, FieldReader, MalformedMessage, parse_decimal
from paper_gateway.types import OrderTicket


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_CONTRACT = _names(
    "con_id symbol sec_type expiry strike right multiplier exchange primary_exchange currency local_symbol "
    "trading_class sec_id_type sec_id"
)
_MAIN = _names(
    "action total_quantity order_type limit_price aux_price tif oca_group account open_close origin order_ref "
    "transmit parent_id block_order sweep_to_fill display_size trigger_method outside_rth hidden"
)
_EXTENDED = _names(
    "shares_allocation discretionary_amount good_after_time good_till_date fa_group fa_method fa_percentage "
    "fa_profile model_code short_sale_slot designated_location exempt_code oca_type rule_80a settling_firm "
    "all_or_none min_quantity percent_offset e_trade_only firm_quote_only nbbo_price_cap auction_strategy "
    "starting_price stock_ref_price delta stock_range_lower stock_range_upper override_percentage volatility "
    "volatility_type delta_neutral_order_type delta_neutral_aux_price"
)
_TRAIL_AND_SCALE = _names(
    "continuous_update reference_price_type trail_stop_price trailing_percent scale_init_level_size "
    "scale_subs_level_size scale_price_increment"
)
_CLEARING = _names("opt_out_smart_routing clearing_account clearing_intent not_held")
_FLAGS = _names("algo_id what_if misc_options solicited randomize_size randomize_price")
_ADJUSTED = _names(
    "adjusted_order_type trigger_price limit_price_offset adjusted_stop_price adjusted_stop_limit_price "
    "adjusted_trailing_amount adjustable_trailing_unit ext_operator soft_dollar_name soft_dollar_value "
    "cash_quantity mifid_decision_maker mifid_decision_algo mifid_execution_trader mifid_execution_algo "
    "no_auto_price_for_hedge is_oms_container discretionary_up_to_limit use_price_mgmt_algo"
)
# Fields of a condition by its type, after the type itself: price, time, margin, execution, volume, percent change.
_CONDITION_FIELDS = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}

_MOST_ALGO_PARAMS = 50

# What goes back to clients must be readable by them: a decoder that meets text where a number belongs fails.
_INTEGERS = _names(
    "con_id origin parent_id display_size trigger_method short_sale_slot exempt_code oca_type min_quantity "
    "auction_strategy volatility_type reference_price_type scale_init_level_size scale_subs_level_size "
    "adjustable_trailing_unit use_price_mgmt_algo"
)
_NUMBERS = _names(
    "strike total_quantity limit_price aux_price discretionary_amount percent_offset nbbo_price_cap starting_price "
    "stock_ref_price delta stock_range_lower stock_range_upper volatility delta_neutral_aux_price trail_stop_price "
    "trailing_percent scale_price_increment trigger_price limit_price_offset adjusted_stop_price "
    "adjusted_stop_limit_price adjusted_trailing_amount cash_quantity"
)
_BOOLEANS = _names(
    "transmit block_order sweep_to_fill outside_rth hidden all_or_none e_trade_only firm_quote_only "
    "override_percentage continuous_update opt_out_smart_routing not_held what_if solicited randomize_size "
    "randomize_price no_auto_price_for_hedge is_oms_container discretionary_up_to_limit"
)


@dataclass(frozen=True, slots=True)
class OrderFields:
    """Fields of an order by name, as the client wrote them, numbers and flags checked.

    ``algo_params`` are the algorithm's parameters in the client's order. ``unsupported`` names the first feature that isn't simulated: an order that asks for one must be rejected,
    for filling it without would be another order.
    """

    values: dict[str, str]
    unsupported: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        """Text of one field; empty when the client did not set it."""
        return self.values[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """An order placed, or placed again with changes. ``client_id`` is that of the session that received it."""

    order_id: int
    con_id: int
    symbol: str
    sec_type: str
    exchange: str
    currency: str
    raw: tuple[str, ...]

    def ticket(self, client_id: int, symbol: str, account: str) -> OrderTicket:
        """Build the ticket for the brokerage.

        Raises
        ------
        MalformedMessage
            When a number in it can't be read.
        """
        fields = parse_order_fields(self.raw)
        quantity = parse_decimal(fields["total_quantity"])
        if quantity is None:
            raise MalformedMessage("the order has no quantity")
        action = fields["action"].upper()
        return OrderTicket(
            client_id=client_id,
            order_id=self.order_id,
            symbol=symbol,
            action="SELL" if action in {"SSHORT", "SLONG"} else action,
            quantity=quantity,
            order_type=fields["order_type"].upper(),
            time_in_force=fields["tif"].upper() or "DAY",
            limit_price=parse_decimal(fields["limit_price"]),
            aux_price=parse_decimal(fields["aux_price"]),
            trail_stop_price=parse_decimal(fields["trail_stop_price"]),
            trailing_percent=parse_decimal(fields["trailing_percent"]),
            percent_offset=parse_decimal(fields["percent_offset"]),
            algo_strategy=fields["algo_strategy"],
            algo_params=fields.algo_params,
            parent_id=_integer(fields["parent_id"]),
            oca_group=fields["oca_group"],
            oca_type=_integer(fields["oca_type"]),
            transmit=_flag(fields["transmit"]),
            outside_rth=_flag(fields["outside_rth"]),
            what_if=_flag(fields["what_if"]),
            order_ref=fields["order_ref"],
            account=fields["account"] or account,
            raw=self.raw,
        )


def _integer(text: str) -> int:
    return FieldReader((text,)).integer()


def _flag(text: str) -> bool:
    return FieldReader((text,)).boolean()


def decode_place_order(reader: FieldReader) -> PlaceOrder:
    """Decode PLACE_ORDER, whose message id has been read."""
    order_id = reader.integer()
    raw = tuple(reader.take(reader.left))
    fields = parse_order_fields(raw)
    return PlaceOrder(
        order_id=order_id,
        con_id=_integer(fields["con_id"]),
        symbol=fields["symbol"],
        sec_type=fields["sec_type"],
        exchange=fields["exchange"],
        currency=fields["currency"],
        raw=raw,
    )


@lru_cache(maxsize=4096)
def parse_order_fields(raw: tuple[str, ...]) -> OrderFields:
    """Name the fields that follow the order id of a PLACE_ORDER.

    Raises
    ------
    MalformedMessage
        When they end too early, or one that must be a number or a flag isn't.
    """
    reader = FieldReader(raw)
    values: dict[str, str] = {}
    unsupported: list[str] = []

    def read(names: tuple[str, ...]) -> None:
        values.update(zip(names, reader.take(len(names)), strict=True))

    read(_CONTRACT)
    read(_MAIN)
    if values["sec_type"] == "BAG":
        unsupported.append("combination orders")
        _skip_combo(reader)
    read(_EXTENDED)
    if values["delta_neutral_order_type"]:
        unsupported.append("delta-neutral orders")
        reader.skip(8)
    read(_TRAIL_AND_SCALE)
    _skip_scale_and_hedge(reader, values, unsupported)
    read(_CLEARING)
    if reader.boolean():
        unsupported.append("delta-neutral contracts")
        reader.skip(3)
    values["algo_strategy"] = reader.text()
    algo_params = _algo_params(reader) if values["algo_strategy"] else ()
    read(_FLAGS)
    if values["order_type"] in {"PEG BENCH", "PEGBENCH"}:
        reader.skip(5)
    if _skip_conditions(reader):
        unsupported.append("conditions")
    read(_ADJUSTED)
    if values["adjusted_order_type"] not in {"", "None"}:
        unsupported.append("adjustable stops")
    _check(values)
    return OrderFields(values, unsupported[0] if unsupported else "", algo_params)


def _algo_params(reader: FieldReader) -> tuple[tuple[str, str], ...]:
    count = reader.integer()
    if not 0 <= count <= _MOST_ALGO_PARAMS:
        raise MalformedMessage(f"{count} isn't a number of algorithm parameters")
    texts = reader.take(2 * count)
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def _skip_combo(reader: FieldReader) -> None:
    reader.skip(8 * reader.integer())
    reader.skip(reader.integer())
    reader.skip(2 * reader.integer())


def _skip_scale_and_hedge(reader: FieldReader, values: dict[str, str], unsupported: list[str]) -> None:
    increment = parse_decimal(values["scale_price_increment"])
    if increment is not None and increment > 0:
        unsupported.append("scale orders")
        reader.skip(7)
    reader.skip(3)  # scale table, active start and stop time
    if reader.text():
        unsupported.append("hedge orders")
        reader.skip()


def _skip_conditions(reader: FieldReader) -> bool:
    count = reader.integer()
    for _ in range(count):
        kind = reader.integer()
        if kind not in _CONDITION_FIELDS:
            raise MalformedMessage(f"{kind} isn't a type of condition")
        reader.skip(_CONDITION_FIELDS[kind])
    if count:
        reader.skip(2)  # whether they hold outside regular hours, and cancel
    return count > 0


def _check(values: dict[str, str]) -> None:
    """Check numbers and flags and write them in the one way that every client reads."""
    for name in _INTEGERS:
        unset = values[name] in UNSET_TEXTS
        values[name] = "" if unset else str(_integer(values[name]))
    for name in _NUMBERS:
        number = parse_decimal(values[name])
        values[name] = "" if number is None else format(number, "f")
    for name in _BOOLEANS:
        values[name] = "1" if _flag(values[name]) else "0"


def plain_fields(**values: str) -> tuple[str, ...]:
    """Return the fields of an order that no client sent (one placed by hand in TWS); those not named are empty."""
    rest = ("scale_table", "active_start", "active_stop", "hedge_type")
    names = (*_CONTRACT, *_MAIN, *_EXTENDED, *_TRAIL_AND_SCALE, *rest, *_CLEARING)
    names += ("delta_neutral", "algo_strategy", *_FLAGS, "conditions", *_ADJUSTED)
    return tuple(values.get(name, "") for name in names)
