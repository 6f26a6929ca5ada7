"""Where the measured spool lies: an ext4 of its own in a file, so that the kernel counts what reaches the device."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.disks import unmount

IMAGE_BYTES = 4 * 2**30

SECTOR = 512
"""Of /sys/block/*/stat, whatever the device has (kernel documentation, block/stat)."""


class Disk:
    """A directory, and the account of its block device where that is ours alone."""

    def __init__(self, directory: Path, device: str | None, image: Path | None) -> None:
        self.directory = directory
        self._device = device
        self._image = image

    def written(self) -> int | None:
        """Bytes the device was given so far, the file system's own journal among them."""
        if self._device is None:
            return None
        subprocess.run(["sync", "-f", str(self.directory)], check=True)
        return int(Path(f"/sys/block/{self._device}/stat").read_text().split()[6]) * SECTOR

    def forget_cached(self, directory: Path) -> None:
        """What is read of the files there next comes from the disk again, as after a boot."""
        for path in [*directory.iterdir(), *([self._image] if self._image else [])]:
            if path.is_file():
                fd = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(fd)
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(fd)


@contextmanager
def ext4(below: Path) -> Iterator[Disk]:
    """As root a file system on a loop device; else just a directory. Gone afterwards."""
    with tempfile.TemporaryDirectory(dir=below, prefix="bench-spool-") as name:
        at, image = Path(name) / "disk", Path(name) / "ext4.img"
        at.mkdir()
        if os.geteuid() != 0:
            yield Disk(at, None, None)
            return
        with image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        # Nothing may be left that the kernel would initialise, and so write, while we measure.
        now = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", now, str(image)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop,noatime", str(image), str(at)], check=True)
        try:
            found = subprocess.run(["findmnt", "-no", "SOURCE", str(at)], check=True, capture_output=True, text=True)
            yield Disk(at, Path(found.stdout.strip()).name, image)
        finally:
            unmount(at)
