"""Clouds other than a broker: the reference receiver over HTTP, and a file."""

import contextlib
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from tests.brokers import free_port
from tests.end_to_end.rig import Program


class Web:
    """`edge-collector receive --http`, that can be killed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.port = free_port()
        self.database = directory / "received.sqlite3"
        (directory / "token").write_text("hunter2\n")
        self.program = Program(
            directory,
            *("receive", "--http", f"127.0.0.1:{self.port}", "--db", str(self.database)),
            *("--token-file", str(directory / "token"), "--quiet"),
        )
        self.sink = f"""
        [sinks.web]
        type = "http"
        url = "http://127.0.0.1:{self.port}/readings"
        token_file = "{directory}/token"
        backoff = {{ min = "100ms", max = "1s" }}
        """

    def __enter__(self) -> "Web":
        self.program.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.program.close()

    def stored(self) -> Counter[int]:
        """How often each published number stands in the receiver's store."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute("SELECT json_extract(fields, '$.n') FROM reading").fetchall()
        return Counter(row[0] for row in rows)


def archived(path: Path) -> list[dict[str, Any]]:
    """The lines of the file and of those that are full, oldest first."""
    full = sorted(path.parent.glob(f"{path.name}.*"), key=lambda file: -int(file.suffix[1:]))
    return [json.loads(line) for file in [*full, path] for line in file.read_text().splitlines()]
