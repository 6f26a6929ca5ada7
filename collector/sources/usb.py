"""USB serial adapters as the kernel lists them in sysfs."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from collector.config.port import UsbPort
from collector.errors import SourceError


class Adapter(NamedTuple):
    device: str
    usb: UsbPort


def adapters(sysfs: Path = Path("/sys"), dev: Path = Path("/dev")) -> Iterator[Adapter]:
    """Every USB serial adapter that is plugged in, by name."""
    for tty in sorted((sysfs / "class" / "tty").glob("tty*")):
        try:
            # class/tty/ttyUSB0/device -> .../1-1.2/1-1.2:1.0/ttyUSB0, for ttyACM0 -> .../1-1.2/1-1.2:1.0
            interface = (tty / "device").resolve(strict=True)
            for folder in (interface.parent, interface.parent.parent):
                if (folder / "idVendor").exists():
                    yield Adapter(str(dev / tty.name), _names(folder))
                    break
        except OSError:  # unplugged while it is looked at
            continue


def find(wanted: UsbPort, sysfs: Path = Path("/sys"), dev: Path = Path("/dev")) -> str:
    """The device of the adapter. Raises SourceError where none or more than one fits."""
    plugged = list(adapters(sysfs, dev))
    fitting = [one for one in plugged if one.usb[:2] == wanted[:2] and wanted.serial in (None, one.usb.serial)]
    if len(fitting) == 1:
        return fitting[0].device
    if not fitting:
        here = ", ".join(f"{one.usb} is {one.device}" for one in plugged) or "none"
        raise SourceError(f"{wanted}: not plugged in; USB serial adapters here: {here}")
    several = ", ".join(f"{one.usb} is {one.device}" for one in fitting)
    raise SourceError(f"{wanted}: {len(fitting)} adapters fit ({several}); add the serial number, or name the path")


def _names(folder: Path) -> UsbPort:
    serial = folder / "serial"
    return UsbPort(
        (folder / "idVendor").read_text().strip().lower(),
        (folder / "idProduct").read_text().strip().lower(),
        serial.read_text().strip() if serial.exists() else None,
    )
