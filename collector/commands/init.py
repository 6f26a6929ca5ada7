"""`edge-collector init`: the smallest useful configuration, ready to be grown."""

import argparse
import json
import socket
import sys
from pathlib import Path

from collector.errors import ConfigurationError

SERVICE_FOLDER = Path("/etc/edge-collector")
SERVICE_DATA = Path("/var/lib/edge-collector")
SERIAL_PORTS = Path("/dev/serial/by-id")

SMALLEST = """\
# Edge Collector. Every mistake at once: edge-collector check -c {file}

# The name of this box, in topics and in every reading's identity; it must differ from box to box.
collector.id = {id}
# Where readings wait for the cloud.
collector.data_dir = {data_dir}

# The figures of this box itself: CPU, memory, disk, temperatures.
sources.host.type = "host"
sources.host.interval = "30s"

# Where readings go.
sinks.cloud.type = "mqtt"
sinks.cloud.url = "mqtt://localhost:1883"
"""

SERIAL_SOURCE = """
# A sensor on a serial line; `edge-collector profiles sniff {port}` says which profile fits.
# [sources.sensor{number}]
# type = "serial"
# port = {quoted}
# profile = "nova-sds011"
"""

NO_PORT = """
# No serial port with a lasting name is plugged in now. Once one is: ls {folder}
"""


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "init",
        help="write a configuration to start from",
        description="Writes the smallest useful configuration, with the serial ports found as suggestions.",
    )
    parser.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", default=Path("collector.toml"), help="default: %(default)s"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """1 where the file is there already or cannot be written."""
    file: Path = arguments.file
    try:
        _write(file, configuration(file), replace=arguments.force)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{file} written: edit it, then let it be checked with: edge-collector check -c {file}")
    print(f"Run it with: edge-collector run -c {file}")
    return 0


def configuration(file: Path, ports: Path = SERIAL_PORTS) -> str:
    """The text for `file`; `ports` is where serial ports go by names that stay the same over replugging."""
    place = file.absolute()
    data_dir = SERVICE_DATA if place.is_relative_to(SERVICE_FOLDER) else place.parent / "edge-collector-data"
    id = socket.gethostname()[:64] or "collector"
    text = SMALLEST.format(file=file, id=_quoted(id), data_dir=_quoted(str(data_dir)))
    found = sorted(str(port) for port in ports.glob("*"))
    for number, port in enumerate(found, 1):
        text += SERIAL_SOURCE.format(port=port, quoted=_quoted(port), number=number if len(found) > 1 else "")
    return text if found else text + NO_PORT.format(folder=ports)


def _write(file: Path, text: str, *, replace: bool) -> None:
    """Raises ConfigurationError."""
    try:
        with file.open("w" if replace else "x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        raise ConfigurationError([f"{file} is there already; choose another name, or --force to replace it"]) from None
    except OSError as error:
        raise ConfigurationError([f"{file} cannot be written: {error.strerror}"]) from None


def _quoted(text: str) -> str:
    """As a TOML string; JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False)
