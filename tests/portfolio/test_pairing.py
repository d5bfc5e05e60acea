"""Both legs or neither."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reasons import Reason
from portfolio.pairing import NO_PARTNER, pair_up

PARTNERS = np.array([[1, 0, NO_PARTNER]])


def paired(positions, wishes, targets, reasons=(0, 0, 0)):
    left, why = np.array([targets], dtype=float), np.array([reasons], dtype=np.int64)
    pair_up(PARTNERS, np.array([positions], dtype=float), np.array([wishes], dtype=float), left, why)
    return left[0].tolist(), [Reason(code) for code in why[0].tolist()]


@pytest.mark.parametrize(
    ("positions", "wishes", "targets", "expected"),
    [
        ((0, 0, 0), (100.4, -50.9, 7), (100, -50, 7), (100, -50, 7)),  # rounding is no cut
        ((0, 0, 0), (100, -50, 7), (40, -50, 7), (40, -20, 7)),  # the smaller share for both
        ((0, 0, 0), (100, -50, 7), (100, 0, 7), (0, 0, 7)),  # one refused: neither
        ((0, 0, 0), (100, -2, 0), (30, -2, 0), (0, 0, 0)),  # less than one share of a leg: neither
        ((60, 0, 5), (60, 0, 5), (60, 0, 5), (0, 0, 5)),  # the partner is gone
        ((60, 0, 5), (60, -30, 5), (60, -30, 5), (0, 0, 5)),  # and doesn't come back on the same bar
        ((60, -30, 5), (60, -30, 5), (60, -30, 5), (60, -30, 5)),
        ((60, -30, 5), (60, -30, 5), (30, -30, 5), (30, -15, 5)),  # one is cut: both are
        ((60, -30, 5), (0, 0, 5), (0, 0, 5), (0, 0, 5)),
        ((60, -30, 5), (60, 0, 5), (60, 0, 5), (0, 0, 5)),  # closed together
    ],
)
def test_what_the_limits_have_left_of_one_leg_is_what_the_other_may_have(
    positions, wishes, targets, expected
):
    left, _why = paired(positions, wishes, targets)
    assert left == list(expected)


def test_a_leg_that_follows_its_partner_says_so():
    _left, why = paired((0, 0, 0), (100, -50, 0), (100, 0, 0), (0, Reason.SHORT_NOT_ALLOWED, 0))
    assert why == [Reason.PAIR_BROKEN, Reason.SHORT_NOT_ALLOWED, Reason.NONE]


legs = st.tuples(st.integers(1, 500), st.integers(1, 500))


@given(wishes=legs, left=st.tuples(st.floats(0, 1), st.floats(0, 1)), held=st.booleans())
def test_no_leg_grows_and_both_are_flat_or_neither(wishes, left, held):
    wanted = (float(wishes[0]), -float(wishes[1]))
    limited = [float(np.trunc(one * share)) for one, share in zip(wanted, left, strict=True)]
    positions = (*wanted, 0) if held else (0, 0, 0)
    targets, _why = paired(positions, (*wanted, 0), (*limited, 0))
    for target, before in zip(targets[:2], limited, strict=True):
        assert abs(target) <= abs(before)
        assert target * before >= 0
        assert target == int(target)
    assert (targets[0] == 0) == (targets[1] == 0)
    again, _why = paired(positions, (*wanted, 0), targets)
    assert (again[0] == 0) == (again[1] == 0)
