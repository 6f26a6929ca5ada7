"""What the spool costs: `make bench-spool`, or `python -m tests.bench.spool [flash|cost|start ...]`."""

import argparse
import os
import tempfile
from pathlib import Path

from tests.bench.spool import cost, flash, start
from tests.bench.spool.disk import ext4

MEASURES = ("flash", "cost", "start")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.spool", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="measure", help=f"some of {', '.join(MEASURES)}; default: all")
    parser.add_argument("--below", type=Path, default=Path("/var/tmp"), help="a directory with 4 GB free, on a disk")
    parser.add_argument("--repeats", type=int, default=3, help="of which the median is shown")
    parser.add_argument("--seconds", type=int, default=4000, help="of readings stored, by a clock turned by hand")
    parser.add_argument("--real-seconds", type=int, default=60, help="of the daemon online, offline and idle")
    given = parser.parse_args()
    chosen = given.measures or MEASURES
    if unknown := set(chosen) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-spool-") as runtime, ext4(given.below) as disk:
        # Where the tail journals go.
        os.environ["RUNTIME_DIRECTORY"] = runtime
        for measure in chosen:
            match measure:
                case "flash":
                    flash.measure(disk, given.seconds, given.real_seconds)
                case "cost":
                    cost.measure(disk, given.repeats)
                case "start":
                    start.measure(disk, given.repeats, given.real_seconds)


if __name__ == "__main__":
    main()
