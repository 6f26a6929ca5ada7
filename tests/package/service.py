"""What the service is as installed, and what it does when something happens to it."""

import re

from tests.package.container import Container, Failed, until

DROP_IN = "/etc/systemd/system/edge-collector.service.d/test.conf"


def runs(box: Container) -> str:
    until(box.active, "the service to be active", 60)
    status = box.unit("StatusText")
    return f"active; it says: {status}"


def user_and_permissions(box: Container) -> str:
    wanted = {
        "/var/lib/edge-collector": "edge-collector:edge-collector 700",
        "/run/edge-collector": "edge-collector:edge-collector 700",
        "/etc/edge-collector": "root:root 755",
        "/etc/edge-collector/collector.toml": "root:root 644",
        "/etc/edge-collector/credentials": "root:root 700",
        "/etc/edge-collector/conf.d": "root:root 755",
        "/etc/edge-collector/firmware_profiles": "root:root 755",
    }
    for path, owner in wanted.items():
        if (found := box.sh(f"stat --format '%U:%G %a' {path}").strip()) != owner:
            raise Failed(f"{path}: {found}, not {owner}")
    process = dict(re.findall(r"^(\w+):\s*(.*)$", box.sh(f"cat /proc/{box.unit('MainPID')}/status"), re.MULTILINE))
    uid = box.sh("id --user edge-collector").strip()
    found = (process["Uid"].split(), process["CapEff"], process["CapBnd"], process["NoNewPrivs"])
    if found != ([uid] * 4, "0" * 16, "0" * 16, "1"):
        raise Failed(f"the process: {found}")
    return f"uid {uid}, no capability, NoNewPrivs, seccomp mode {process['Seccomp']}, {process['VmRSS']} resident"


def nothing_stored_nothing_sent(box: Container) -> str:
    """As installed: one listening socket on loopback, no other; nothing of the readings below data_dir."""
    until(lambda: box.metrics().get('readings_received_total{source="host"}', 0) > 0, "a reading of the host", 60)
    pid = box.unit("MainPID")
    inodes = set(re.findall(r"socket:\[(\d+)\]", box.sh(f"ls -l /proc/{pid}/fd")))
    tables = [box.sh(f"cat /proc/{pid}/net/{table}") for table in ("tcp", "tcp6", "udp", "udp6")]
    rows = [row.split() for table in tables for row in table.splitlines()[1:]]
    sockets = [(row[1], row[3]) for row in rows if row[9] in inodes]
    if sockets != [("0100007F:1F90", "0A")]:
        raise Failed(f"sockets (address, state): {sockets}")
    if pending := [name for name, value in box.metrics().items() if name.startswith("spool_pending") and value]:
        raise Failed(f"pending: {pending}")
    return "it listens on 127.0.0.1:8080, and that is its one socket of the network; nothing is pending"


def manual(box: Container) -> str:
    box.sh("man --where edge-collector edge-collector.toml")
    loader = "source /usr/share/bash-completion/bash_completion; _comp_load edge-collector"
    box.sh(f"bash -c '{loader}; complete -p edge-collector'")
    return "man finds both pages, bash the completion"


def exposure(box: Container) -> str:
    line = box.sh("systemd-analyze security --no-pager edge-collector.service").strip().splitlines()[-1]
    found = re.search(r": ([0-9.]+) ", line)
    if found is None or float(found[1]) > 1.3:
        raise Failed(line)
    return line.strip("→ ")


def watchdog(box: Container) -> str:
    """A process that is stopped says nothing any more, and is started again."""
    box.write(DROP_IN, "[Service]\nWatchdogSec=3s\n")
    box.sh("systemctl daemon-reload; systemctl restart edge-collector")
    before = box.unit("MainPID")
    box.sh(f"kill -STOP {before}")
    until(lambda: box.unit("MainPID") not in (before, "0") and box.active(), "the watchdog to start it again", 60)
    if "Watchdog timeout" not in box.journal():
        raise Failed("the journal does not speak of a watchdog timeout")
    (box.tree / DROP_IN.lstrip("/")).unlink()
    box.sh("systemctl daemon-reload; systemctl restart edge-collector")
    return "a stopped process is killed and started again"


def wrong_configuration(box: Container) -> str:
    """It refuses to start, once, with a line that names file and key; a running one goes on."""
    box.write("/etc/edge-collector/conf.d/wrong.toml", "[spool]\nmax_bites = 7\n")
    before = box.unit("MainPID")
    box.sh("systemctl reload edge-collector; sleep 1")
    if box.unit("MainPID") != before or not box.active():
        raise Failed("a reload with a wrong configuration ended it")
    box.sh("systemctl restart edge-collector", check=False)
    until(lambda: box.unit("ActiveState") == "failed", "the service to have failed", 30)
    if box.unit("ExecMainStatus") != "2":
        raise Failed(f"exit code {box.unit('ExecMainStatus')}")
    lines = [line for line in box.journal().splitlines() if "wrong.toml" in line and "max_bites" in line]
    if not lines:
        raise Failed("no line in the journal names file and key")
    (box.tree / "etc/edge-collector/conf.d/wrong.toml").unlink()
    box.sh("systemctl reset-failed edge-collector; systemctl start edge-collector")
    until(box.active, "the service to be active again", 30)
    return f"refused: {lines[-1]}"


def autopkgtest(box: Container) -> str:
    """debian/tests as autopkgtest runs them."""
    box.sh("edge-collector profiles test")
    box.sh("sh /root/autopkgtest-service")
    return "debian/tests pass"
