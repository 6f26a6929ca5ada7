"""The way to the brokers: gone, half open, slow, misdirected, shared with a stranger."""

import contextlib
import subprocess
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from collector.mqtt.address import client_id, machine_id
from tests.brokers import Mosquitto
from tests.end_to_end.rig import Publisher, Rig, publish, until
from tests.faults.namespace import dropped, own_network, with_hosts
from tests.faults.proxy import FaultProxy
from tests.faults.threads import in_thread


def sink_state(rig: Rig) -> str:
    return str(rig.status()["sinks"]["cloud"]["state"])


@pytest.mark.fault(23)
@pytest.mark.slow_fault
@pytest.mark.parametrize("how", ["cleanly", "SIGKILL"])
def test_both_brokers_restarted_again_and_again(tmp_path: Path, how: str) -> None:
    """What a killed Mosquitto had acknowledged and not saved is its own loss: it is killed when it has saved."""
    count, step = 5_000, 1_000

    def restart(broker: Mosquitto) -> None:
        if how == "SIGKILL":
            time.sleep(2.5)
            broker.kill()
        else:
            broker.stop()
        broker.start()

    with Rig(tmp_path) as rig:
        for start in range(0, count, step):
            publish(rig.devices.port, range(start, start + step))
            if how == "SIGKILL":
                rig.wait_stored(start + step)
            restart(rig.cloud)
            restart(rig.devices)
            until(lambda: rig.status()["sources"]["meter"]["connected"], "the source to connect again")
        rig.check_exactly_once(count)


@pytest.mark.fault(23)
def test_a_broker_that_lost_its_database(tmp_path: Path) -> None:
    """No session any more: the collector subscribes again, and what comes is new."""
    with Rig(tmp_path) as rig:
        publish(rig.devices.port, range(500))
        rig.wait_drained(500)
        rig.devices.kill()
        for file in rig.devices.directory.glob("mosquitto.db*"):
            file.unlink()
        subscribed = rig.devices.read_log().count("Sending SUBACK")
        rig.devices.start()
        # Until the broker has its subscription again it knows nobody to keep messages for.
        until(lambda: rig.devices.read_log().count("Sending SUBACK") > subscribed, "the subscription")
        publish(rig.devices.port, range(500, 1_000))
        rig.check_exactly_once(1_000)


@pytest.mark.fault(24)
@pytest.mark.slow_fault
def test_half_open_connections_on_both_sides(tmp_path: Path) -> None:
    """Packets vanish; both ends of ours find out in ten seconds and a look, as configured by default."""
    with own_network("iptables"), Rig(tmp_path) as rig:
        publish(rig.devices.port, range(500))
        rig.wait_drained(500)
        with dropped(rig.cloud.port), dropped(rig.devices.port):
            cut = time.monotonic()
            until(lambda: sink_state(rig) != "connected", "the sink to notice")
            until(lambda: not rig.status()["sources"]["meter"]["connected"], "the source to notice")
            assert time.monotonic() - cut < 20
            assert "the network lost the connection" in str(rig.status()["sinks"]["cloud"]["last_error"])
        publish(rig.devices.port, range(500, 1_000))
        rig.check_exactly_once(1_000)


@pytest.mark.fault(24)
@pytest.mark.slow_fault
def test_half_open_with_messages_under_way(tmp_path: Path) -> None:
    """What was sent into the dark comes again, and the receiver knows it."""
    count = 8_000
    with own_network("iptables"):
        keepalive = 'keepalive = "3s"'
        with Rig(tmp_path, meter=keepalive, sink=keepalive) as rig:
            publisher = Publisher(rig.devices.port, range(count), rate=600)
            for _ in range(3):
                time.sleep(1)
                with dropped(rig.cloud.port):
                    until(lambda: sink_state(rig) != "connected", "the sink to notice")
            publisher.done()
            rig.check_exactly_once(count)


@pytest.mark.fault(24)
@pytest.mark.slow_fault
def test_a_broker_that_is_cut_off_behind_a_gateway(tmp_path: Path) -> None:
    """The gateway's TCP acknowledges everything, so that only the broker's own silence tells."""
    proxy = FaultProxy()
    with in_thread(proxy.serving()):
        rig = Rig(tmp_path, cloud_port=proxy.port)
        proxy.target = rig.cloud.port
        with rig:
            publish(rig.devices.port, range(100))
            rig.wait_drained(100)
            proxy.stalled = True
            cut = time.monotonic()
            publish(rig.devices.port, range(100, 600))
            until(lambda: sink_state(rig) != "connected", "the sink to notice")
            assert 5 < time.monotonic() - cut < 20
            assert "no answer for 10 s" in rig.status()["sinks"]["cloud"]["last_error"]
            proxy.stalled = False
            rig.check_exactly_once(600)


@pytest.mark.fault(26)
@pytest.mark.slow_fault
@pytest.mark.parametrize("format", ["reading", "batch"])
def test_a_line_with_round_trips_of_five_seconds(tmp_path: Path, format: str) -> None:
    """It connects, stays connected and delivers."""
    proxy = FaultProxy()
    with in_thread(proxy.serving()):
        proxy.delay = 2.5
        rig = Rig(tmp_path, format=format, cloud_port=proxy.port)
        proxy.target = rig.cloud.port
        with rig:
            Publisher(rig.devices.port, range(1_000), rate=50).done()
            rig.check_exactly_once(1_000)
            assert proxy.connections == 1


