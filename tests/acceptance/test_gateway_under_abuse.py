"""Whatever bytes arrive, the gateway goes on serving its other clients."""

import contextlib
import json
import random
import socket
from functools import partial

import pytest

from paper_gateway.codec import PREFIX, frame, message
from tests.acceptance.official_client import official_client, stock
from tests.gateway import running_gateway
from tests.waiting import wait_for

HELLO = PREFIX + frame(b"v100..157")


@pytest.fixture(scope="module")
def port():
    with running_gateway("--speed", 25, "--max-messages-per-second", 50, "--start", "2010-01-04") as gateway:
        yield gateway.port


def send_and_read_to_the_end(port, data):
    """Send bytes, close our side, and read until the gateway closes too."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        block = b""
        with contextlib.suppress(ConnectionError):
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            while part := peer.recv(65536):
                block += part
        return block


def has_bars(client, number):
    return len(client.named("realtimeBar")) >= number


def still_serves(port):
    with official_client(port, 90) as client:
        client.reqContractDetails(1, stock())
        client.wait_for("contractDetailsEnd")


def test_random_bytes_at_every_stage_of_the_handshake(port):
    source = random.Random(1)
    stages = [b"", PREFIX, HELLO, HELLO + message(71, 2, 50, "")]
    for number in range(200):
        send_and_read_to_the_end(
            port, stages[number % len(stages)] + source.randbytes(source.randrange(1, 400))
        )
    still_serves(port)


def test_every_message_id_with_too_few_and_odd_fields(port):
    source = random.Random(2)
    odd = ["", "0", "-1", "1e999", "nan", "AAPL", "STK", "é" * 20, "9" * 400, "True", "2147483647"]
    for kind in range(110):
        block = HELLO + message(71, 2, 51, "")
        for length in (0, 1, 2, 3, 8, 20, 30):
            fields = [source.choice(odd) for _ in range(length)]
            block += frame(("\0".join([str(kind), *fields]) + "\0").encode())
        send_and_read_to_the_end(port, block)
    still_serves(port)


def test_a_client_that_sends_too_much_is_told_and_dropped(port):
    answer = send_and_read_to_the_end(port, HELLO + message(71, 2, 52, "") + message(49, 1) * 200)
    assert b"\x00100\x00Max rate" in answer


def test_a_client_too_new_and_one_too_old_are_turned_away(port):
    for versions in (b"v158..178", b"v10..99"):
        assert b"\x00503\x00" in send_and_read_to_the_end(port, PREFIX + frame(versions))


def test_only_loopback_is_listened_on():
    from paper_gateway.server import ServerSettings

    with pytest.raises(ValueError, match="loopback"):
        ServerSettings(host="0.0.0.0")


def test_a_replay_with_barriers_waits_for_its_client_and_says_when_it_is_finished(tmp_path):
    status = tmp_path / "status.json"
    arguments = (
        "--speed",
        "max",
        "--sessions",
        1,
        "--barrier",
        "--wait-for-client",
        "--symbols",
        "AAPL",
        "IBM",
    )
    with (
        running_gateway(*arguments, "--start", "2010-01-04", "--status-file", status) as gateway,
        official_client(gateway.port) as client,
    ):
        assert json.loads(status.read_text())["state"] == "waiting"
        client.reqRealTimeBars(1, stock(), 5, "TRADES", True, [])
        for boundary in range(1, 79):
            wait_for(partial(has_bars, client, 60 * boundary), "the bars")
            assert len(client.named("realtimeBar")) == 60 * boundary  # none runs ahead of the barrier
            client.reqCurrentTime()
        wait_for(lambda: json.loads(status.read_text())["state"] == "finished", "the end")
        document = json.loads(status.read_text())
    assert (document["sessions_done"], document["late"], document["barriers"]) == (1, 0, 78)
