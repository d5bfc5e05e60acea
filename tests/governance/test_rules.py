"""The mandate's rules: each holds for good evidence and for nothing that is missing, unknown or beyond its limit."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from core.kernel import PROJECT_ROOT
from governance.evidence import Evidence
from governance.mandate import FILE_NAME, Mandate, load_mandate
from governance.pipeline import age_days
from governance.rules import RULES, judge
from tests.governance.evidence import GOOD, fold

NAN = math.nan
MANDATE = Mandate()


def failed(evidence: Evidence, mandate: Mandate = MANDATE) -> list[str]:
    return [one.rule for one in judge(mandate, evidence) if not one.passed]


def spoiled(path: str, value: object) -> Evidence:
    """Good evidence with one field changed."""
    section, dot, name = path.partition(".")
    changed: Any = {section: value}
    if dot:
        inner: Any = {name: value}
        changed = {section: replace(getattr(GOOD, section), **inner)}
    return replace(GOOD, **changed)


def test_good_evidence_satisfies_every_rule_and_says_so_with_figures():
    verdicts = judge(MANDATE, GOOD)
    assert [one.rule for one in verdicts if not one.passed] == []
    assert len({one.rule for one in verdicts}) == len(RULES)
    assert all(one.sentence for one in verdicts)


def test_no_evidence_satisfies_no_rule():
    assert len(failed(Evidence())) == len(RULES)


def test_without_a_walk_forward_its_failure_is_told():
    told = [one.sentence for one in judge(MANDATE, Evidence(failure="100 sessions are too few"))]
    assert sum("100 sessions are too few" in sentence for sentence in told) > 5


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("folds", (fold(), fold(), fold()), "folds"),
        ("folds", (fold(sharpe=0.6),) * 4, "mean Sharpe ratio"),
        ("folds", (fold(sharpe=3.0),) * 3 + (fold(sharpe=0.4),), "worst fold"),
        ("folds", (fold(),) * 3 + (fold(sharpe=NAN),), "worst fold"),
        ("folds", (fold(),) * 3 + (fold(sharpe=NAN),), "mean Sharpe ratio"),
        ("folds", (fold(max_drawdown=0.16),) * 4, "drawdown"),
        ("folds", (fold(),) * 2 + (fold(total_return=-0.01),) * 2, "folds with a gain"),
        ("folds", (fold(),) * 3 + (fold(total_return=NAN),), "folds with a gain"),
        ("folds", (fold(fills=30),) * 4, "fills"),
        ("folds", (fold(),) * 3 + (fold(fills=9),), "fills a fold"),
        ("out_of_sample_sharpe", 0.8, "efficiency"),
        ("in_sample_sharpe", 0.0, "efficiency"),
        ("in_sample_sharpe", -1.0, "efficiency"),
        ("plateau.sharpes", (1.3,), "neighbours"),
        ("plateau.sharpes", (), "plateau"),
        ("plateau.sharpes", (0.8, 0.7, 0.6), "plateau"),
        ("plateau.sharpes", (1.3, 1.2, NAN), "plateau"),
        ("plateau.own_sharpe", -0.1, "plateau"),
        ("plateau.sharpes", (1.4, 1.4, 0.4, 0.3), "neighbours hold"),
        ("plateau.sharpes", (1.4, NAN, NAN), "neighbours hold"),
        ("luck.ledger", "the end is missing", "trial ledger"),
        ("luck.own_trials", 0, "trial ledger"),
        ("luck.deflated_sharpe", 0.94, "deflated Sharpe ratio"),
        ("luck.overfitting_probability", 0.41, "overfitting"),
        ("stress.growth_p5", -0.001, "Monte Carlo growth"),
        ("stress.drawdown_p95", 0.21, "Monte Carlo drawdown"),
        ("stress.jitter_gains", 0.89, "moved parameters"),
        ("stress.costs_sharpe", 0.4, "costs"),
        ("stress.crises", {"2008 financial crisis": 0.1}, "crises"),
        ("stress.crises", {"2008 financial crisis": 0.26, "2020 March": 0.05}, "crises"),
        ("stress.crises", {"2008 financial crisis": NAN, "2020 March": 0.05}, "crises"),
        ("stress.shocks", {}, "shocks"),
        ("stress.shocks", {"gap:-0.2": 0.1, "halt:5": NAN}, "shocks"),
        ("stress.shocks", {"gap:-0.2": 0.36}, "shocks"),
        ("guards.ran", ("look-ahead",), "bias guards"),
        ("guards.biases", ("too good: Sharpe ratio: 9",), "bias guards"),
        ("guards.cautions", ("look-ahead: x: deaf",), "bias guards"),
        ("bar_size_s", 86_400, "bar size"),
        ("bar_size_s", 0, "bar size"),
        ("age_days", 11.0, "age of the data"),
        ("parity.problem", "there is none", "parity"),
        ("parity.differences", 1, "parity"),
        ("parity.differences", None, "parity"),
        ("parity.sessions", 19, "parity"),
        ("parity.age_days", 31.0, "parity"),
        ("parity.age_days", NAN, "parity"),
        ("parity.same_code", False, "parity"),
    ],
)
def test_what_is_beyond_a_limit_or_not_known_fails_its_rule(path: str, value: object, rule: str):
    assert rule in failed(spoiled(path, value))


def floats_of(evidence: object, prefix: str = "") -> list[str]:
    """Paths of all plain figures of the evidence."""
    found = []
    for field in fields(evidence):  # type: ignore[arg-type]
        value = getattr(evidence, field.name)
        if is_dataclass(value):
            found += floats_of(value, f"{field.name}.")
        elif isinstance(value, float):
            found.append(f"{prefix}{field.name}")
    return found


INFORMATIVE = {
    "luck.counted_trials",
    "luck.sharpe_by_luck",
    "luck.sharpe",
    "luck.spread",
    "luck.best_in_ledger",
}
"""Figures that are told beside the one that is judged."""


@pytest.mark.parametrize("path", sorted(set(floats_of(GOOD)) - INFORMATIVE))
def test_every_figure_that_becomes_unknown_fails_a_rule(path: str):
    assert failed(spoiled(path, NAN))


@given(value=st.floats(allow_nan=True, allow_infinity=True))
def test_an_infinite_figure_is_no_figure(value: float):
    evidence = spoiled("luck.deflated_sharpe", value)
    holds = "deflated Sharpe ratio" not in failed(evidence)
    assert holds == (math.isfinite(value) and value >= MANDATE.luck.min_deflated_sharpe)


@given(
    sharpe=st.lists(st.floats(-3, 5), min_size=1, max_size=8),
    bar=st.floats(0, 3),
    more=st.floats(0, 2),
)
def test_a_stricter_mandate_never_lets_more_pass(sharpe: list[float], bar: float, more: float):
    evidence = replace(GOOD, folds=tuple(fold(sharpe=one) for one in sharpe))

    def asking(limit: float) -> Mandate:
        return Mandate.model_validate(
            {"walk_forward": {"min_mean_sharpe": limit, "min_worst_sharpe": limit - 0.5}}
        )

    assert set(failed(evidence, asking(bar))) <= set(failed(evidence, asking(bar + more)))


def test_daily_bars_pass_only_a_mandate_that_lets_them_differ():
    daily = replace(GOOD, bar_size_s=86_400)
    assert failed(daily, Mandate.model_validate({"bars": {"same_size": False}})) == []


def test_the_age_of_a_bar_is_told_in_whole_days_and_one_that_lies_ahead_has_none():
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    ended = int(datetime(2026, 11, 27, 21, tzinfo=UTC).timestamp()) * 1_000_000_000
    assert age_days(ended, now) == 1.0
    assert age_days(ended, datetime(2026, 11, 28, 21, tzinfo=UTC)) == 1.0
    assert math.isnan(age_days(ended, datetime(2026, 11, 27, 20, tzinfo=UTC)))


# --- the file ---


def test_the_file_holds_every_key_with_its_default_and_a_comment():
    text = (PROJECT_ROOT / FILE_NAME).read_text()
    assert load_mandate(PROJECT_ROOT / FILE_NAME) == MANDATE
    values = yaml.safe_load(text)
    assert values == Mandate().model_dump(mode="json")
    assert set(values) == set(Mandate.model_fields)


def write(folder: Path, text: str) -> Path:
    path = folder / FILE_NAME
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("walk_forward:\n  min_mean_sharp: 1\n", "line 2: walk_forward.min_mean_sharp"),
        ("luck:\n  min_deflated_sharpe: 1.5\n", "less than or equal to 1"),
        ("luck:\n  min_deflated_sharpe: .nan\n", "line 2"),
        ("scenarios:\n  crises:\n    2009 nothing: 0.1\n", "2009 nothing"),
        ("[]\n", "holds no mandate"),
        ("", "holds no mandate"),
        ("a: [\n", "line"),
    ],
)
def test_a_mandate_that_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, text: str, said: str):
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        load_mandate(write(tmp_path, text))


def test_a_missing_mandate_is_no_mandate(tmp_path: Path):
    with pytest.raises(ConfigError, match="can't be read"):
        load_mandate(tmp_path / FILE_NAME)


def test_another_limit_is_another_mandate():
    changed: Any = Mandate.model_validate({"luck": {"min_deflated_sharpe": 0.9}})
    assert changed.sha256 != MANDATE.sha256
