"""A disk whose writes and syncs fail or wait on order, for one program (faulty_disk.c, by LD_PRELOAD)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.rig import Program

SOURCE = Path(__file__).with_suffix(".c")


class FaultyDisk:
    """Below `disk`, for `program`, which must not have been started yet."""

    def __init__(self, directory: Path, disk: Path, program: Program) -> None:
        if shutil.which("gcc") is None:
            pytest.skip("gcc is not installed")
        library = directory / "faulty_disk.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
        self._order = directory / "order"
        program.environment |= {
            "LD_PRELOAD": str(library),
            "FAULTY_DISK": str(disk),
            "FAULTY_DISK_ORDER": str(self._order),
        }

    def order(self, call: str, what: str, often: str = "always") -> None:
        """`call`: write or sync; `what`: EIO, or milliseconds to wait; `often`: once or always."""
        fresh = self._order.with_suffix(".new")
        fresh.write_text(f"{call} {what} {often}\n")
        fresh.rename(self._order)

    def heal(self) -> None:
        self._order.unlink(missing_ok=True)

    @property
    def struck(self) -> bool:
        """Whether an order for `once` has been carried out."""
        return not self._order.exists()
