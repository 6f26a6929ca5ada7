"""python3 -m tests.package TREE DEB: installs, tries and purges the package in the Debian that stands in TREE."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.package import attack, load, service
from tests.package.container import Container, Failed, Unbootable

ROOT = Path(__file__).parent.parent.parent
SKIPPED = 77


def main(tree: Path, deb: Path) -> int:
    """Prints a line a check; the first that fails ends it, with what the journal says."""
    newer = tree / "root" / "newer.deb"
    shutil.copy(deb, newer)
    older = earlier(deb, tree / "root")
    shutil.copy(ROOT / "packaging/debian/tests/service", tree / "root/autopkgtest-service")
    try:
        with Container(tree) as box:
            try:
                everything(box, f"/root/{older.name}", f"/root/{newer.name}")
            except (Failed, subprocess.TimeoutExpired) as error:
                print(f"FAILED: {error}\n--- the journal\n{box.journal()[-4000:]}", file=sys.stderr)
                return 1
    except Unbootable as error:
        print(f"SKIPPED: systemd-nspawn cannot boot here: {error}", file=sys.stderr)
        return SKIPPED
    return 0


def everything(box: Container, older: str, newer: str) -> None:
    passed("install", lambda: install(box, older))
    passed("service", lambda: service.runs(box))
    passed("user and permissions", lambda: service.user_and_permissions(box))
    passed("safe as installed", lambda: service.nothing_stored_nothing_sent(box))
    passed("autopkgtest", lambda: service.autopkgtest(box))
    passed("manual", lambda: service.manual(box))
    passed("exposure", lambda: service.exposure(box))
    passed("watchdog", lambda: service.watchdog(box))
    passed("wrong configuration", lambda: service.wrong_configuration(box))
    passed("walls", lambda: attack.walls_bite(box))
    passed("under load", lambda: load.survives(box, older, newer))
    passed("remove and purge", lambda: purge(box))


def passed(name: str, check: Callable[[], str | list[str]]) -> None:
    start = time.monotonic()
    said = check()
    first, *more = [said] if isinstance(said, str) else said
    print(f"ok {time.monotonic() - start:5.1f} s  {name}: {first}", flush=True)
    for line in more:
        print(f"            {line}", flush=True)


def earlier(deb: Path, folder: Path) -> Path:
    """The same package under a lower version, to be upgraded from."""
    unpacked = folder / "older"
    subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(unpacked)], check=True)
    control = unpacked / "DEBIAN/control"
    version = next(line for line in control.read_text().splitlines() if line.startswith("Version: "))
    control.write_text(control.read_text().replace(version, f"{version}~earlier"))
    result = folder / "older.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", str(unpacked), str(result)], check=True, capture_output=True
    )
    shutil.rmtree(unpacked)
    return result


def install(box: Container, deb: str) -> str:
    said = box.sh(f"apt-get install --quiet --yes --no-install-recommends {deb}", timeout=300)
    count = sum(line.startswith("Setting up ") for line in said.splitlines())
    return f"{count} packages, from apt's cache"


def purge(box: Container) -> str:
    box.sh("apt-get purge --quiet --yes edge-collector")
    ours = "-not -path '/proc/*' -not -path '/root/*' -not -path '/srv/*' -not -path '/var/log/*'"
    everywhere = f"find / -xdev -iname '*edge[-_]collector*' {ours}"
    left = [path for path in box.sh(everywhere).splitlines() if not path.startswith("/var/cache/apt/")]
    left += box.sh("find /run /dev/shm -iname '*edge-collector*'").splitlines()
    left += box.sh("find /usr/lib/python3/dist-packages/collector 2>/dev/null", check=False).splitlines()
    if left:
        raise Failed(f"left behind: {left}")
    if "could not be found" not in box.sh("systemctl status edge-collector", check=False):
        raise Failed("systemd knows the unit still")
    return "nothing is left but the user"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2])))
