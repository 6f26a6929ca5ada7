"""Mosquitto as a bridge between the two brokers, as durable as it goes: no queue limit, saved every second."""

from pathlib import Path

from tests.bench.peers.peer import NotInstalled, Peer, Place
from tests.brokers import free_port, mosquitto_binary


class MosquittoBridge(Peer):
    name = "mosquitto bridge"
    burst = 200_000

    def install(self, cache: Path) -> None:
        if mosquitto_binary() is None:
            raise NotInstalled("apt-get install mosquitto")

    def command(self, place: Place) -> list[str]:
        configuration = place.directory / "mosquitto.conf"
        configuration.write_text(
            f"""
listener {free_port()} 127.0.0.1
allow_anonymous true
user root
log_dest none
persistence true
persistence_location {place.directory}/
autosave_interval 1
max_queued_messages 0
max_inflight_messages 1000

connection source
address 127.0.0.1:{place.source}
topic meters/# in 1
cleansession false
notifications false
restart_timeout 1

connection uplink
address 127.0.0.1:{place.uplink}
topic meters/# out 1
cleansession false
notifications false
restart_timeout 1
"""
        )
        return [str(mosquitto_binary()), "-c", str(configuration)]
