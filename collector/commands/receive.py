"""`edge-collector receive`: the reference cloud side, from a broker or over HTTP into SQLite."""

import argparse
import asyncio
import signal
import socket
import sqlite3
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from collector.config.listen import ListenAddress
from collector.config.secrets import read_secret
from collector.errors import CollectorError, ConfigurationError
from collector.mqtt import address, topics
from collector.tls import tls_context

if TYPE_CHECKING:
    import ssl

    from collector.mqtt.connect import ConnectOptions
    from collector.receive.store import Store
    from collector.receive.tally import Account

SESSION_EXPIRY = 30 * 86400
"""Seconds for which the broker keeps what came while no receiver was there."""

LARGEST_MESSAGE = 8 * 1024 * 1024
"""Bytes; more than any batch the collector sends."""

LIVE_EVERY, PLAIN_EVERY = 0.5, 10.0
"""Seconds between counts on a terminal, and elsewhere."""


NEEDS = (
    ("--topic", "--url"),
    ("--key-file", "--cert-file"),
    ("--token-file", "--http"),
    ("--client-ca-file", "--http"),
)
"""An option that would do nothing without the other."""


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "receive",
        help="receive readings into SQLite, from a broker or over HTTP",
        description="The reference cloud side: stores every reading once; acknowledges a message, and answers a "
        "request, after its commit. Receives from a broker, over HTTP (POST /readings; GET /counts tells what is "
        "stored) or both.",
    )
    parser.add_argument(
        "--url", help="the broker: mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH or wss://HOST:PORT/PATH"
    )
    parser.add_argument("--http", metavar="HOST:PORT", help="where to listen for HTTP; HTTPS with --cert-file")
    parser.add_argument(
        "--topic", metavar="FILTER", action="append", help="what to subscribe to, repeatable (default: edge/#)"
    )
    parser.add_argument(
        "--db", metavar="FILE", type=Path, default=Path("received.sqlite3"), help="the database (default: %(default)s)"
    )
    parser.add_argument("--client-id", metavar="ID", help="default: made of this machine and the database's path")
    parser.add_argument("--username", metavar="U")
    parser.add_argument("--password-file", metavar="F")
    parser.add_argument("--ca-file", metavar="F", type=Path, help="who signed the broker's certificate")
    parser.add_argument("--cert-file", metavar="F", type=Path, help="our own, for the broker and for HTTPS")
    parser.add_argument("--key-file", metavar="F", type=Path)
    parser.add_argument("--client-ca-file", metavar="F", type=Path, help="HTTPS only for clients that this one signed")
    parser.add_argument("--token-file", metavar="F", help="HTTP only for clients that send this bearer token")
    parser.add_argument(
        "--window",
        metavar="N",
        type=int,
        default=1000,
        help="unacknowledged messages the broker may hand over (default: %(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="print only the counts at the end")
    parser.set_defaults(func=run)


def _name(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


class _Http(NamedTuple):
    address: ListenAddress
    listener: socket.socket
    token: bytes | None
    tls: "ssl.SSLContext | None"

    def __str__(self) -> str:
        host, port = self.address.host or "", self.listener.getsockname()[1]
        return f"http{'s' if self.tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"


def run(arguments: argparse.Namespace) -> int:
    """0 after SIGTERM or SIGINT, 1 when the database failed or the port is taken, 2 for wrong arguments."""
    from collector.receive.store import Store

    filters: list[str] = arguments.topic or ["edge/#"]
    try:
        if not (arguments.url or arguments.http):
            raise ConfigurationError(["name --url mqtt://HOST:PORT, --http HOST:PORT, or both"])
        for option, needed in NEEDS:
            if getattr(arguments, _name(option)) is not None and getattr(arguments, _name(needed)) is None:
                raise ConfigurationError([f"{option}: needs {needed} beside it"])
        broker = _options(arguments, filters) if arguments.url else None
        http = _http(arguments) if arguments.http else None
    except CollectorError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    import uvloop

    try:
        store = Store(arguments.db)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_receive(broker, filters, http, store, quiet=arguments.quiet))
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
        path=broker.path,
        ssl=tls_context(arguments.ca_file, arguments.cert_file, arguments.key_file) if broker.tls else None,
        username=arguments.username,
        password=read_secret(password, base=Path()) if password is not None else None,
        clean_start=False,
        session_expiry=SESSION_EXPIRY,
        receive_maximum=arguments.window,
        keepalive=30,
        maximum_packet_size=2 * LARGEST_MESSAGE,
        max_payload=LARGEST_MESSAGE,
    )


def _http(arguments: argparse.Namespace) -> _Http:
    """Listens already. Raises CollectorError."""
    from collector.receive.server import server_tls
    from collector.status.embedded import bind_tcp, reason

    try:
        address = ListenAddress.parse(arguments.http)
    except ValueError:
        address = ListenAddress()
    if address.host is None:
        raise ConfigurationError([f"--http {arguments.http!r}: write HOST:PORT, such as 127.0.0.1:8081"])
    certificate: Path | None = arguments.cert_file
    if certificate is None and arguments.client_ca_file is not None:
        raise ConfigurationError(["--client-ca-file: needs --cert-file, since only HTTPS knows client certificates"])
    token: str | None = arguments.token_file
    secret = read_secret(token, base=Path()) if token is not None else None
    tls = server_tls(certificate, arguments.key_file, arguments.client_ca_file) if certificate is not None else None
    try:
        return _Http(address, bind_tcp(address.host, address.port), secret, tls)
    except OSError as error:
        raise CollectorError(f"--http: {arguments.http} {reason(error)}") from error


async def _receive(
    broker: "ConnectOptions | None", filters: Sequence[str], http: _Http | None, store: "Store", *, quiet: bool
) -> None:
    """Raises sqlite3.Error."""
    from collector.receive.tally import Account

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    live = sys.stdout.isatty() and not quiet

    def say(line: str) -> None:
        if not quiet:
            print(f"\r\x1b[K{line}" if live else line, flush=True)

    account = Account(say)
    ways: list[Coroutine[Any, Any, None]] = []
    if broker is not None:
        from collector.receive.receiver import Receiver

        ways.append(Receiver(broker, filters, store, account, say).run(stop))
    if http is not None:
        from collector.receive.server import receive

        ways.append(receive(http.listener, store, account, stop, token=http.token, tls=http.tls))
        say(f"listening on {http}")
        if not http.address.private and http.token is None and (http.tls is None or not http.tls.verify_mode):
            say("whoever reaches that address may store readings; --token-file or --client-ca-file shuts others out")
    showing = asyncio.create_task(_show(account, live=live)) if not quiet else None
    try:
        await _together(ways, stop)
    finally:
        if showing is not None:
            showing.cancel()
        print(f"\r\x1b[K{account.total}" if live else account.total, flush=True)


async def _together(ways: "Sequence[Coroutine[Any, Any, None]]", stop: asyncio.Event) -> None:
    """When one fails, the others stop as if told to; then its error is raised."""
    tasks = [asyncio.create_task(way) for way in ways]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    await asyncio.wait(tasks)
    failures = [failure for failure in (task.exception() for task in tasks) if failure is not None]
    if failures:
        raise failures[0]


async def _show(account: "Account", *, live: bool) -> None:
    """The counts now and then: one line that stays in place on a terminal, elsewhere a line when they changed."""
    shown = ""
    while True:
        await asyncio.sleep(LIVE_EVERY if live else PLAIN_EVERY)
        if str(account.total) != shown:
            shown = str(account.total)
            print(f"\r{shown}\x1b[K" if live else shown, end="" if live else "\n", flush=True)
