"""An emulated arm64 with the collector installed, and the image it boots."""

import re
import subprocess
import urllib.request
from pathlib import Path

from tests.package.container import Failed

TOKEN = "emulated"
HOST = "10.0.2.2"

NETWORK = """\
[Match]
Type=ether

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
"""

CONFIGURATION = """\
collector.id = "box"

[sources.meters]
type = "mqtt"
url = "mqtt://{host}:{source}"
topics = ["meters/+"]
profile = "json-lines"

[sinks.cloud]
type = "http"
url = "http://{host}:{cloud}/readings"
backoff = {{ min = "200ms", max = "1s" }}

# Nobody tells that machine the time.
[spool]
clock_wait = "0s"

[status]
listen = "0.0.0.0:8080"
token_file = "credentials/token"
"""

# What systemd knows of the start, said on the console.
TELL = """\
[Unit]
After=edge-collector.service

[Service]
Type=oneshot
StandardOutput=append:/dev/ttyAMA0
ExecStart=systemctl show edge-collector --property=ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic

[Install]
WantedBy=multi-user.target
"""

# An emulated processor on a busy machine takes minutes for what a Raspberry Pi does in seconds.
PATIENCE = """\
[Service]
TimeoutStartSec=infinity
"""


class Machine:
    """The emulated one."""

    def __init__(self, folder: Path, status: int) -> None:
        self._console = folder / "console"
        self._status = status
        self._image = folder / "image"
        boot = folder / "root/boot"
        self._kernel, self._initrd = next(boot.glob("vmlinuz-*")), next(boot.glob("initrd.img-*"))

    def start(self) -> None:
        """Power on."""
        self._qemu = subprocess.Popen(
            [
                *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024"),
                *("-accel", "tcg,thread=multi", "-display", "none", "-monitor", "none", "-no-reboot"),
                *("-kernel", str(self._kernel), "-initrd", str(self._initrd)),
                *("-append", "root=/dev/vda rw console=ttyAMA0 quiet"),
                *("-drive", f"file={self._image},if=none,id=disk,format=raw,cache=writeback"),
                *("-device", "virtio-blk-pci,drive=disk", "-device", "virtio-net-pci,netdev=net"),
                *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self._status}-:8080"),
                *("-serial", f"file:{self._console}"),
            ],
            stdin=subprocess.DEVNULL,
        )

    def cut(self) -> None:
        """Power off."""
        self._qemu.kill()
        self._qemu.wait()

    def console(self) -> str:
        return self._console.read_text("utf-8", "replace")

    def get(self, page: str) -> str:
        """A page of the status server; empty while it does not answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._status}{page}")
        request.add_header("Authorization", f"Bearer {TOKEN}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def figure(self, name: str) -> float:
        found = re.search(rf"^edge_collector_{name}(?:{{.*}})? (\S+)$", self.get("/metrics"), re.MULTILINE)
        if found is None:
            raise Failed(f"/metrics has no {name}")
        return float(found[1])


def make_image(folder: Path, source: int, cloud: int) -> None:
    """Of folder/root, configured for a source and a cloud on these ports of ours."""
    root = folder / "root"
    files = {
        "etc/systemd/network/all.network": NETWORK,
        "etc/systemd/system/tell.service": TELL,
        "etc/systemd/system/edge-collector.service.d/patience.conf": PATIENCE,
        "etc/edge-collector/conf.d/arm64.toml": CONFIGURATION.format(host=HOST, source=source, cloud=cloud),
        "etc/edge-collector/credentials/token": TOKEN,
    }
    for path, text in files.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    systemctl = ["systemctl", "--quiet", f"--root={root}"]
    subprocess.run([*systemctl, "enable", "tell", "systemd-networkd"], check=True)
    # The console is for `tell` alone, and nobody has to wait for the network.
    subprocess.run(
        [*systemctl, "mask", "serial-getty@ttyAMA0.service", "systemd-networkd-wait-online.service"], check=True
    )
    image = folder / "image"
    subprocess.run(["truncate", "--size=2G", str(image)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", str(root), str(image)], check=True)
