"""The spool's database as it lies on disk, read past SQLite: a running collector has it locked."""

from collections.abc import Iterator
from pathlib import Path

from collector.doctor.finding import Finding, Subject
from collector.spool import migrations
from collector.spool.database import APPLICATION_ID

_HEADER = 100
_VERSION, _APPLICATION = slice(60, 64), slice(68, 72)
"""user_version and application_id, https://sqlite.org/fileformat.html#the_database_header"""


def examine(subject: Subject, data_dir: Path) -> Iterator[Finding]:
    """Whether this version of the collector can use it."""
    path = data_dir / "spool.sqlite3"
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except (FileNotFoundError, NotADirectoryError):
        return
    version, known = int.from_bytes(header[_VERSION]), len(migrations.scripts())
    if int.from_bytes(header[_APPLICATION]) not in (APPLICATION_ID, 0):  # 0: the mark is in the WAL still
        yield subject.warn(
            "is no spool of ours, or damaged",
            "the next start puts it into quarantine/ and takes over what is readable; nothing to do",
        )
    elif version > known:
        yield subject.fail(
            f"written by a newer version (schema {version}, this one knows {known})",
            "install that version again: a downgrade cannot read what waits; or move the data directory away",
        )
