"""A file that stands in the data directory while a run lasts, and after one that was killed.

Such a run leaves the WAL beside the database too, and, until the machine starts again, the tail journal: or somebody
has removed them.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from collector.log import events

FILE = "running"


def begin(data_dir: Path, boot_id: str) -> None:
    """Without a sync: it need not be safer than what it speaks of. A disk without room does without it."""
    with contextlib.suppress(OSError):
        (data_dir / FILE).write_text(boot_id)


def end(data_dir: Path) -> None:
    """Before the database is closed, which deletes the WAL."""
    with contextlib.suppress(OSError):
        (data_dir / FILE).unlink(missing_ok=True)


def miss(database: Path, journals: Sequence[Path], boot_id: str) -> None:
    """One line for each thing that should be there and is not. Call it before anything is opened."""
    try:
        left = database.with_name(FILE).read_text()
    except (OSError, ValueError):
        return
    if not left:
        return
    wal = database.with_name(f"{database.name}-wal")
    if database.exists() and not wal.exists():
        events.SPOOL_DAMAGED.log(
            "spool: %s is missing, where the last run left one: its last commits may be lost; never remove that file",
            wal,
        )
    if left == boot_id and not any(any(journal.glob("tail.[01]")) for journal in journals):
        events.JOURNAL_DAMAGED.log(
            "tail journal: %s: missing, where the last run left one: what it had in memory is lost", journals[0]
        )
