"""The fault matrix: every fault the collector must survive, and the tests that inject it.

`python -m tests.faults.matrix` writes MATRIX.md. A test belongs to a row by `@pytest.mark.fault(ROW, ...)`,
wherever it stands; the markers are read from the source, so nothing has to be imported or run.
"""

import ast
from pathlib import Path

TESTS = Path(__file__).parent.parent
TABLE = Path(__file__).parent / "MATRIX.md"

ROWS = {
    1: "SIGKILL at a random point",
    2: "SIGKILL between commit and the source's acknowledgement",
    3: "SIGKILL between the sink's acknowledgement and progress",
    4: "SIGTERM under load, and a second one",
    5: "SIGSTOP beyond keep-alive, then SIGCONT",
    6: "Killed for want of memory",
    7: "Power cut",
    8: "No space left on the disk",
    9: "No space left at a checkpoint, at the start, at a migration",
    10: "No inodes left",
    11: "EIO on write",
    12: "EIO on fsync, once, then none",
    13: "Disk remounted read-only",
    14: "Slow disk: fsync takes 2 s",
    15: "A bit of a stored payload flipped",
    16: "Database page zeroed, truncated, header gone, zero length",
    17: "WAL deleted, shared memory file stale or foreign",
    18: "Database locked by another process",
    19: "Disk taken away",
    20: "Wall clock jumps by a year, back an hour, to 1970",
    21: "Boot with a wrong clock, synchronised later",
    22: "Daylight saving, leap second, 2038",
    23: "Broker restarted: cleanly, by SIGKILL, without its database",
    24: "Half-open TCP connection",
    25: "Connection refused, reset in mid-packet, closed after CONNECT",
    26: "Slow link: 1 kB/s, stalls, a byte at a time",
    27: "DNS failure, DNS change, IPv6 black hole",
    28: "Another client with our client id",
    29: "Negative PUBACK 0x87, 0x97, 0x99",
    30: "PUBACK never, late, for an unknown id, twice",
    31: "QoS downgraded: SUBACK 0 or 0x80, Maximum QoS 0",
    32: "Receive Maximum 1, Maximum Packet Size 256",
    33: "Oversize payload, inbound and outbound",
    34: "Poison record: always 400 or 422",
    35: "401 or 403 (token revoked), later valid",
    36: "429 or 503 with Retry-After: seconds, date, absurd",
    37: "200 for a part, 204 then reset, reply lost after the server's commit",
    38: "Certificate expired, not yet valid, of another authority, client key rotated",
    39: "Malformed frames: random, truncated, glued, header inside, 100 MB without delimiter",
    40: "Serial adapter unplugged, plugged in again under another name",
    41: "Wrong baud rate or parity, flow control stalled",
    42: "Sensor stuck, NaN, out of range, counter rolls over",
    43: "Modbus exception, wrong slave, late reply",
    44: "Flood on MQTT: retained, duplicates, ten times the rate",
    45: "Topic and JSON bombs: depth, size, invalid UTF-8, duplicate keys",
    46: "Bad configuration, sink removed with a backlog, profile removed",
    47: "Schema newer or older in mid-backlog, crash in a migration",
    48: "seccomp violation, system call missing",
    49: "File descriptors exhausted",
    50: "Log blocked or gone",
    51: "Status port in use, slow client",
    52: "Backlog of a million readings, then the uplink returns",
    53: "Two daemons on one data directory",
    54: "Event loop blocked for longer than the watchdog waits",
}


def marked() -> dict[int, list[str]]:
    """`path::name` of the tests that carry each row's marker, in order."""
    found: dict[int, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        source = file.read_text("utf-8")
        if "mark.fault" not in source:
            continue
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for row in _rows(node.decorator_list):
                    found.setdefault(row, []).append(f"{file.relative_to(TESTS)}::{node.name}")
    return found


def _rows(decorators: list[ast.expr]) -> list[int]:
    return [
        ast.literal_eval(argument)
        for decorator in decorators
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault"
        for argument in decorator.args
    ]


def render() -> str:
    """MATRIX.md."""
    tests = marked()
    lines = [
        "# Fault matrix",
        "",
        f"{len(ROWS)} faults, each injected by tests. `make faults` runs these; `make fault-table` writes",
        "this page from their markers, `@pytest.mark.fault(ROW)`. What must hold is the same for all: nothing lost,",
        "nothing twice, the books balance, the process recovers unaided, memory, disk and descriptors stay bounded,",
        "and status tells the truth.",
        "",
        "| # | Fault | Test |",
        "|---|---|---|",
    ]
    for row, fault in ROWS.items():
        places = "<br>".join(f"`{test}`" for test in tests.get(row, []))
        lines.append(f"| {row} | {fault} | {places} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(render(), "utf-8")
