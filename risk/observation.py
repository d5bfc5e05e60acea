"""What the watchdog knew at one moment, and the checks over it: pure, so that a decision can be made again later.

A kill keeps the `Evidence` that it was decided on, and its journal record holds it. `decide` is what the watchdog
itself calls; an incident that is played again calls it with the same evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.config_schema import RiskSettings
from core.flags import FlagState
from core.vocabulary import HaltReason
from risk.checks.book_mismatch import BookView, check_book_mismatch
from risk.checks.broker_silence import check_broker_silence
from risk.checks.daily_loss import check_daily_loss
from risk.checks.drawdown import EquityView, check_drawdown
from risk.checks.fill_budget import check_fill_budget
from risk.checks.flags import check_flags
from risk.checks.gross_exposure import check_gross_exposure
from risk.checks.heartbeat import HeartbeatView, check_heartbeat
from risk.checks.order_rate import OrderRateView, check_order_rate
from risk.checks.progress import check_progress
from risk.checks.verdict import Confirmation, Verdict

_MOST_TIMES = 20_000
# These breaches take main's lease away and are told, but do not sell the account.
_NO_KILL = frozenset({HaltReason.BROKER_SILENCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that the periodic checks look at.

    Parameters
    ----------
    month, fills
        Newest month of which a fill is known, and its count.
    fills_problem
        Why there may be more fills than that; empty when all are known.
    silent_s
        How long the broker session has been unusable; None while it is usable.
    """

    main: HeartbeatView
    equity: EquityView
    rate: OrderRateView
    month: str
    fills: int
    book: BookView
    silent_s: float | None
    fills_problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a kill was decided on: a flag, or an observation with the state of the check's confirmation before it.

    Parameters
    ----------
    check
        Name of the check that broke.
    count, sample
        `risk.checks.verdict.Confirmation` before this observation.
    """

    check: str
    flag: FlagState | None = None
    observation: Observation | None = None
    count: int = 0
    sample: int | None = None


def verdicts_on(observation: Observation, settings: RiskSettings) -> tuple[Verdict, ...]:
    """Run all periodic checks, in the order in which the first breach kills."""
    main, equity = observation.main, observation.equity
    return (
        check_heartbeat(main, settings.heartbeat),
        check_progress(main, settings.heartbeat),
        check_order_rate(observation.rate, settings.order_rate),
        check_drawdown(equity, settings.drawdown),
        check_daily_loss(equity, settings.daily_loss),
        check_gross_exposure(equity, settings.gross_exposure),
        check_fill_budget(
            observation.month, observation.fills, settings.fill_budget, observation.fills_problem
        ),
        check_book_mismatch(observation.book, settings.book_mismatch),
        check_broker_silence(observation.silent_s, settings.broker_silence),
    )


def confirmations(settings: RiskSettings) -> dict[str, Confirmation]:
    """Make the confirmations, by the name of the check that needs one."""
    return {
        "drawdown": Confirmation(settings.drawdown.confirmations),
        "daily_loss": Confirmation(settings.daily_loss.confirmations),
        "gross_exposure": Confirmation(settings.gross_exposure.confirmations),
    }


def kills(verdict: Verdict, confirmation: Confirmation | None) -> bool:
    """Whether ``verdict`` is a reason to kill now; moves its confirmation on."""
    confirmed = confirmation.take(verdict) if confirmation else verdict.is_breach
    return confirmed and verdict.reason not in _NO_KILL


def decide(evidence: Evidence, settings: RiskSettings) -> Verdict | None:
    """Return the verdict that kills on this evidence; None when nothing in it does."""
    if evidence.flag is not None:
        verdict = check_flags(evidence.flag)
        return verdict if verdict.is_breach else None
    if evidence.observation is None:
        return None
    for verdict in verdicts_on(evidence.observation, settings):
        if verdict.name == evidence.check:
            confirmation = confirmations(settings).get(verdict.name)
            if confirmation is not None:
                confirmation.restore(evidence.count, evidence.sample)
            return verdict if kills(verdict, confirmation) else None
    return None


def evidence_payload(evidence: Evidence, settings: RiskSettings) -> Mapping[str, object]:
    """Make the journal's form, of bounded size: of the times of orders no more are kept than the check can tell apart."""
    observation = evidence.observation
    if observation is not None:
        most = min(settings.order_rate.max_per_minute + 1, _MOST_TIMES)
        rate = replace(
            observation.rate,
            submitted=tuple(observation.rate.submitted)[-most:],
            at_broker=tuple(observation.rate.at_broker)[-most:],
        )
        evidence = replace(evidence, observation=replace(observation, rate=rate))
    return {"evidence": evidence, "settings": settings.model_dump(mode="json")}
