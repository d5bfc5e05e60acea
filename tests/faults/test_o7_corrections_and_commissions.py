"""O7: corrected executions (.02), commissions that are late, -1 or missing: our book equals the broker's."""

from __future__ import annotations

import pytest

from tests.faults.conftest import MakeRoom

COMMISSIONS = ("unknown", "late", "missing")


@pytest.mark.parametrize("mode", COMMISSIONS)
def test_the_book_agrees_after_a_correction_and_an_odd_commission(room: MakeRoom, mode: str) -> None:
    main = room(
        "description: Odd reports.\nfaults:\n"
        "  - {kind: corrections, by: 0.25, delay_s: 0.3, clients: [1]}\n"
        f"  - {{kind: commissions, mode: {mode}, delay_s: 0.5, clients: [1]}}\n"
    )
    main.target(10)
    main.run_until(lambda: main.held() == {"IBM": 10}, "the fill")
    main.run_until(
        lambda: any(one["exec_id"].endswith(".02") for one in main.kinds("fill")), "the correction"
    )
    main.await_agreement()
    assert len(main.kinds("commission")) == 1
