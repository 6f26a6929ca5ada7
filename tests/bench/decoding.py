"""How many frames a CPU-second are framed and decoded: `python -m tests.bench.decoding [PROFILE ...]`.

The profile's own first published case, over and over, as a byte stream in reads of the size a line gives.
"""

import argparse
import time

from collector.profiles import available, builtin_folder, load
from collector.profiles.cases import cases
from collector.profiles.framing.delimiter import DelimiterFraming

READ = 256
"""Bytes."""
SECONDS = 2.0
"""CPU time spent on each."""


def measure(id: str, seconds: float = SECONDS) -> float:
    """Frames a CPU-second of a profile that cuts a stream."""
    folders = [builtin_folder()]
    profile = load(id, folders)
    found = cases(available(folders)[id]).items()
    case = next(case for name, case in found if name.startswith("published") and case.readings)
    capture = b"".join(case.reads())
    if isinstance(profile.declaration.framing, DelimiterFraming) and not capture.endswith(b"\n"):
        capture += b"\n"
    stream = capture * max(1, 1_000_000 // len(capture))
    reads = [stream[at : at + READ] for at in range(0, len(stream), READ)]
    frames, framer, start = 0, profile.framer(), time.process_time()
    while time.process_time() - start < seconds:
        for data in reads:
            for frame in framer.feed(data):
                profile.decode(frame)
                frames += 1
    return frames / (time.process_time() - start)


def main() -> None:
    folders = [builtin_folder()]
    streams = [id for id in available(folders) if load(id, folders).cuts_a_stream]
    parser = argparse.ArgumentParser(prog="python -m tests.bench.decoding", description=__doc__)
    parser.add_argument("profiles", nargs="*", default=streams, metavar="PROFILE", help="default: all of serial lines")
    for id in parser.parse_args().profiles:
        print(f"{id:20} {measure(id):12,.0f} frames a CPU-second", flush=True)


if __name__ == "__main__":
    main()
