"""The file systems below the spool, the tail journal and file sinks."""

import math
import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

from collector.doctor.finding import Finding, Subject
from collector.doctor.serial_port import SERVICE_USER
from collector.mounts import MOUNTS, mount_of
from collector.status.report import Report

RESERVE = 64 * 1024 * 1024
"""Bytes that others on the same disk should find free even when the spool is full."""

CYCLES = 300
"""Full writes that a cheap card bears (Great MicroSD Card Survey: off-brands about 300, good ones ten times that)."""

AMPLIFICATION = 10
"""What the file system and the card's own controller make of a small write; reports for cards run from 5 to 20."""

ENOUGH_YEARS = 5


def data_directory(
    subject: Subject, directory: Path, limit: int, used: int, mounts: Path = MOUNTS
) -> Iterator[Finding]:
    """`used` of `limit` bytes are taken by the spool already."""
    existing = _existing(directory)
    mount = mount_of(existing, mounts)
    if "ro" in mount.options:
        yield subject.fail(
            f"{mount.point} is mounted read-only; a worn-out card does that to protect itself",
            f"look at: dmesg; then mount -o remount,rw {mount.point}, or change the card",
        )
        return
    if mount.in_memory:
        yield subject.warn(
            f"lies on a {mount.kind}: nothing in it survives a reboot", "set collector.data_dir to a place on disk"
        )
    elif mount.kind == "overlay":
        yield subject.warn(
            "lies on an overlay (a container's, or a read-only root's): what is written may go with it",
            "mount a volume there, or turn the overlay off (raspi-config, Performance)",
        )
    if problem := _of_another(existing):
        yield subject.fail(problem, f"chown -R {SERVICE_USER}: {existing}, then systemctl restart {SERVICE_USER}")
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield subject.warn(
            f"{existing} may not be written by this user",
            "run the doctor as the collector's user, or as root",
        )
    free, needed = shutil.disk_usage(existing).free, max(0, limit - used)
    if free < needed:
        yield subject.fail(
            f"{_mib(free)} free, but the spool may grow by {_mib(needed)}",
            "free some space, or lower spool.max_bytes",
        )
    elif free < needed + RESERVE:
        yield subject.warn(
            f"{_mib(free)} free: a full spool would leave {_mib(free - needed)} to everything else",
            "free some space, or lower spool.max_bytes",
        )
    else:
        yield subject.ok(f"{mount.kind or 'file system'}, {_mib(free)} free, the spool may grow by {_mib(needed)}")


def tail_journal(subject: Subject, report: Report | None, mounts: Path = MOUNTS) -> Iterator[Finding]:
    """The running daemon says where it lies; before that, one of two places must be a tmpfs."""
    advice = "give it a tmpfs: RuntimeDirectory=edge-collector in the unit, or a tmpfs on /dev/shm"
    if report is not None and report.spool.journal:
        if report.spool.journal.endswith("(in memory)"):
            yield subject.ok(report.spool.journal)
        else:
            yield subject.warn(f"{report.spool.journal}: readings cost flash writes", advice)
    elif any(mount_of(Path(place), mounts).in_memory for place in ("/run", "/dev/shm")):
        yield subject.ok("there is one for the tail journal")
    else:
        yield subject.warn("none on /run or /dev/shm: every reading would be written to flash", advice)


def card_life(subject: Subject, directory: Path, report: Report) -> Iterator[Finding]:
    """How long a card as large as the file system below `directory` would bear what the running daemon writes."""
    written = report.flash
    if written is None:
        yield subject.warn(
            "how much the collector writes is not known: the kernel shows it no /proc/self/io",
            "nothing to mend; a kernel with CONFIG_TASK_IO_ACCOUNTING would tell",
        )
        return
    if written.bytes_per_day is None:
        yield subject.ok(f"{_mib(written.written_bytes)} written since start; ask again after an hour of running")
        return
    size = shutil.disk_usage(_existing(directory)).total
    years = size * CYCLES / AMPLIFICATION / (written.bytes_per_day * 365) if written.bytes_per_day else math.inf
    life = f"{years:.1f} years" if years < 100 else "more than 100 years"
    text = (
        f"{_mib(written.bytes_per_day)} written a day wear out a card of {size / 1e9:.0f} GB in {life}, "
        f"if it bears {CYCLES} full writes and makes {AMPLIFICATION} times as much of ours; others write too"
    )
    if years < ENOUGH_YEARS:
        yield subject.warn(
            text, "mend the sinks, so that less is stored; raise spool.commit_after and spool.hold; or a better card"
        )
    else:
        yield subject.ok(text)


def file_sink(subject: Subject, path: Path, mounts: Path = MOUNTS) -> Iterator[Finding]:
    directory = path.parent
    there = Subject(subject.subject, f"{subject.where}: {path}")
    if not directory.exists():
        advice = "create it, mount what belongs there, or correct the path"
        yield there.warn(f"{directory} is not there, and is waited for", advice)
    elif not directory.is_dir():
        yield there.fail(f"{directory} is no directory", "correct the path")
    elif "ro" in mount_of(directory, mounts).options:
        yield there.fail(f"{directory} is mounted read-only", "mount it for writing, or correct the path")
    elif not os.access(directory, os.W_OK | os.X_OK):
        advice = "give it to the collector's user; or run the doctor as that user"
        yield there.warn(f"{directory} may not be written by this user", advice)
    else:
        yield there.ok(f"writable, {_mib(shutil.disk_usage(directory).free)} free")


def _of_another(directory: Path) -> str:
    """Root may write everywhere; what of the service's own user? Only where that exists and root asks."""
    if os.geteuid() != 0 or directory.name != SERVICE_USER:
        return ""
    try:
        user = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return ""
    owner = directory.stat().st_uid
    return f"belongs to user {owner}, so the service ({SERVICE_USER}) cannot write it" if owner != user.pw_uid else ""


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _mib(amount: float) -> str:
    return f"{amount / 2**20:,.0f} MiB"
