"""O3: a cancel that is refused (10147, 10148, 161, or a 202 that is not true) is reconciled, not believed."""

from __future__ import annotations

import pytest

from tests.faults.conftest import MakeRoom


@pytest.mark.parametrize("code", [10147, 10148, 161])
def test_a_refused_cancel_is_asked_about_and_the_order_is_ended_in_the_end(room: MakeRoom, code: int) -> None:
    main = room(
        "description: Cancels are refused while the file stands.\n"
        f"faults: [{{kind: cancels, mode: refused, code: {code}, control: stubborn}}]"
    )
    main.stage.begin("stubborn")
    ref = main.rest()
    main.run_until(lambda: main.state(ref).acknowledged, "the acknowledgement")
    questions = len(main.kinds("reconciled"))
    main.executor.cancel(ref, "test")
    main.run_until(lambda: len(main.kinds("reconciled")) > questions, "a reconciliation", 5.0)
    assert main.state(ref).is_live, "the broker still has it"
    main.stage.end("stubborn")
    main.run_until(lambda: not main.state(ref).is_live, "the end, by a repeated cancel")


def test_an_order_that_was_said_to_be_cancelled_and_works_is_found(room: MakeRoom) -> None:
    main = room(
        "description: 202, and the order works on.\n"
        "faults: [{kind: cancels, mode: refused, code: 202, control: liar}]"
    )
    main.stage.begin("liar")
    ref = main.rest()
    main.run_until(lambda: main.state(ref).acknowledged, "the acknowledgement")
    main.executor.cancel(ref, "test")
    main.run_until(lambda: not main.state(ref).is_live, "the 202")
    main.stage.end("liar")
    main.run_until(
        lambda: [one for one in main.kinds("break") if one["kind"] == "revived_order"], "the break", 15.0
    )
