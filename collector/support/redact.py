"""Takes secrets out of text. No part of a bundle should hold one; this is the wall behind that."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from collector.config.load import Loaded
from collector.config.model import Configuration, HttpSink
from collector.config.secrets import read_secret
from collector.errors import ConfigurationError
from collector.mask import MASK, Mask
from collector.sinks import endpoint

_USERINFO = re.compile(r"(?<=://)[^\s/@\"']+@")
_BEHIND_HOST = re.compile(r"(?i)\b(https?://[^\s/\"'<>?#]+/)[^\s\"'<>]+")
_QUERY = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s\"'<>?#]+)[?#][^\s\"'<>]+")
_AUTHORISATION = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_PUBLIC = {"ca_file", "cert_file"}
_KEY = "key_file"


class Redactor:
    def __init__(self, secrets: Iterable[str]) -> None:
        self._mask = Mask(secrets)

    @classmethod
    def of(cls, loaded: Loaded) -> "Redactor":
        return cls(_contents(loaded))

    def __call__(self, text: str) -> str:
        text = _USERINFO.sub(f"{MASK}@", self._mask(_PRIVATE_KEY.sub(MASK, text)))
        # The path of a web address may be the key of a webhook.
        text = _QUERY.sub(rf"\1?{MASK}", _BEHIND_HOST.sub(r"\1…", text))
        return _AUTHORISATION.sub(rf"\1 {MASK}", text)


def _contents(loaded: Loaded) -> Iterator[str]:
    """What the secret files hold, and keys in the paths of servers."""
    for sink in loaded.configuration.sinks.values():
        for url in [sink.url, *(sink.urls or ())] if isinstance(sink, HttpSink) else ():
            with contextlib.suppress(ValueError):
                yield from endpoint.parse(url or "").secrets
    for name in _secret_files(loaded.configuration):
        try:
            yield read_secret(name, base=loaded.folder).decode("utf-8", "replace")
        except ConfigurationError:  # not there, so it stands nowhere either
            continue


def _secret_files(configuration: Configuration) -> Iterator[str]:
    """Every `*_file` but certificates; a private key is masked by its form."""
    for section in (*configuration.sources.values(), *configuration.sinks.values(), configuration.status):
        for field in msgspec.structs.fields(section):
            if field.name.endswith("_file") and field.name not in (*_PUBLIC, _KEY):
                value = getattr(section, field.name)
                if isinstance(value, str | Path):
                    yield str(value)
