"""What starting the daemon may import: memory on a small box, and no way back to what was left out."""

import json
import subprocess
import sys

import pytest

FORBIDDEN = ["aiomqtt", "paho", "rich", "aiohttp", "hypothesis", "pytest"]


def imported(code: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_the_command_line_is_light() -> None:
    modules = imported("import collector.cli as c\ntry: c.main(['--version'])\nexcept SystemExit: pass\nprint()")
    heavy = {"uvloop", "aiosqlite", "psutil", "serial", "prometheus_client", "uvicorn", *FORBIDDEN}
    assert not heavy & modules


@pytest.mark.parametrize("module", FORBIDDEN)
def test_the_daemon_never_imports(module: str) -> None:
    everything = "import collector.daemon, collector.status.app, collector.status.server, uvloop\n"
    everything += (
        "from collector.sources import host, mqtt, serial\nfrom collector.sinks import answer, endpoint, file, mqtt"
    )
    assert module not in imported(everything)


def test_what_is_not_configured_is_not_imported() -> None:
    modules = imported("import collector.daemon, collector.pipeline, collector.commands.run")
    for module in ("serial", "psutil", "uvicorn", "prometheus_client"):
        assert module not in modules
