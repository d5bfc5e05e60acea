"""The account names the broker's messages, whose first field is a number."""

from __future__ import annotations

from ibapi.message import IN, OUT

from scripts.incident.account import account
from scripts.incident.messages import _INCOMING, _OUTGOING, message_name


def document(*fields: str, direction: str) -> dict[str, object]:
    wire = [{"monotonic_ns": 5, "direction": direction, "fields": list(fields)}]
    return {
        "kind": "halt",
        "reason": "test",
        "run_id": "r",
        "written": {"wall_ns": 10, "monotonic_ns": 7},
        "versions": {"code": "c", "python": "3"},
        "journals": {name: {"records": [], "starts": []} for name in ("main", "watchdog")},
        "processes": [],
        "wires": {"main": wire},
        "problems": [],
    }


def test_a_message_is_named_and_its_fields_follow():
    assert "← error or notice: 2 7 201 Order rejected" in account(
        document("4", "2", "7", "201", "Order rejected", direction="in"), []
    )
    assert "→ place order: 7 IBM" in account(document("3", "7", "IBM", direction="out"), [])
    assert message_name("in", "999") == "message 999"
    assert "message : " in account(document(direction="in"), [])


def test_the_numbers_are_those_of_the_official_client():
    for ours, theirs in ((_INCOMING, IN), (_OUTGOING, OUT)):
        assert set(ours) <= {str(value) for value in vars(theirs).values() if isinstance(value, int)}
    assert message_name("in", str(IN.ORDER_STATUS)) == "order status"
    assert message_name("in", str(IN.EXECUTION_DATA)) == "execution"
    assert message_name("out", str(OUT.REQ_GLOBAL_CANCEL)) == "global cancel"
