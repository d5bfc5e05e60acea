"""Vocabulary of the journal: the kinds of record and the keys of each payload.

A payload is a flat JSON object; Decimals are strings, times are int64 ns. Main writes ``main.db``, the watchdog
writes ``watchdog.db`` (which also outlives runs and holds what operators did).
"""

from __future__ import annotations

from enum import StrEnum


class RecordKind(StrEnum):
    """Kind of a journal record, with the keys of its payload."""

    RUN_STARTED = "run_started"
    """process, pid, boot_id, mode, code_version, config_sha256"""
    RUN_ENDED = "run_ended"
    """reason, exit_code"""
    MODEL = "model"
    """name, path, sha256 (None when it can't be used), problem: a model that this process chooses by"""
    CONNECTION = "connection"
    """state, reason"""
    SESSION = "session"
    """date (ISO), open_ns, close_ns: written with the first closed bar of an exchange session"""
    RESTRICTIONS = "restrictions"
    """scales (factor on new risk, by strategy), standing (list of source, strategy, scale, reason, since): at a run's
    start, and at the beginning of a session when something has changed (``core.restrictions``)"""
    SIGNAL = "signal"
    """strategy, symbol, weight, bar_end_ns: only when the weight changes"""
    DECISION = "decision"
    """bar_end_ns, strategy, symbol, position, target, reason: only when the target differs from the position
    or a denial other than NONE stands"""
    VETO = "veto"
    """bar_end_ns, strategy, symbol, side, outcome (approved, vetoed, unknown), enforced (whether an outcome other than approved
    keeps the entry from being made), probability, threshold, contributions (feature and by how much it moved the log odds), detail, model,
    features_ns, quantity (that the decision would have entered), price, stop_distance: when an outcome of a wanted entry is new, before
    the EQUITY record of its bar"""
    VETO_MODEL = "veto_model"
    """strategy, version, manifest_sha256, problem: at a run's first bar, and when what is known of the model changes"""
    DENIAL = "denial"
    """bar_end_ns, strategy, symbol, reason, quantity, detail"""
    ORDER_INTENT = "order_intent"
    """every field of core.events.Order, and order_id; durable before the order is sent. A second intent of the same
    order_ref amends the order"""
    ARRIVAL = "arrival"
    """order_ref, parent_order_ref (the order it replaces or is a slice of; None for a parent itself), method,
    propensity, why, admissible (methods that were), decision_price, bid, ask, quote_age_ms, spread_bps, volatility_bps,
    adv_share, day_fraction, urgency: what was known of an entry or exit at its decision; beside its first intent"""
    ORDER_SENT = "order_sent"
    """order_ref, order_id"""
    ORDER_CANCEL = "order_cancel"
    """order_ref, reason; a second one of an order says that it was withdrawn while its time was ending"""
    ORDER_STATUS = "order_status"
    """order_ref, order_id, perm_id, status, filled, remaining (None in an openOrder), quantity (None in an
    orderStatus): only when it changes something"""
    ORDER_TRAILED = "order_trailed"
    """order_ref, stop_price, trailing_amount, source (broker: it says so; bars: the price was there, so it stands so at
    least): only when a trailing stop is known to stand nearer to the market, or the broker has other terms of it"""
    ORDER_ENDED = "order_ended"
    """order_ref, outcome (rejected, not_sent, gone, settled), detail: an end, or a settling of open questions, that
    no broker status tells"""
    FILL = "fill"
    """every field of core.events.Execution, strategy, arrival_price"""
    COMMISSION = "commission"
    """exec_id, amount, currency"""
    CASH_ADJUSTED = "cash_adjusted"
    """amount, reason: the ledger's opening cash, or a broker cash movement that is no fill"""
    BREAK = "break"
    """kind, symbol, book, broker, detail"""
    RECONCILED = "reconciled"
    """trigger (start, reconnect, periodic, shutdown), breaks, positions, cash, unknown"""
    EQUITY = "equity"
    """bar_end_ns, nlv, cash, gross"""
    MARKS = "marks"
    """bar_end_ns, bars (by symbol: open, high, low, close, volume): closed bars of symbols in which an order of ours works, or
    has worked in this session or the one before, for the benchmarks of transaction-cost analysis"""
    HALT = "halt"
    """level, reason, detail, source"""
    KILL_STARTED = "kill_started"
    """reason, figures, detected_monotonic_ns, flag_mtime_ns, wall_ns, run_id, account (empty when not known yet), mode and
    address of the broker, evidence (risk.observation.Evidence) and settings (section risk) on which it was decided"""
    KILL_STEP = "kill_step"
    """step, monotonic_ns, detail"""
    CLOSE_INTENT = "close_intent"
    """order_ref, symbol, side, quantity: durable before the closing order is sent"""
    KILL_TRACE = "kill_trace"
    """kill_id, part, parts, start, dropped, steps: what the kill sequence took and asked for, written after its end"""
    KILL_ENDED = "kill_ended"
    """reason, flat, residue, flag_to_cancel_sent_ms, flag_to_cancel_ack_ms, flag_to_flat_ms"""
    REARMED = "rearmed"
    """reason, user, cleared (the flags removed)"""
    PEAK = "peak"
    """account, nlv, wall_ns"""
    TRIALS = "trials"
    """study, part, mode, strategies, symbols, first, last (ISO dates), data_sha256, trials, with_sharpe, sharpe_mean,
    sharpe_squares, sharpe_best, sketch: configurations that a search has tried (``backtester.trials``, ``trials.db``)"""
    RECALIBRATED = "recalibrated"
    """id, strategy, passed, failed (rules), values, evidence_sha256, mandate_sha256, ledger_seq, ledger_hash, user: a decision
    of the mandate (``governance``, ``governance.db``)"""
    PARAMETERS = "parameters"
    """id, step (begun, done, abandoned), kind (promotion, rollback), strategy, before, after (parameters), config_before,
    config_after (SHA-256), effective_before (hashes of the settings that were in use), evidence_sha256, user, reason,
    probation: a change of parameters in config.yaml; durable before it"""
    PROBATION = "probation"
    """id, strategy, verdict (passed, failed), sessions, detail: how promoted parameters' probation ended"""
    CHECK = "check"
    """name, status, figures: only when the status changes"""
    ALERT = "alert"
    """severity, text"""
