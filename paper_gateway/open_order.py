"""openOrder and completedOrder, the two longest messages of a gateway.

Layouts: ``Decoder.processOpenOrder`` and ``processCompletedOrderMsg`` of ibapi 9.81 at server version 157; the same
in ib_async 2.1. Empty numbers stand for "unset", as TWS sends them.
"""

from __future__ import annotations

from decimal import Decimal

from paper_gateway.codec import UNSET_DOUBLE, Field, message
from paper_gateway.place_order import OrderFields, parse_order_fields
from paper_gateway.types import Instrument, OrderView

_OPEN_ORDER = 5
_COMPLETED_ORDER = 101
_UNSET_MARGINS = (UNSET_DOUBLE,) * 9


def _contract(instrument: Instrument) -> tuple[Field, ...]:
    # conId to tradingClass; expiry, strike, right and multiplier are of derivatives, the right of a stock is "?".
    return (
        *(instrument.con_id, instrument.symbol, "STK", "", 0, "?", "", "SMART"),
        *(instrument.currency, instrument.symbol, instrument.symbol),
    )


def _order(order: OrderView, fields: OrderFields) -> tuple[Field, ...]:
    ticket = order.ticket
    return (
        *(ticket.action, ticket.quantity, ticket.order_type, ticket.limit_price, ticket.aux_price),
        *(ticket.time_in_force, ticket.oca_group, ticket.account),
        *(fields["open_close"], fields["origin"], ticket.order_ref),
    )


def _values(fields: OrderFields, names: str) -> list[str]:
    return [fields[name] for name in names.split()]


def _algorithm(order: OrderView) -> tuple[Field, ...]:
    ticket = order.ticket
    if not ticket.algo_strategy:
        return ("",)
    texts = (text for parameter in ticket.algo_params for text in parameter)
    return (ticket.algo_strategy, len(ticket.algo_params), *texts)


def _pricing(order: OrderView, fields: OrderFields, *, basis_points: bool) -> tuple[Field, ...]:
    """Volatility, trailing stop and the (empty) combination of an order."""
    return (
        *_values(fields, "volatility volatility_type"),
        *("", ""),  # delta-neutral order type and auxiliary price: orders that use them are rejected
        *_values(fields, "continuous_update reference_price_type"),
        *(order.ticket.trail_stop_price, order.ticket.trailing_percent),
        *(("", "") if basis_points else ()),
        *("", 0, 0, 0),  # description of the combination, legs, leg prices, routing parameters
        *_values(fields, "scale_init_level_size scale_subs_level_size scale_price_increment"),
        "",  # hedge type
    )


def open_order(
    order: OrderView, instrument: Instrument, margins: tuple[Field, ...] = (), costs: tuple[Field, ...] = ()
) -> bytes:
    """Build openOrder.

    Parameters
    ----------
    margins
        For a what-if order: initial margin, maintenance margin and equity with loan, each before, then their
        changes, then after. Unset when empty.
    costs
        For a what-if order: commission, its lowest and highest value, their currency.
    """
    ticket = order.ticket
    fields = parse_order_fields(ticket.raw)
    return message(
        *(_OPEN_ORDER, ticket.order_id, *_contract(instrument), *_order(order, fields)),
        *(ticket.client_id, order.perm_id),
        *_values(fields, "outside_rth hidden discretionary_amount good_after_time"),
        "",  # shares allocation, no longer used
        *_values(fields, "fa_group fa_method fa_percentage fa_profile model_code good_till_date rule_80a"),
        *_values(fields, "percent_offset settling_firm short_sale_slot designated_location exempt_code"),
        *_values(fields, "auction_strategy starting_price stock_ref_price delta stock_range_lower"),
        *_values(fields, "stock_range_upper display_size block_order sweep_to_fill all_or_none min_quantity"),
        *_values(fields, "oca_type e_trade_only firm_quote_only nbbo_price_cap"),
        *(ticket.parent_id, fields["trigger_method"]),
        *_pricing(order, fields, basis_points=True),
        *_values(fields, "opt_out_smart_routing clearing_account clearing_intent not_held"),
        0,  # no delta-neutral contract
        *_algorithm(order),
        *(fields["solicited"], ticket.what_if, order.state.value),
        *(margins or _UNSET_MARGINS),
        *(costs or ("", "", "", "")),
        order.warning,
        *_values(fields, "randomize_size randomize_price"),
        0,  # conditions
        *("None", UNSET_DOUBLE, ticket.trail_stop_price or UNSET_DOUBLE),
        *(fields["limit_price_offset"] or UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE, 0),
        *_values(fields, "soft_dollar_name soft_dollar_value soft_dollar_name"),
        *_values(fields, "cash_quantity no_auto_price_for_hedge is_oms_container discretionary_up_to_limit"),
        fields["use_price_mgmt_algo"] or "0",
    )


def completed_order(order: OrderView, instrument: Instrument, completed_at: str) -> bytes:
    """Build completedOrder; ``completed_at`` is the local time of its end, with the zone."""
    ticket = order.ticket
    fields = parse_order_fields(ticket.raw)
    return message(
        *(_COMPLETED_ORDER, *_contract(instrument), *_order(order, fields), order.perm_id),
        *_values(fields, "outside_rth hidden discretionary_amount good_after_time"),
        *_values(fields, "fa_group fa_method fa_percentage fa_profile model_code good_till_date rule_80a"),
        *_values(fields, "percent_offset settling_firm short_sale_slot designated_location exempt_code"),
        *_values(fields, "starting_price stock_ref_price delta stock_range_lower stock_range_upper"),
        *_values(fields, "display_size sweep_to_fill all_or_none min_quantity oca_type trigger_method"),
        *_pricing(order, fields, basis_points=False),
        *_values(fields, "clearing_account clearing_intent not_held"),
        0,  # no delta-neutral contract
        *_algorithm(order),
        *(fields["solicited"], order.state.value),
        *_values(fields, "randomize_size randomize_price"),
        0,  # conditions
        *(ticket.trail_stop_price or UNSET_DOUBLE, fields["limit_price_offset"] or UNSET_DOUBLE),
        *_values(fields, "cash_quantity no_auto_price_for_hedge is_oms_container"),
        "",  # auto-cancel date
        order.filled,
        *(
            0,
            0,
            "",
            0,
            0,
            0,
        ),  # futures conId, auto-cancel parent, shareholder, imbalance, route to BBO, parent permId
        *(completed_at, _completed_status(order)),
    )


def _completed_status(order: OrderView) -> str:
    if order.remaining == Decimal(0):
        return f"Filled Size: {order.filled}"
    return order.warning or "Cancelled by Trader"
