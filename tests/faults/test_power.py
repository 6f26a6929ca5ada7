"""Power cuts: an ext4 image is copied in an instant (XFS reflink) below its page cache, and life goes on from the copy.

What the daemon wrote and never synced is in the page cache above the copy, and so it is gone; the tail journal's
tmpfs is emptied. It models a loss in order, not writes that a drive reorders.
"""

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.spool.place import journal_directory
from tests.end_to_end.rig import Publisher, Rig
from tests.faults.disks import Ext4, mount, need, unmount

WINDOW = 1_000


class CuttableDisk(Ext4):
    """An ext4 in a file on an XFS of its own."""

    def __init__(self, directory: Path) -> None:
        need("mkfs.xfs", "mkfs.ext4")
        self._below = directory / "below"
        self._below.mkdir()
        image = directory / "below.img"
        subprocess.run(["truncate", "-s", "400M", str(image)], check=True)
        subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(image)], check=True)
        mount("-o", "loop", image, self._below)
        super().__init__(directory / "disk", size="64M", image=self._below / "disk.img")

    def copy(self) -> Path:
        """The disk as a power cut at this instant would leave it."""
        copy = self.image.with_suffix(".copy")
        subprocess.run(["cp", "--reflink=always", str(self.image), str(copy)], check=True)
        return copy

    def go_on_from(self, copy: Path) -> None:
        unmount(self.at)
        copy.rename(self.image)
        self.mount()

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        unmount(self._below, "-l")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[CuttableDisk]:
    with CuttableDisk(tmp_path) as disk:
        yield disk


@pytest.mark.fault(7)
@pytest.mark.slow_fault
@pytest.mark.parametrize("uplink", [True, False], ids=["uplink up", "uplink down"])
@pytest.mark.parametrize("durability", ["normal", "strict"])
def test_six_power_cuts(tmp_path: Path, disk: CuttableDisk, durability: str, uplink: bool) -> None:
    """QoS 1: nothing is lost; `strict` brings nothing twice, `normal` at most what was in flight at each cut."""
    rng, cuts, rate = random.Random(f"{durability} {uplink}"), 6, 400
    pauses = [rng.uniform(0.8, 2.5) for _ in range(cuts)]
    count = int(sum(pauses) * rate)
    extra = f'[spool]\ndurability = "{durability}"\n'
    with Rig(tmp_path, data_dir=disk.at / "data", extra=extra, delay=0.05) as rig:
        if not uplink:
            rig.cloud.stop()
        publisher = Publisher(rig.devices.port, range(count), rate=rate)
        for pause in pauses:
            time.sleep(pause)
            # Stopped, it acknowledges nothing that the copy does not know.
            rig.daemon.send(signal.SIGSTOP)
            copy = disk.copy()
            rig.daemon.end(signal.SIGKILL)
            shutil.rmtree(journal_directory(rig.data_dir)[0])
            disk.go_on_from(copy)
            rig.daemon.start()
            rig.wait_ready()
        publisher.done()
        if not uplink:
            rig.cloud.start()
        if durability == "strict":
            rig.check_exactly_once(count)
        else:
            rig.check_at_least_once(count)
            again = sum(rig.stored().values()) - count
            assert again <= cuts * WINDOW, f"{again} twice"
        if not uplink:
            assert set(rig.stored().values()) == {1}, "committed, and yet it came again"
