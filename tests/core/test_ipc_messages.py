"""Signed messages: nothing that is forged, repeated, kept or misdirected is accepted (S1, F7)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.canonical import dump
from core.clock import ManualClock
from core.identity import Identity
from core.ipc import HEARTBEAT, REPLY, Message, Refusal, RefusalReason, Signer, Verifier
from core.ipc.messages import MAX_MESSAGE_BYTES, PROTOCOL

KEY = b"k" * 32


@pytest.fixture
def clock():
    return ManualClock(monotonic_ns=10**12)


def signer(clock, *, key=KEY, run_id="run-1", boot_id="b1", sender="main"):
    return Signer(key, run_id, boot_id, sender, clock)


@pytest.fixture
def verifier(clock):
    return Verifier(KEY, "run-1", sender="main", kinds={HEARTBEAT}, clock=clock)


def refusal(result):
    assert isinstance(result, Refusal)
    return result.reason


def test_a_signed_message_is_accepted_with_its_body(clock, verifier):
    message = verifier.accept(signer(clock).sign(HEARTBEAT, {"nlv": 1.5, "positions": {"A": "3"}}))
    assert isinstance(message, Message)
    assert message.body == {"nlv": 1.5, "positions": {"A": "3"}}
    assert (message.sender, message.boot_id, message.sequence) == ("main", "b1", 1)
    assert verifier.accepted == 1


def test_the_signer_of_an_identity_is_that_process(clock):
    identity = Identity(process="risk_monitor", run_id="run-1", boot_id="x")
    verifier = Verifier(KEY, "run-1", sender="risk_monitor", kinds={REPLY}, clock=clock)
    assert isinstance(verifier.accept(Signer.of(identity, KEY, clock).sign(REPLY, {})), Message)


def test_s1_a_message_with_another_key_is_refused(clock, verifier):
    result = verifier.accept(signer(clock, key=b"x" * 32).sign(HEARTBEAT, {}))
    assert refusal(result) is RefusalReason.BAD_SIGNATURE


def test_s1_a_repeated_message_is_refused(clock, verifier):
    frames = signer(clock).sign(HEARTBEAT, {})
    assert isinstance(verifier.accept(frames), Message)
    assert refusal(verifier.accept(frames)) is RefusalReason.REPEATED


def test_s1_an_earlier_message_that_was_held_back_is_refused(clock, verifier):
    sender = signer(clock)
    held, newer = sender.sign(HEARTBEAT, {}), sender.sign(HEARTBEAT, {})
    assert isinstance(verifier.accept(newer), Message)
    assert refusal(verifier.accept(held)) is RefusalReason.REPEATED


def test_f7_a_message_of_another_run_is_refused(clock, verifier):
    result = verifier.accept(signer(clock, run_id="run-0").sign(HEARTBEAT, {}))
    assert refusal(result) is RefusalReason.WRONG_RUN


def test_s1_a_message_of_another_sender_or_kind_is_refused(clock, verifier):
    assert (
        refusal(verifier.accept(signer(clock, sender="risk_monitor").sign(HEARTBEAT, {})))
        is RefusalReason.WRONG_SENDER
    )
    assert refusal(verifier.accept(signer(clock).sign(REPLY, {}))) is RefusalReason.WRONG_KIND


def test_s1_an_old_message_is_refused_and_one_from_the_future_too(clock, verifier):
    frames = signer(clock).sign(HEARTBEAT, {})
    clock.advance(3.5)
    assert refusal(verifier.accept(frames)) is RefusalReason.TOO_OLD
    ahead = ManualClock(monotonic_ns=clock.monotonic_ns() + 10**9)
    assert (
        refusal(verifier.accept(signer(ahead, boot_id="b2").sign(HEARTBEAT, {})))
        is RefusalReason.FROM_THE_FUTURE
    )


def test_f7_a_restarted_sender_supersedes_the_one_before(clock, verifier):
    old = signer(clock, boot_id="b1")
    for _ in range(5):
        assert isinstance(verifier.accept(old.sign(HEARTBEAT, {})), Message)
    clock.advance(0.1)
    new = signer(clock, boot_id="b2")
    assert isinstance(verifier.accept(new.sign(HEARTBEAT, {})), Message)
    assert refusal(verifier.accept(old.sign(HEARTBEAT, {}))) is RefusalReason.SUPERSEDED
    assert isinstance(verifier.accept(new.sign(HEARTBEAT, {})), Message)


def test_f8_a_jump_of_the_wall_clock_changes_nothing(verifier, clock):
    class Jumping(ManualClock):
        def now_ns(self):
            raise AssertionError("liveness must not look at the wall clock")

    jumping = Jumping(monotonic_ns=clock.monotonic_ns())
    assert isinstance(verifier.accept(signer(jumping).sign(HEARTBEAT, {})), Message)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([], RefusalReason.MALFORMED),
        ([b""], RefusalReason.MALFORMED),
        ([PROTOCOL, b"{}", b"short"], RefusalReason.MALFORMED),
        ([b"other/1", b"{}", b"x" * 32], RefusalReason.MALFORMED),
        ([PROTOCOL, b"{}", b"x" * 32], RefusalReason.BAD_SIGNATURE),
        ([PROTOCOL, b"x" * (MAX_MESSAGE_BYTES + 1), b"x" * 32], RefusalReason.TOO_LARGE),
        ([b""] * 1000, RefusalReason.MALFORMED),
    ],
)
def test_s1_what_is_no_message_is_refused(verifier, frames, reason):
    assert refusal(verifier.accept(frames)) is reason
    assert verifier.refused == {reason: 1}


def sign_raw(content: bytes):
    from core.ipc.messages import _mac

    return [PROTOCOL, content, _mac(KEY, content)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        json.dumps({"kind": "heartbeat", "extra": 1}).encode(),
        b'{"body":{},"boot_id":"b","kind":"heartbeat","monotonic_ns":true,"nonce":"n","run_id":"run-1"}',
        dump(
            {
                "kind": "heartbeat",
                "sender": "main",
                "run_id": "run-1",
                "boot_id": "b",
                "started_monotonic_ns": 1,
                "sequence": "1",
                "monotonic_ns": True,
                "nonce": "n",
                "body": [],
            }
        ).encode(),
    ],
)
def test_signed_nonsense_is_refused_too(verifier, content):
    assert refusal(verifier.accept(sign_raw(content))) is RefusalReason.MALFORMED


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_s1_no_bytes_make_the_verifier_fail(frames):
    verifier = Verifier(KEY, "run-1", sender="main", kinds={HEARTBEAT}, clock=ManualClock())
    assert isinstance(verifier.accept(frames), Refusal)


@given(st.data())
def test_s1_a_message_with_any_byte_changed_is_refused(data):
    clock = ManualClock(monotonic_ns=10**12)
    verifier = Verifier(KEY, "run-1", sender="main", kinds={HEARTBEAT}, clock=clock)
    frames = signer(clock).sign(HEARTBEAT, {"phase": "trading"})
    index = data.draw(st.integers(0, 2))
    position = data.draw(st.integers(0, len(frames[index]) - 1))
    changed = bytearray(frames[index])
    changed[position] ^= data.draw(st.integers(1, 255))
    frames[index] = bytes(changed)
    assert isinstance(verifier.accept(frames), Refusal)
    assert verifier.accepted == 0
