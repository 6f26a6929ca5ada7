"""Runs a seccomp filter as the kernel would (linux/filter.h), so that one for another machine can be asked too."""

import struct
from collections.abc import Sequence

ALLOW, ERRNO, LOG = 0x7FFF0000, 0x00050000, 0x7FFC0000

_JUMPS = {
    0x10: lambda a, k: a == k,
    0x20: lambda a, k: a > k,
    0x30: lambda a, k: a >= k,
    0x40: lambda a, k: bool(a & k),
}


def verdict(program: bytes, arch: int, number: int, arguments: Sequence[int] = ()) -> int:
    """What the filter returns for a system call."""
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("<HBBI", program))
    at, accumulator = 0, 0
    while True:
        code, jump_true, jump_false, k = steps[at]
        at += 1
        if code == 0x20:  # load a word
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif code == 0x54:  # and
            accumulator &= k
        elif code == 0x06:  # return
            return int(k)
        elif code == 0x05:  # jump
            at += k
        elif code & 0x07 == 0x05:
            at += jump_true if _JUMPS[code & 0xF0](accumulator, k) else jump_false
        else:
            raise AssertionError(f"no such instruction in a seccomp filter: {code:#x}")
