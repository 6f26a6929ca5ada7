"""Writes what the package ships beside the code: python3 packaging/manual (command | configuration | completion)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import command
import completion
import configuration

WRITERS = {"command": command.page, "configuration": configuration.page, "completion": completion.script}

sys.stdout.write(WRITERS[sys.argv[1]]())
