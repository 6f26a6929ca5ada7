"""A configured serial port: is it there, may it be opened, does somebody else have it."""

import errno
import fcntl
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from collector.config.port import UsbPort
from collector.doctor.finding import Finding, Subject
from collector.errors import SourceError
from collector.sources import usb

SERVICE_USER = "edge-collector"


def examine(subject: Subject, port: str, in_use: bool) -> Iterator[Finding]:
    """`in_use`: the running collector has it open, so it is not opened here as well."""
    there = Subject(subject.subject, f"{subject.where}: {port}")
    path = Path(port)
    try:
        found = path.stat()
    except FileNotFoundError:
        others = sorted(str(link) for link in Path("/dev/serial/by-id").glob("*"))
        yield there.fail("not there", f"is it plugged in? Ports here: {', '.join(others) or 'none'}")
        return
    if not stat.S_ISCHR(found.st_mode):
        yield there.fail("is no device", "correct sources.*.port; ls -l /dev/serial/by-id shows what is there")
        return
    yield from _group(there, found)
    if in_use:
        yield there.ok("open in the running collector")
        return
    yield _open(there, path)


def examine_usb(subject: Subject, wanted: UsbPort, in_use: bool) -> Iterator[Finding]:
    try:
        port = usb.find(wanted)
    except SourceError as error:
        problem, _, advice = str(error).removeprefix(f"{wanted}: ").partition("; ")
        yield Subject(subject.subject, f"{subject.where}: {wanted}").fail(problem, advice)
        return
    yield from examine(subject, port, in_use)


def _group(subject: Subject, found: os.stat_result) -> Iterator[Finding]:
    """Root opens everything, so for the service's own user the group decides."""
    try:
        user = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o006 == 0o006 or (found.st_uid == user.pw_uid and mode & 0o600 == 0o600):
        return
    if mode & 0o060 == 0o060 and found.st_gid in os.getgrouplist(user.pw_name, user.pw_gid):
        return
    name = _group_name(found.st_gid)
    yield subject.fail(
        f"user {SERVICE_USER} may not open it (group {name}, mode {mode:04o})",
        f"usermod -aG {name} {SERVICE_USER}, then systemctl restart edge-collector",
    )


def _open(subject: Subject, path: Path) -> Finding:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        group = _group_name(path.stat().st_gid)
        return subject.fail("this user may not open it", f"sudo usermod -aG {group} $USER, then log in again")
    except OSError as error:
        if error.errno == errno.EBUSY:
            return _busy(subject)
        return subject.fail(f"cannot be opened: {error.strerror}", "unplug it and plug it in again; look at: dmesg")
    try:
        if not os.isatty(descriptor):
            return subject.fail("is no serial port", "correct sources.*.port; ls -l /dev/serial/by-id shows them")
        # What pyserial's `exclusive` takes, and so the collector.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _busy(subject)
    finally:
        os.close(descriptor)
    return subject.ok("there, may be opened, and free")


def _busy(subject: Subject) -> Finding:
    return subject.fail("in use by another program", f"stop it; it is one of: fuser -v {subject.where.split(': ')[-1]}")


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
