"""Runs the collector unchanged, but a call that its list lacks kills it: `python -m tests.sandbox.deadly VERB ...`."""

import sys

from collector.sandbox import seccomp

if __name__ == "__main__":
    seccomp.refusal = lambda lib: int(lib.KILL_PROCESS)
    from collector.cli import main

    sys.exit(main())
