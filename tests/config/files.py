"""Configuration files for these tests."""

from pathlib import Path

import pytest

from collector.config.load import Loaded, load
from collector.errors import ConfigurationError

HOST = '[sources.host]\ntype = "host"\n'
"""Without any source there is a warning."""


def write(folder: Path, text: str, **drop_ins: str) -> Path:
    """collector.toml, and `conf.d/NAME.toml` for each of `drop_ins`."""
    path = folder / "collector.toml"
    path.write_text(f'[collector]\nid = "test"\n{HOST}{text}' if "[collector]" not in text else text)
    for name, content in drop_ins.items():
        (folder / "conf.d").mkdir(exist_ok=True)
        (folder / "conf.d" / f"{name}.toml").write_text(content)
    return path


def loaded(folder: Path, text: str, **drop_ins: str) -> Loaded:
    return load(write(folder, text, **drop_ins))


def mistakes(folder: Path, text: str, **drop_ins: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(write(folder, text, **drop_ins))
    assert all("\n" not in mistake for mistake in caught.value.mistakes)
    return caught.value.mistakes
