"""USB serial adapters, found in a sysfs of our own making."""

from pathlib import Path

import pytest

from collector.config.port import UsbPort
from collector.errors import SourceError
from collector.sources import usb


class Sysfs:
    """As the kernel lays it out: an adapter with a tty below a port of its own (usb-serial), or without (CDC ACM)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "class" / "tty").mkdir(parents=True)
        (root / "class" / "tty" / "tty0").mkdir()

    def plug(self, place: str, tty: str, vendor: str, product: str, serial: str | None = None) -> None:
        device = self.root / "devices" / "usb1" / place
        interface = device / f"{place}:1.0"
        node = interface / tty if tty.startswith("ttyUSB") else interface
        node.mkdir(parents=True)
        (device / "idVendor").write_text(f"{vendor}\n")
        (device / "idProduct").write_text(f"{product}\n")
        if serial is not None:
            (device / "serial").write_text(f"{serial}\n")
        (self.root / "class" / "tty" / tty).mkdir()
        (self.root / "class" / "tty" / tty / "device").symlink_to(node)

    def unplug(self, tty: str) -> None:
        (self.root / "class" / "tty" / tty / "device").unlink()
        (self.root / "class" / "tty" / tty).rmdir()

    def find(self, text: tuple[str, str, str | None]) -> str:
        return usb.find(UsbPort(*text), self.root)


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def test_it_is_found_under_whatever_name_it_has(sysfs: Sysfs) -> None:
    sysfs.plug("1-1", "ttyUSB0", "1a86", "7523")
    sysfs.plug("1-2", "ttyACM0", "2341", "0043", "8543130")
    assert sysfs.find(("1a86", "7523", None)) == "/dev/ttyUSB0"
    assert sysfs.find(("2341", "0043", None)) == sysfs.find(("2341", "0043", "8543130")) == "/dev/ttyACM0"
    sysfs.unplug("ttyUSB0")
    sysfs.plug("1-3", "ttyUSB7", "1a86", "7523")
    assert sysfs.find(("1a86", "7523", None)) == "/dev/ttyUSB7"


def test_one_that_is_not_there_names_those_that_are(sysfs: Sysfs) -> None:
    with pytest.raises(SourceError, match=r"^usb:1a86:7523: not plugged in; USB serial adapters here: none$"):
        sysfs.find(("1a86", "7523", None))
    sysfs.plug("1-2", "ttyACM0", "2341", "0043", "8543130")
    with pytest.raises(SourceError, match=r"here: usb:2341:0043:8543130 is /dev/ttyACM0$"):
        sysfs.find(("2341", "0043", "other"))


def test_of_two_alike_the_serial_number_decides(sysfs: Sysfs) -> None:
    sysfs.plug("1-1", "ttyUSB0", "0403", "6001", "A1")
    sysfs.plug("1-2", "ttyUSB1", "0403", "6001", "A2")
    assert sysfs.find(("0403", "6001", "A2")) == "/dev/ttyUSB1"
    with pytest.raises(SourceError, match=r"2 adapters fit .*add the serial number, or name the path"):
        sysfs.find(("0403", "6001", None))
