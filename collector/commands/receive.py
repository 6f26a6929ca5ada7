"""`edge-collector receive`: the reference cloud side, from a broker into SQLite."""

import argparse
import asyncio
import signal
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from collector.config.secrets import read_secret
from collector.errors import ConfigurationError
from collector.mqtt import address, topics

if TYPE_CHECKING:
    from collector.mqtt.connect import ConnectOptions
    from collector.receive.receiver import Receiver
    from collector.receive.store import Store

SESSION_EXPIRY = 30 * 86400
"""Seconds for which the broker keeps what came while no receiver was there."""

LARGEST_MESSAGE = 8 * 1024 * 1024
"""Bytes; more than any batch the collector sends."""

LIVE_EVERY, PLAIN_EVERY = 0.5, 10.0
"""Seconds between counts on a terminal, and elsewhere."""


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "receive",
        help="receive readings from a broker into SQLite",
        description="The reference cloud side: stores every reading once, acknowledges each message after its commit.",
    )
    parser.add_argument("--url", required=True, help="the broker: mqtt://HOST:PORT or mqtts://HOST:PORT")
    parser.add_argument(
        "--topic", metavar="FILTER", action="append", help="what to subscribe to, repeatable (default: edge/#)"
    )
    parser.add_argument(
        "--db", metavar="FILE", type=Path, default=Path("received.sqlite3"), help="the database (default: %(default)s)"
    )
    parser.add_argument("--client-id", metavar="ID", help="default: made of this machine and the database's path")
    parser.add_argument("--username", metavar="U")
    parser.add_argument("--password-file", metavar="F")
    parser.add_argument("--ca-file", metavar="F", type=Path)
    parser.add_argument("--cert-file", metavar="F", type=Path)
    parser.add_argument("--key-file", metavar="F", type=Path)
    parser.add_argument(
        "--window",
        metavar="N",
        type=int,
        default=1000,
        help="unacknowledged messages the broker may hand over (default: %(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="print only the counts at the end")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """0 after SIGTERM or SIGINT, 1 when the database failed, 2 for wrong arguments."""
    from collector.receive.store import Store

    filters: list[str] = arguments.topic or ["edge/#"]
    try:
        options = _options(arguments, filters)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    import uvloop

    try:
        store = Store(arguments.db)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_receive(options, filters, store, quiet=arguments.quiet))
        finally:
            store.close()
    except sqlite3.Error as error:
        print(f"{arguments.db}: {error}; nothing is acknowledged that is not stored", file=sys.stderr)
        return 1
    return 0


def _options(arguments: argparse.Namespace, filters: list[str]) -> "ConnectOptions":
    """Raises ConfigurationError."""
    from collector.mqtt.connect import ConnectOptions
    from collector.receive.receiver import session_name

    try:
        broker = address.parse(arguments.url)
    except ValueError as error:
        raise ConfigurationError([f"--url: {error}"]) from None
    wrong = [f"--topic: {topic!r} is no topic filter" for topic in filters if not topics.valid_filter(topic)]
    if not 1 <= arguments.window <= 65535:
        wrong.append("--window: write a number from 1 to 65535")
    if wrong:
        raise ConfigurationError(wrong)
    password: str | None = arguments.password_file
    return ConnectOptions(
        broker.host,
        broker.port,
        arguments.client_id or address.client_id("edge-collector", session_name(arguments.db), address.machine_id()),
        ssl=address.tls_context(arguments.ca_file, arguments.cert_file, arguments.key_file) if broker.tls else None,
        username=arguments.username,
        password=read_secret(password, base=Path()) if password is not None else None,
        clean_start=False,
        session_expiry=SESSION_EXPIRY,
        receive_maximum=arguments.window,
        keepalive=30,
        maximum_packet_size=2 * LARGEST_MESSAGE,
        max_payload=LARGEST_MESSAGE,
    )


async def _receive(options: "ConnectOptions", filters: list[str], store: "Store", *, quiet: bool) -> None:
    from collector.receive.receiver import Receiver

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    live = sys.stdout.isatty() and not quiet

    def say(line: str) -> None:
        if not quiet:
            print(f"\r\x1b[K{line}" if live else line, flush=True)

    receiver = Receiver(options, filters, store, say)
    showing = asyncio.create_task(_show(receiver, live=live)) if not quiet else None
    try:
        await receiver.run(stop)
    finally:
        if showing is not None:
            showing.cancel()
        print(f"\r\x1b[K{receiver.total}" if live else receiver.total, flush=True)


async def _show(receiver: "Receiver", *, live: bool) -> None:
    """The counts now and then: one line that stays in place on a terminal, elsewhere a line when they changed."""
    shown = ""
    while True:
        await asyncio.sleep(LIVE_EVERY if live else PLAIN_EVERY)
        if str(receiver.total) != shown:
            shown = str(receiver.total)
            print(f"\r{shown}\x1b[K" if live else shown, end="" if live else "\n", flush=True)
