"""HTTP and file sinks judged against the world: addresses, secrets, certificates, directories."""

import os
from collections.abc import Callable
from pathlib import Path

from collector.config import credentials
from collector.config.findings import Findings, Key, quoted
from collector.config.model import FileSink, HttpSink
from collector.config.secrets import read_header_value
from collector.sinks import endpoint
from collector.sinks.endpoint import Endpoint


def http(sink: HttpSink, at: Key, folder: Path, findings: Findings) -> None:
    named: list[tuple[Key, str]] = [((*at, "url"), sink.url)] if sink.url is not None else []
    named += [((*at, "urls", place), url) for place, url in enumerate(sink.urls or ())]
    servers = [_address(url, key, endpoint.parse, findings) for key, url in named]
    clear = [server for server in servers if server is not None and not server.tls]
    if sink.proxy is not None:
        _address(sink.proxy, (*at, "proxy"), endpoint.parse_proxy, findings)
    for name in ("token_file", "header_file"):
        file = getattr(sink, name)
        if file is None:
            continue
        credentials.secret(file, (*at, name), folder, findings, read_header_value)
        for server in clear:
            if server.host not in credentials.LOCAL_NAMES:
                findings.warn((*at, name), f"crosses the network in the clear to {server}; use https://")
    files = credentials.tls_files(sink, folder)
    if files and clear:
        findings.mistake((*at, min(files)), "needs an https:// URL; correct that or remove this")
    else:
        credentials.certificates(files, at, findings)


def file(sink: FileSink, at: Key, findings: Findings) -> None:
    """A directory that is not there may be a disk that is mounted later: the sink waits for it."""
    directory, key = sink.path.parent, (*at, "path")
    if not sink.path.is_absolute():
        return
    try:
        if not directory.exists():
            advice = "create it, mount what belongs there, or correct the path"
            findings.warn(key, f"{quoted(str(directory))} is not there, and is waited for; {advice}")
        elif not directory.is_dir():
            findings.mistake(key, f"{quoted(str(directory))} is no directory; correct the path")
        elif sink.path.exists() and not sink.path.is_file():
            findings.mistake(key, f"{quoted(str(sink.path))} is no regular file; name another")
        elif os.statvfs(directory).f_flag & os.ST_RDONLY:
            advice = f"mount it for writing; for the systemd service: systemctl edit, ReadWritePaths={directory}"
            findings.warn(key, f"{quoted(str(directory))} is read-only here; {advice}")
        elif not os.access(directory, os.W_OK | os.X_OK):
            findings.warn(key, f"{quoted(str(directory))} may not be written by this user; chown it to the collector's")
    except OSError as error:
        findings.mistake(key, f"{quoted(str(sink.path))}: {error.strerror}; correct the path")


def _address(url: str, key: Key, parse: Callable[[str], Endpoint], findings: Findings) -> Endpoint | None:
    try:
        return parse(url)
    except ValueError as error:
        findings.mistake(key, str(error))
        return None
