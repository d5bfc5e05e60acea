"""Every planted defect is found, and a series without one gives no finding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.packaged import load_packaged, packaged_calendar
from data.quality.calibration import LENIENT, PLANTS, calendar, calibrate, inspect, plant, random_rows
from data.quality.findings import Check, Policy
from data.quality.gate import check_tables

CALENDAR = calendar()
seeds = st.integers(min_value=0, max_value=2**32 - 1)
NOT_OFFERED = {
    (Check.NON_POSITIVE, Policy.REPAIR),
    (Check.OUTSIDE_SESSIONS, Policy.REPAIR),
    (Check.TICKER_REUSE, Policy.REPAIR),
    (Check.ZERO_VOLUME, Policy.REPAIR),
    (Check.STALE, Policy.REPAIR),
}


@given(seed=seeds, bars=st.integers(60, 1500), volatility=st.floats(0.003, 0.04))
@settings(max_examples=60)
def test_a_clean_random_walk_gives_no_finding(seed, bars, volatility):
    rows = random_rows(np.random.default_rng(seed), bars, volatility=volatility)
    table, findings = inspect(rows)
    assert findings == ()
    assert table is not None
    assert len(table) == bars


@pytest.mark.parametrize("check", PLANTS)
@given(seed=seeds, volatility=st.floats(0.003, 0.02))
@settings(max_examples=15)
def test_a_planted_defect_is_found(check, seed, volatility):
    random = np.random.default_rng(seed)
    rows = plant(check, random_rows(random, 400, volatility=volatility), random)
    _, findings = inspect(rows)
    assert check in {one.check for one in findings}
    for one in findings:
        assert one.symbol == "XYZ"
        assert one.when[:2] in {"19", "20"}
        assert one.text


@pytest.mark.parametrize("check", PLANTS)
@pytest.mark.parametrize("policy", [Policy.DROP, Policy.REPAIR])
@given(seed=seeds)
@settings(max_examples=6)
def test_what_was_dropped_or_repaired_is_told_and_not_found_again(check, policy, seed):
    if (check, policy) in NOT_OFFERED:
        return
    random = np.random.default_rng(seed)
    rows = plant(check, random_rows(random, 400), random)
    table, findings = inspect(rows, {**LENIENT, check: policy})
    if check is Check.HOLES and policy is Policy.DROP:
        assert table is None
        return
    assert all(one.done for one in findings if one.check is check)
    assert table is not None
    assert (np.diff(table.end_ns) > 0).all()
    again = check_tables({"XYZ": table}, CALENDAR, {**LENIENT, check: Policy.WARN}).report
    # A row that was dropped is a hole now, and what was filled in has no volume.
    expected = {Check.HOLES} if policy is Policy.DROP else {Check.ZERO_VOLUME, Check.STALE}
    assert {one.check for one in again.findings} <= expected - {check}


def test_the_checks_are_calibrated_on_fat_tails_too():
    for rate in calibrate(20, bars=600, walk="fat tails", seed=7):
        assert rate.found >= 19, rate
        assert rate.false_alarms == 0, rate


def test_real_prices_give_the_flash_crash_and_little_else():
    report = check_tables(load_packaged(), packaged_calendar(), LENIENT).report
    found = {(one.symbol, one.when, one.check) for one in report.findings}
    assert ("AAPL", "2010-05-06", Check.BAD_TICKS) in found
    assert len(found) <= 3
