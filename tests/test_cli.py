"""The process around the commands: how it ends when it is interrupted, and when nobody takes what it says."""

import argparse
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from collector.cli import run

INTERRUPTED_WHILE_IMPORTING = """
import os, runpy, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
{more}
sys.modules.pop({module!r}, None)
sys.meta_path.insert(0, Interrupt())
runpy.run_module("collector", run_name="__main__", alter_sys=True)
"""


def ended(module: str, *arguments: str, more: str = "") -> tuple[int, str]:
    """Exit code and stderr of a process that is interrupted when it imports `module`."""
    code = INTERRUPTED_WHILE_IMPORTING.format(module=module, more=more)
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    return result.returncode, result.stderr


@pytest.mark.parametrize("module", ["collector.cli", "collector.commands", "collector.commands.demo", "uvloop"])
def test_an_interrupt_during_imports_is_quiet(tmp_path: Path, module: str) -> None:
    configuration = tmp_path / "collector.toml"
    configuration.write_text(f'collector.data_dir = "{tmp_path}/data"\nsources.host.type = "host"\n')
    code, said = ended(module, "run", "-c", str(configuration))
    assert said == ""
    assert code in (130, -signal.SIGINT)


def test_an_interrupt_at_the_very_end_is_quiet() -> None:
    late = "import atexit; atexit.register(os.kill, os.getpid(), signal.SIGINT)"
    code, said = ended("nothing.of.this.name", "profiles", "list", more=late)
    assert (code, said) == (-signal.SIGINT, "")


def test_what_is_started_with_interrupts_ignored_ignores_them() -> None:
    ignored = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    assert ended("collector.cli", "profiles", "list", more=ignored) == (0, "")


def shell(line: str, configuration: Path) -> "subprocess.CompletedProcess[str]":
    """`$edge` and `$file` in the line are the command and its configuration."""
    edge = f"{shlex.quote(sys.executable)} -m collector"
    line = line.replace("$edge", edge).replace("$file", shlex.quote(str(configuration)))
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "collector.toml"
    file.write_text(
        f"""
        collector.data_dir = "{tmp_path}/data"
        status.listen = "unix:{tmp_path}/status.sock"
        sources.host.type = "host"
        sinks.file = {{ type = "file", path = "{tmp_path}/readings.jsonl" }}
        """
    )
    return file


@pytest.mark.parametrize("to", [">&-", ">/dev/full"])
@pytest.mark.parametrize("command", ["profiles list", "doctor -c $file", "doctor --json -c $file", "check -c $file"])
def test_an_output_that_takes_nothing_is_one_line(configuration: Path, command: str, to: str) -> None:
    ended = shell(f"$edge {command} {to}", configuration)
    assert (ended.returncode, ended.stdout) == (1, "")
    fault = "Bad file descriptor" if to == ">&-" else "No space left on device"
    assert ended.stderr == f"edge-collector: standard output: {fault}\n"


def test_a_reader_that_has_enough_is_no_failure_to_tell_of(configuration: Path) -> None:
    ended = shell("set -o pipefail; $edge check -c $file | true", configuration)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_another_fault_keeps_its_traceback(configuration: Path) -> None:
    def fail(command: argparse.Namespace) -> int:
        raise OSError("a bug")

    with pytest.raises(OSError, match="a bug"):
        run(argparse.Namespace(func=fail))


def test_a_daemon_without_standard_streams_runs_and_stops_well(configuration: Path) -> None:
    line = "exec <&- >&- 2>&-; $edge run -c $file & daemon=$!; "
    line += "for _ in {1..200}; do [ -s ${file}_readings ] && break; sleep 0.1; done; kill $daemon; wait $daemon"
    ended = shell(line.replace("${file}_readings", str(configuration.with_name("readings.jsonl"))), configuration)
    assert ended.returncode == 0
    assert configuration.with_name("readings.jsonl").stat().st_size > 0