@pytest.mark.fault(25)
def test_a_line_that_breaks_in_every_way(tmp_path: Path) -> None:
    """Closed after CONNECT, reset in mid-packet, refused: a line in the log when it goes, one when it is back."""
    proxy = FaultProxy()
    with in_thread(proxy.serving()):
        rig = Rig(tmp_path, cloud_port=proxy.port)
        proxy.target = rig.cloud.port
        with rig:
            count = 0
            for after in (1, 3, 50, 500, 5_000, 20_000):
                proxy.reset_after = after
                seen = proxy.connections
                publish(rig.devices.port, range(count, count + 500))
                count += 500
                until(lambda seen=seen: proxy.connections >= seen + 2, f"new attempts, reset after {after} bytes", 20)
            proxy.reset_after = None
            rig.cloud.stop()
            publish(rig.devices.port, range(count, count + 500))
            count += 500
            rig.cloud.start()
            proxy.close_at_once = True
            seen = proxy.connections
            until(lambda: proxy.connections >= seen + 3, "new attempts")
            proxy.close_at_once = False
            rig.check_exactly_once(count)


@pytest.mark.fault(25)
@pytest.mark.slow_fault
def test_attempts_are_few_and_far_between(tmp_path: Path) -> None:
    """Back-off with jitter: about as many attempts as the largest delay allows, not one more each moment."""
    proxy = FaultProxy()
    with in_thread(proxy.serving()), Rig(tmp_path, cloud_port=proxy.port, receiver=False) as rig:
        before = proxy.connections
        time.sleep(5)
        # Each attempt speaks MQTT 5, then 3.1.1.
        assert 2 <= proxy.connections - before <= 40
        # One when it begins and when the kernel's word for it changes, within the log's own limit.
        assert 1 <= rig.daemon.log.read_text().count("sink cloud: ") <= 12


@pytest.mark.fault(26)
@pytest.mark.slow_fault
@pytest.mark.parametrize(
    ("rate", "piece", "stalls", "count"),
    [(1_000, 64, False, 100), (None, 65536, True, 4_000), (None, 1, False, 300)],
    ids=["1 kB a second", "stalled for a third of the time", "a byte at a time"],
)
def test_a_bad_line(tmp_path: Path, rate: float | None, piece: int, stalls: bool, count: int) -> None:
    proxy = FaultProxy()
    with in_thread(proxy.serving()):
        rig = Rig(tmp_path, cloud_port=proxy.port)
        proxy.target = rig.cloud.port
        with rig:
            proxy.rate, proxy.piece = rate, piece
            publisher = Publisher(rig.devices.port, range(count), rate=1_000)
            until_done = time.monotonic() + 60
            while stalls and rig.ledger()["delivered"] < count and time.monotonic() < until_done:
                proxy.stalled = True
                time.sleep(0.3)
                proxy.stalled = False
                time.sleep(0.6)
            publisher.done()
            rig.check_exactly_once(count)


@pytest.mark.fault(27)
@pytest.mark.slow_fault
def test_a_name_that_is_unknown_then_wrong_then_right(tmp_path: Path) -> None:
    """It is looked up anew at each attempt."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    rig = Rig(tmp_path, cloud_host="cloud.test")
    rig.daemon.command = [*with_hosts(hosts), *rig.daemon.command]
    with rig:
        publish(rig.devices.port, range(300))
        until(lambda: sink_state(rig) == "waiting", "the sink to give up")
        hosts.write_text("127.0.0.1 localhost\n127.0.0.9 cloud.test\n")
        until(lambda: "refused" in str(rig.status()["sinks"]["cloud"]["last_error"]), "the wrong address to be tried")
        hosts.write_text("127.0.0.1 localhost cloud.test\n")
        rig.check_exactly_once(300)


@pytest.mark.fault(27)
@pytest.mark.slow_fault
def test_an_ipv6_address_that_leads_nowhere(tmp_path: Path) -> None:
    """Packets to it vanish; the name's other address must not wait for the end of the attempt."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\nfd00::1 cloud.test\n127.0.0.1 cloud.test\n")
    with own_network():
        for command in (
            "link add black type veth peer name hole",
            "link set black up",
            "link set hole up",
            "addr add fd00::2/64 dev black nodad",
            "neigh add fd00::1 lladdr 02:00:00:00:00:01 dev black",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        rig = Rig(tmp_path, cloud_host="cloud.test")
        rig.daemon.command = [*with_hosts(hosts), *rig.daemon.command]
        with rig:
            publish(rig.devices.port, range(300))
            until(lambda: sink_state(rig) == "connected", "the other address", 15)
            rig.check_exactly_once(300)


@pytest.mark.fault(28)
@pytest.mark.slow_fault
def test_another_client_with_our_id(tmp_path: Path) -> None:
    """Each takes the connection from the other; we back off, and have it for good once the stranger leaves."""
    with Rig(tmp_path) as rig:
        stranger = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=client_id("box", "cloud", machine_id()),
            protocol=paho.MQTTv5,
        )
        stranger.reconnect_delay_set(1, 1)
        stranger.connect("127.0.0.1", rig.cloud.port)
        stranger.loop_start()
        until(lambda: sink_state(rig) != "connected", "the stranger to take over")
        publish(rig.devices.port, range(500))
        time.sleep(3)
        log = rig.daemon.log.read_text()
        assert log.count("sink cloud: ") <= 12, "it floods the log"
        with contextlib.suppress(Exception):
            stranger.disconnect()
        stranger.loop_stop()
        rig.check_exactly_once(500)
