"""The process around the commands: how it ends when it is interrupted."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
