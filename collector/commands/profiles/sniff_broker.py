"""A broker, listened to with a client of its own, so that the collector's is not measured by itself."""

import argparse
import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from collector.commands.profiles.candidates import Candidate, loaded
from collector.commands.profiles.folders import DONE
from collector.commands.profiles.output import Output, payload_text, printable
from collector.config.secrets import read_secret
from collector.errors import ConfigurationError, SourceError
from collector.mqtt import address, topics
from collector.profiles import Profile
from collector.tls import tls_context

TIMEOUT = 10.0
"""Seconds for a broker to answer."""


def listen(arguments: argparse.Namespace, folders: Sequence[Path], profile: Profile | None) -> int:
    """Raises ConfigurationError for wrong arguments, SourceError for a broker that cannot be reached or is lost."""
    if arguments.baudrate is not None:
        raise ConfigurationError(["--baudrate: brokers have none"])
    if arguments.save is not None:
        raise ConfigurationError(["--save: keeps the bytes of a line; edge-collector run --record records messages"])
    broker, filters = _target(arguments.where, arguments.topic or [])
    tried = [Candidate(one) for one in loaded(folders)] if profile is None else []
    output = Output()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_listen(broker, filters, arguments, output, profile, tried))
    if profile is None:
        output.suggest(tried)
    return DONE


def _target(url: str, filters: list[str]) -> tuple[address.Address, list[str]]:
    """The broker and the filters of a URL whose path is a topic filter; `#`, no fragment here, is one."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    websocket = scheme.startswith("ws")
    try:
        broker = address.parse(url if websocket else f"{scheme}://{host}")
    except ValueError as error:
        raise ConfigurationError([str(error)]) from None
    filters = [*([path] if path and not websocket else []), *filters] or ["#"]
    wrong = [f"{one!r} is no topic filter" for one in filters if not topics.valid_filter(one)]
    if wrong:
        raise ConfigurationError(wrong)
    return broker, filters


async def _listen(
    broker: address.Address,
    filters: list[str],
    arguments: argparse.Namespace,
    output: Output,
    profile: Profile | None,
    tried: Sequence[Candidate],
) -> None:
    import aiomqtt

    password: str | None = arguments.password_file
    ca_file = Path(arguments.ca_file) if arguments.ca_file is not None else None
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        username=arguments.username,
        password=read_secret(password, base=Path()).decode() if password is not None else None,
        tls_context=tls_context(ca_file) if broker.tls else None,
        transport="tcp" if broker.path is None else "websockets",
        websocket_path=broker.path,
        timeout=TIMEOUT,
    )
    try:
        async with client:
            await client.subscribe([(one, 0) for one in filters])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(arguments.seconds):
                    async for message in client.messages:
                        payload = message.payload if isinstance(message.payload, bytes) else b""
                        topic = str(message.topic)
                        output.say(f"{printable(topic)}  {payload_text(payload)}")
                        if profile is not None:
                            output.frame(profile, payload, topic)
                        for one in tried:
                            one.message(payload, topic)
    except (aiomqtt.MqttError, OSError) as error:
        raise SourceError(f"broker {broker}: {error}; is it running, and are name and password right?") from error
