"""The session against a real Mosquitto."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.errors import ConfigurationError
from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import Message, Publish, Will
from collector.mqtt.session import OnPublish, Session
from collector.tls import tls_context
from tests.brokers import Mosquitto, mosquitto_binary
from tests.mqtt.certificates import Authority
from tests.mqtt.inbox import Inbox, numbered

if mosquitto_binary() is None:
    pytest.skip("mosquitto is not installed", allow_module_level=True)


async def session(broker: Mosquitto, client_id: str, inbox: OnPublish | None = None, **changes: Any) -> Session:
    settings = {"host": broker.host, "port": broker.port, "client_id": client_id, **changes}
    return await connect(ConnectOptions(**settings), inbox or Inbox())


async def refusal(broker: Mosquitto, **changes: Any) -> SessionError:
    with pytest.raises(SessionError) as caught:
        await session(broker, "refused", **changes)
    assert "\n" not in str(caught.value)
    return caught.value


async def test_20_000_messages_there_and_back_in_order(broker: Mosquitto) -> None:
    inbox = Inbox()

    def acknowledge(messages: list[Publish]) -> None:
        inbox(messages)
        receiver.acknowledge(message.packet_id for message in messages)

    receiver = await session(broker, "receiver", acknowledge)
    sender = await session(broker, "sender")
    assert sender.connack.receive_maximum < 20_000
    assert await receiver.subscribe([("t", 1)]) == [1]
    assert set(await sender.publish(numbered(20_000))) == {0}
    await inbox.holds(20_000)
    assert inbox.payloads == [message.payload for message in numbered(20_000)]
    assert sender.stray_pubacks == 0
    await sender.close()
    await receiver.close()


async def test_what_was_not_acknowledged_comes_again_with_dup_also_after_the_broker_was_restarted(
    broker: Mosquitto,
) -> None:
    kept = {"clean_start": False, "session_expiry": 3600}
    first = Inbox()
    receiver = await session(broker, "receiver", first, **kept)
    assert not receiver.connack.session_present
    await receiver.subscribe([("t", 1)])
    sender = await session(broker, "sender")
    await sender.publish(numbered(5))
    await first.holds(5)
    assert not any(message.dup for message in first.messages)
    receiver.acknowledge(first.ids[:2])
    # The acknowledgements have arrived when the broker answers what was sent behind them.
    await receiver.subscribe([("t", 1)])
    broker.restart()
    assert "closed the connection" in str(await receiver.lost)

    again = Inbox()
    receiver = await session(broker, "receiver", again, **kept)
    assert receiver.connack.session_present
    await again.stays_at(3)
    assert again.payloads == [b"2", b"3", b"4"]
    assert again.ids == first.ids[2:]
    assert all(message.dup for message in again.messages)
    await receiver.close()


@pytest.mark.parametrize(("window", "unacknowledged"), [(30, 30), (65535, 500)])
async def test_the_broker_stops_at_our_receive_maximum(broker: Mosquitto, window: int, unacknowledged: int) -> None:
    inbox = Inbox()
    receiver = await session(broker, "receiver", inbox, receive_maximum=window)
    await receiver.subscribe([("t", 1)])
    sender = await session(broker, "sender")
    await sender.publish(numbered(500))
    await inbox.stays_at(unacknowledged)
    receiver.acknowledge(inbox.ids)
    await inbox.holds(min(500, 2 * unacknowledged))
    await receiver.close()
    await sender.close()


async def test_we_stop_at_the_brokers_receive_maximum(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", config_lines=["max_inflight_messages 3"]) as broker:
        sender = await session(broker, "sender")
        assert sender.connack.receive_maximum == 3
        # Mosquitto ends a connection that sends more than it allows (0x93).
        assert set(await sender.publish(numbered(1000))) == {0x10}
        assert not sender.lost.done()
        await sender.close()


async def test_nobody_subscribed_is_said_but_counts_as_sent(broker: Mosquitto) -> None:
    sender = await session(broker, "sender")
    assert await sender.publish(numbered(2)) == [0x10, 0x10]
    await sender.close()


async def test_retained_messages_come_only_to_a_new_subscription(broker: Mosquitto) -> None:
    sender = await session(broker, "sender")
    await sender.publish([Message("state", b"on", retain=True)])
    inbox = Inbox()
    receiver = await session(broker, "receiver", inbox, clean_start=False, session_expiry=60)
    await receiver.subscribe([("state", 1)], retain_handling=1)
    await inbox.holds(1)
    assert inbox.messages[0].retain
    receiver.acknowledge(inbox.ids)
    await receiver.subscribe([("state", 1)], retain_handling=1)
    await receiver.close()

    receiver = await session(broker, "receiver", inbox, clean_start=False, session_expiry=60)
    await receiver.subscribe([("state", 1)], retain_handling=1)
    await inbox.stays_at(1)
    await sender.publish([Message("state", b"off", retain=True)])
    await inbox.holds(2)
    # Only what comes because we subscribed is marked as retained.
    assert not inbox.messages[1].retain
    await receiver.close()
    await sender.close()


@pytest.mark.parametrize("how", ["abort", "with will", "close"])
async def test_the_will_is_sent_unless_we_say_goodbye(broker: Mosquitto, how: str) -> None:
    inbox = Inbox()
    watcher = await session(broker, "watcher", inbox)
    await watcher.subscribe([("state/#", 1)])
    mortal = await session(broker, "mortal", will=Will("state/mortal", b"offline", qos=1, retain=True))
    if how == "abort":
        mortal.abort()
    elif how == "with will":
        await mortal.close(0x04)
    else:
        await mortal.close()
        await watcher.publish([Message("state/end", b"no will")])
    await inbox.holds(1)
    assert inbox.payloads == ([b"no will"] if how == "close" else [b"offline"])
    await watcher.close()


async def test_the_will_is_not_sent_when_unread_messages_lie_in_the_socket(broker: Mosquitto) -> None:
    inbox = Inbox()
    watcher = await session(broker, "watcher", inbox)
    await watcher.subscribe([("state/#", 1)])
    mortal = await session(broker, "mortal", will=Will("state/mortal", b"offline"))
    await mortal.subscribe([("t", 1)])
    mortal.pause_reading()
    await watcher.publish([Message("t", bytes(10_000))] * 100)
    await mortal.close()
    await watcher.publish([Message("state/end", b"no will")])
    await inbox.holds(1)
    assert inbox.payloads == [b"no will"]
    await watcher.close()


async def test_an_access_list_refuses_message_by_message(tmp_path: Path) -> None:
    access = tmp_path / "acl"
    access.write_text("topic write open/#\n")
    access.chmod(0o600)
    with Mosquitto(tmp_path / "broker", config_lines=[f"acl_file {access}"]) as broker:
        sender = await session(broker, "sender")
        # The refused one last: Mosquitto closes the connection behind a refusal (its issue 2579), and what
        # it has not read by then makes that a reset, which may swallow the refusal itself.
        assert await sender.publish([Message("open/a", b""), Message("closed/a", b"")]) == [0x10, 0x87]
        await sender.close()


async def test_an_oversized_payload_is_reported_and_can_be_acknowledged(broker: Mosquitto) -> None:
    inbox = Inbox()
    receiver = await session(broker, "receiver", inbox, max_payload=1000, receive_maximum=1)
    await receiver.subscribe([("t", 1)])
    sender = await session(broker, "sender")
    await sender.publish([Message("t", bytes(3_000_000)), Message("t", b"small", content_type="text/plain")])
    await inbox.holds(1)
    assert (inbox.messages[0].payload, inbox.messages[0].oversize) == (b"", 3_000_000)
    receiver.acknowledge(inbox.ids)
    await inbox.holds(2)
    assert inbox.messages[1].payload == b"small"
    assert inbox.messages[1].content_type == "text/plain"
    await receiver.close()
    await sender.close()


async def test_beyond_the_brokers_packet_size_nothing_is_sent(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", config_lines=["max_packet_size 256"]) as broker:
        sender = await session(broker, "sender")
        assert sender.connack.maximum_packet_size == 256
        assert await sender.publish([Message("t", bytes(300)), Message("t", b"x")]) == [0x95, 0x10]
        await sender.close()


async def test_a_second_client_of_the_same_id_takes_the_session_over(broker: Mosquitto) -> None:
    first = await session(broker, "twin")
    second = await session(broker, "twin")
    error = await first.lost
    assert error is not None
    # Mosquitto 2.0.11 closes without a word, later versions say why.
    assert error.reason_code in (None, 0x8E)
    assert not second.lost.done()
    await second.close()


async def test_a_broker_that_hangs_is_found_out(broker: Mosquitto) -> None:
    held = await session(broker, "held", keepalive=1)
    broker.pause()
    try:
        assert "no answer for" in str(await held.lost)
    finally:
        broker.resume()


async def test_an_idle_connection_is_kept_alive_also_while_we_do_not_read(broker: Mosquitto) -> None:
    idle = await session(broker, "idle", keepalive=1)
    idle.pause_reading()
    # Mosquitto ends a connection that is silent for 1.5 times the interval.
    await asyncio.sleep(3.2)
    idle.resume_reading()
    assert set(await idle.publish(numbered(1))) == {0x10}
    assert not idle.lost.done()
    await idle.close()


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    """A password file that knows one user, `collector`, whose password is `right`."""
    file = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(file), "collector", "right"], check=True)
    return file


async def test_passwords(tmp_path: Path, passwords: Path) -> None:
    with Mosquitto(tmp_path / "broker", anonymous=False, config_lines=[f"password_file {passwords}"]) as broker:
        for wrong in ({}, {"username": "collector"}, {"username": "collector", "password": b"wrong"}):
            error = await refusal(broker, **wrong)
            assert str(error).endswith("the broker refused the connection: Not authorized (0x87)")
            assert error.hold
        known = await session(broker, "known", username="collector", password=b"right")
        await known.close()


# TLS


@pytest.fixture
def tls_broker(tmp_path: Path, authority: Authority, request: pytest.FixtureRequest) -> Iterator[Mosquitto]:
    """`request.param` holds the name in the certificate, its days, and further configuration lines."""
    name, days, *lines = request.param
    certificate, key = authority.issue(name, days=days)
    files = [f"cafile {authority.certificate}", f"certfile {certificate}", f"keyfile {key}"]
    with Mosquitto(tmp_path / "broker", config_lines=[*files, *lines]) as broker:
        broker.host = "localhost"
        yield broker


@pytest.mark.parametrize("tls_broker", [("localhost", 2)], indirect=True)
async def test_tls(tls_broker: Mosquitto, authority: Authority) -> None:
    inbox = Inbox()
    secure = await session(tls_broker, "secure", inbox, ssl=tls_context(authority.certificate))
    await secure.subscribe([("t", 1)])
    assert set(await secure.publish(numbered(20))) == {0}
    await inbox.holds(20)
    async with asyncio.timeout(1.5):
        await secure.close()


@pytest.mark.parametrize(
    ("tls_broker", "words"),
    [
        (("localhost", -1), "TLS: the broker's certificate has expired"),
        (("elsewhere", 2), "TLS: the broker's certificate is made out to another host name"),
    ],
    indirect=["tls_broker"],
    ids=["expired", "host name"],
)
@pytest.mark.fault(38)
async def test_a_certificate_that_is_not_good(tls_broker: Mosquitto, authority: Authority, words: str) -> None:
    error = await refusal(tls_broker, ssl=tls_context(authority.certificate))
    assert str(error).startswith(f"localhost:{tls_broker.port}: {words}")


@pytest.mark.parametrize("tls_broker", [("localhost", 2)], indirect=True)
@pytest.mark.fault(38)
async def test_a_certificate_of_another_authority(tls_broker: Mosquitto, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    assert "TLS: unknown authority: set ca_file" in str(await refusal(tls_broker, ssl=tls_context(other.certificate)))
    assert "TLS: unknown authority: set ca_file" in str(await refusal(tls_broker, ssl=tls_context()))


async def test_tls_to_a_port_without_it(broker: Mosquitto) -> None:
    broker.host = "localhost"
    assert "TLS: " in str(await refusal(broker, ssl=tls_context(), connect_timeout=2.0))


@pytest.mark.parametrize("tls_broker", [("localhost", 2)], indirect=True)
async def test_a_plain_client_on_a_tls_port(tls_broker: Mosquitto) -> None:
    error = await refusal(tls_broker)
    assert str(error).startswith(f"localhost:{tls_broker.port}: ")


def test_a_key_that_does_not_belong_to_its_certificate(authority: Authority) -> None:
    certificate, _ = authority.issue("one")
    _, key = authority.issue("two")
    with pytest.raises(ConfigurationError, match=r"key_file .*: is not the key of cert_file"):
        tls_context(authority.certificate, certificate, key)
