"""The process around the command line: its standard streams, and an end without a traceback at an interrupt."""

import signal

from collector.streams import open_standard


def main() -> int:
    """While modules are imported, and at the very end, the signal just ends us; a command may tidy up after itself."""
    open_standard()
    interruptible = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN  # as nohup and the like have it
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from collector.cli import INTERRUPTED, parse, run

    command = parse()
    try:
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return run(command)
    except KeyboardInterrupt:  # in the moments before and after `run` watches for it
        return INTERRUPTED
    finally:
        if interruptible:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    raise SystemExit(main())
