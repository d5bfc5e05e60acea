"""Frames and fields: what goes in comes out, whatever the pieces, and nothing else gets through."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi import comm

from paper_gateway.codec import (
    MAX_FRAME,
    PREFIX,
    UNSET_DOUBLE,
    FieldReader,
    FrameReader,
    MalformedMessage,
    ProtocolViolation,
    decode_fields,
    encode_fields,
    frame,
    message,
    parse_decimal,
)

texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
payloads = st.lists(st.binary(min_size=1, max_size=300), max_size=20)


def read_all(reader: FrameReader) -> list[bytes]:
    found = []
    while (payload := reader.next()) is not None:
        found.append(payload)
    return found


@given(st.lists(texts, min_size=1, max_size=30))
def test_printable_fields_come_back_as_they_went(fields):
    assert decode_fields(encode_fields(*fields)) == fields


@given(payloads, st.lists(st.integers(1, 50), min_size=1, max_size=50))
def test_frames_survive_any_cutting_of_the_stream(parts, cuts):
    stream = b"".join(frame(part) for part in parts)
    reader = FrameReader()
    found: list[bytes] = []
    position = turn = 0
    while position < len(stream):
        step = cuts[turn % len(cuts)]
        reader.feed(stream[position : position + step])
        found += read_all(reader)
        position, turn = position + step, turn + 1
    assert found == parts
    assert reader.pending == 0


@given(st.binary(max_size=400))
def test_any_bytes_give_frames_or_a_violation_and_nothing_else(data):
    reader = FrameReader()
    reader.feed(data)
    try:
        for payload in read_all(reader):
            assert 0 < len(payload) <= MAX_FRAME
    except ProtocolViolation:
        pass


@given(st.text(max_size=60))
def test_text_can_never_add_a_field_or_leave_ascii(text):
    payload = encode_fields(text, 7)
    fields = decode_fields(payload)
    assert len(fields) == 2
    assert fields[1] == "7"
    assert payload.isascii()


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_decimals_come_back_exactly(number):
    assert parse_decimal(decode_fields(encode_fields(number))[0]) == number


@given(st.lists(texts, min_size=1, max_size=10))
def test_the_official_client_reads_our_frames(fields):
    size, payload, rest = comm.read_msg(message(*fields))
    assert [one.decode() for one in comm.read_fields(payload)] == fields
    assert size == len(payload)
    assert rest == b""


@given(st.lists(texts, min_size=1, max_size=10))
def test_we_read_the_official_clients_frames(fields):
    reader = FrameReader()
    reader.feed(comm.make_msg("".join(comm.make_field(one) for one in fields)))
    payload = reader.next()
    assert payload is not None
    assert decode_fields(payload) == fields


def test_the_prefix_may_come_byte_by_byte():
    reader = FrameReader()
    for number in range(3):
        reader.feed(PREFIX[number : number + 1])
        assert not reader.take_prefix()
    reader.feed(PREFIX[3:])
    assert reader.take_prefix()


def test_a_web_browser_is_recognised_by_its_first_byte():
    reader = FrameReader()
    reader.feed(b"G")
    with pytest.raises(ProtocolViolation, match="doesn't speak"):
        reader.take_prefix()


@pytest.mark.parametrize("length", [0, MAX_FRAME + 1, 2**32 - 1])
def test_a_length_that_no_client_has_reason_to_send_is_refused_at_once(length):
    reader = FrameReader()
    reader.feed(length.to_bytes(4, "big"))
    with pytest.raises(ProtocolViolation, match="allowed"):
        reader.next()


@pytest.mark.parametrize("text", ["", UNSET_DOUBLE, "1.7976931348623157e+308", "2147483647"])
def test_every_clients_way_of_saying_unset_reads_as_none(text):
    assert parse_decimal(text) is None


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e400", "1e-400", "ten", "0x10", "1" * 5000])
def test_a_number_that_is_none_is_refused(text):
    with pytest.raises(MalformedMessage):
        parse_decimal(text)


@pytest.mark.parametrize("text", ["9" * 30, "-" + "9" * 6000, "1.5", "one"])
def test_an_integer_that_is_none_is_refused(text):
    with pytest.raises(MalformedMessage):
        FieldReader((text,)).integer()


def test_a_message_that_ends_early_says_so():
    reader = FieldReader(("1",))
    assert reader.integer() == 1
    with pytest.raises(MalformedMessage, match="ends after 1"):
        reader.text()
    with pytest.raises(MalformedMessage, match="0 are left"):
        reader.take(1)
    with pytest.raises(MalformedMessage):
        FieldReader(("a",)).take(-1)


def test_an_unterminated_message_is_refused():
    with pytest.raises(MalformedMessage, match="terminated"):
        decode_fields(b"49\x001")


def test_values_are_written_as_clients_read_them():
    fields = decode_fields(encode_fields(None, True, False, Decimal("1E+3"), 1.5, "a\0b\nc", "é"))
    assert fields == ["", "1", "0", "1000", "1.5", "a b c", "\\xe9"]
