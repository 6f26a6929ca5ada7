"""A line or a Modbus device behind a TCP port: does anybody answer there."""

import socket
from collections.abc import Iterator

from collector.config.port import NetworkPort
from collector.doctor.finding import Finding, Subject

PATIENCE = 4.0
"""Seconds."""


def examine(subject: Subject, place: NetworkPort, in_use: bool) -> Iterator[Finding]:
    """`in_use`: the running collector has it open, and many gateways take one connection only."""
    there = Subject(subject.subject, f"{subject.where}: {place}")
    if in_use:
        yield there.ok("open in the running collector")
        return
    try:
        socket.create_connection((place.host, place.port), PATIENCE).close()
    except OSError as error:
        yield there.fail(f"cannot be reached: {error.strerror or error}", "is it switched on, and the address right?")
    else:
        yield there.ok("reachable")
