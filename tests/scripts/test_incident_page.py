"""The account names the broker's messages, whose first field is a number."""

from __future__ import annotations

from ibapi.message import IN, OUT

from core.ib_wrapper.message_names import message_name
from scripts.incident.account import account


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
    assert "← err msg: 2 7 201 Order rejected" in account(
        document("4", "2", "7", "201", "Order rejected", direction="in"), []
    )
    assert "→ place order: 7 IBM" in account(document("3", "7", "IBM", direction="out"), [])
    assert message_name("in", "999") == "message 999"
    assert "message : " in account(document(direction="in"), [])


def test_names_are_those_of_the_official_client():
    assert message_name("in", str(IN.EXECUTION_DATA)) == "execution data"
    assert message_name("out", str(OUT.REQ_GLOBAL_CANCEL)) == "req global cancel"
