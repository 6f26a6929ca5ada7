"""The way from files to the typed configuration, with everything that is wrong found on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from collector.config.decode import decode
from collector.config.files import read_files
from collector.config.findings import Findings, Key
from collector.config.model import Configuration
from collector.config.rules import judge
from collector.errors import ConfigurationError


class Loaded(NamedTuple):
    """A configuration and where it came from."""

    configuration: Configuration
    warnings: list[str]
    origins: dict[Key, str]
    """The file that had the last word on each key."""
    path: Path
    mistakes: Sequence[str] = ()
    """Only where somebody goes on in spite of them."""
    record: Path | None = None
    """The directory in which sources record what comes in: the command line's to say, not the configuration's."""

    @property
    def folder(self) -> Path:
        """Relative names in the configuration are looked up here."""
        return self.path.parent


def load(path: Path) -> Loaded:
    """Reads and judges a configuration by itself. Raises ConfigurationError with every mistake."""
    configuration, findings = read(path)
    return conclude(configuration, findings, path)


def read(path: Path) -> tuple[Configuration, Findings]:
    """What could be read and what is wrong with it; raises nothing, so that more checks can follow."""
    findings = Findings(path.name)
    document = read_files(path, findings)
    configuration = decode(document.tables, findings, complete=document.complete)
    judge(configuration, document.tables, findings)
    return configuration, findings


def conclude(configuration: Configuration, findings: Findings, path: Path) -> Loaded:
    """Raises ConfigurationError when there is any mistake."""
    if findings.mistakes:
        raise ConfigurationError([str(mistake) for mistake in findings.mistakes])
    return Loaded(configuration, [str(warning) for warning in findings.warnings], findings.origins, path)
