"""A plain forwarder, as one writes it in an afternoon: aiomqtt on both sides, no store."""

import asyncio
import contextlib
import sys
from pathlib import Path

from aiomqtt import Client, MqttError

from tests.bench.peers.peer import Peer, Place


class Forwarder(Peer):
    name = "aiomqtt forwarder"
    burst = 20_000

    def install(self, cache: Path) -> None:
        """aiomqtt is a dependency of ours."""

    def command(self, place: Place) -> list[str]:
        return [sys.executable, "-m", __name__, str(place.source), str(place.uplink)]


async def forward(source_port: int, uplink_port: int) -> None:
    while True:
        with contextlib.suppress(MqttError):
            async with (
                Client("127.0.0.1", source_port, identifier="forwarder", clean_session=False) as source,
                Client("127.0.0.1", uplink_port) as uplink,
            ):
                await source.subscribe("meters/#", qos=1)
                async for message in source.messages:
                    await uplink.publish(message.topic.value, message.payload, qos=1)
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(forward(int(sys.argv[1]), int(sys.argv[2])))
