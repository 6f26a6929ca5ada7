"""What somebody could do who has taken over the service: tests/sandbox/attacks.py, run behind the walls of the unit."""

import json
import re
import shutil
from pathlib import Path

from tests.package.container import Container, Failed

ATTACKS = Path(__file__).parent.parent / "sandbox" / "attacks.py"
UNIT = "/usr/lib/systemd/system/edge-collector.service"

CONFIGURATION = """\
collector.data_dir = "/var/lib/edge-collector"
status.listen = "127.0.0.1:8099"
sandbox.mode = "{mode}"
sources.host.type = "host"
sinks.cloud = {{ type = "mqtt", url = "mqtt://127.0.0.1:1883" }}
"""

# Somebody to be attacked: a process, a port and an abstract socket, until the file is gone.
SCENE = """\
import json, pathlib, socket, subprocess, time
port = socket.create_server(("127.0.0.1", 0))
abstract = socket.socket(socket.AF_UNIX); abstract.bind(""); abstract.listen()
victim = subprocess.Popen(["sleep", "300"])
free = socket.create_server(("127.0.0.1", 0)); number = free.getsockname()[1]; free.close()
place = pathlib.Path("/srv/attack/scene")
scene = {"own": "/var/lib/edge-collector", "outside": "/srv/elsewhere", "process": victim.pid,
    "port": port.getsockname()[1], "free_port": number, "abstract": abstract.getsockname()[1:].decode()}
place.write_text(json.dumps(scene))
while place.exists():
    time.sleep(0.1)
victim.kill()
"""


def walls_bite(box: Container) -> list[str]:
    """Everything works for root without walls, and nothing behind both. The table, a line an attempt."""
    tests = box.tree / "srv/attack/tests/sandbox"
    tests.mkdir(parents=True)
    (tests / "__init__.py").touch()
    (tests.parent / "__init__.py").touch()
    shutil.copy(ATTACKS, tests)
    outside = box.tree / "srv/elsewhere"
    outside.mkdir()
    (outside / "program").write_text("nothing that could run")
    (outside / "program").chmod(0o755)
    box.write("/srv/attack/scene.py", SCENE)
    for mode in ("off", "enforce"):
        box.write(f"/srv/attack/{mode}.toml", CONFIGURATION.format(mode=mode))
    box.sh("systemctl stop edge-collector")
    scene = box.start("python3 /srv/attack/scene.py")
    box.sh("until [ -s /srv/attack/scene ]; do sleep 0.1; done")
    try:
        columns = [
            attacked(box, "off", walls=False),
            attacked(box, "off", walls=True),
            attacked(box, "enforce", walls=True),
        ]
    finally:
        (box.tree / "srv/attack/scene").unlink()
        scene.wait(30)
    box.sh("systemctl start edge-collector")
    bare, unit, both = columns
    if open_still := [row for row, outcome in both.items() if outcome == "done"]:
        raise Failed(f"behind both walls: {open_still}")
    free = sum(outcome == "done" for outcome in bare.values())
    through = sum(outcome == "done" for outcome in unit.values())
    told = [f"of {len(both)} attempts {free} succeed without walls, {through} behind the unit's, none behind both"]
    told += [f"{row:<66} {bare[row]:<13} {unit[row]:<13} {both[row]}" for row in both]
    return told


def attacked(box: Container, mode: str, *, walls: bool) -> dict[str, str]:
    """Row -> outcome. With walls, in a copy of the service's own unit that runs the attacks instead."""
    (box.tree / "srv/elsewhere/victim").touch()
    box.sh("find /var/lib/edge-collector -mindepth 1 -newer /srv/attack/scene -delete")  # what an earlier try has left
    program = "/usr/bin/python3 -m tests.sandbox.attacks"
    arguments = f"/srv/attack/{mode}.toml"
    if not walls:
        script = f'cd /srv/attack && PYTHONPATH=/srv/attack {program} {arguments} "$(cat scene)"'
        return parsed(box.sh(script, timeout=60))
    text = (box.tree / UNIT.lstrip("/")).read_text("utf-8")
    text = re.sub(r"^(Type|NotifyAccess|Restart\w*|Watchdog\w*|ExecReload)=.*\n", "", text, flags=re.MULTILINE)
    run = f"/bin/sh -c 'exec {program} {arguments} \"$(cat /srv/attack/scene)\"'"
    text = re.sub(
        r"^ExecStart=.*$",
        lambda _: f"ExecStart={run}\nType=exec\nEnvironment=PYTHONPATH=/srv/attack",
        text,
        flags=re.MULTILINE,
    )
    box.write(f"/etc/systemd/system/attack-{mode}.service", text)
    box.sh(f"systemctl daemon-reload; systemctl start --wait attack-{mode}", check=False, timeout=60)
    said = box.sh(f"journalctl --boot --no-pager --all --output=cat _SYSTEMD_UNIT=attack-{mode}.service")
    box.sh(f"rm /etc/systemd/system/attack-{mode}.service; systemctl daemon-reload")
    return parsed(said)


def parsed(said: str) -> dict[str, str]:
    found = [line for line in said.splitlines() if line.startswith("{")]
    if not found:
        raise Failed(f"the attacks said: {said}")
    outcomes: dict[str, str] = json.loads(found[-1])
    return outcomes
