"""A broker that lets in whom it knows by certificate, over TCP and WebSockets: in, or one line that says why not."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from collector.assembly import connection
from collector.config.load import load
from collector.config.model import MqttSink, MqttSource
from collector.errors import ConfigurationError
from collector.mqtt.connector import Connector
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import VERSION_5
from collector.tls import tls_context
from tests.brokers import mosquitto_binary
from tests.mqtt.certificates import Authority
from tests.mqtt.ways import Reached, Way, reached

if mosquitto_binary() is None:
    pytest.skip("mosquitto is not installed", allow_module_level=True)


@pytest.fixture(params=["", "own"], ids=["mqtts", "wss"])
async def strict(request: pytest.FixtureRequest, tmp_path: Path, authority: Authority) -> AsyncIterator[Reached]:
    way = Way("strict", VERSION_5, tls=True, websocket=request.param)
    async with reached(way, tmp_path, authority, tls_lines=["require_certificate true"]) as found:
        yield found


async def connected(peer: Reached, certificate: Path | None, key: Path | None, authority: Authority) -> None:
    options = replace(peer.options, client_id="me", ssl=tls_context(authority.certificate, certificate, key))
    session = await Connector(lambda: options).connect(lambda messages: None)
    assert session.version == VERSION_5
    await session.close()


async def test_the_right_one_is_let_in(strict: Reached, authority: Authority) -> None:
    await connected(strict, *authority.issue("client"), authority)


@pytest.mark.parametrize("fault", ["none", "another authority's", "expired"])
async def test_any_other_is_told_what_is_wrong(
    strict: Reached, authority: Authority, tmp_path: Path, fault: str
) -> None:
    certificate: Path | None = None
    key: Path | None = None
    if fault == "expired":
        certificate, key = authority.issue("client", days=-1)
    elif fault == "another authority's":
        certificate, key = Authority(tmp_path / "other").issue("client")
    with pytest.raises(SessionError) as caught:
        await connected(strict, certificate, key, authority)
    words = {
        "none": "TLS: the broker wants a certificate of ours: set cert_file and key_file",
        "another authority's": "TLS: the broker does not accept our certificate, cert_file: it does not know the aut",
        "expired": "TLS: the broker does not accept our certificate, cert_file: it has expired",
    }[fault]
    assert str(caught.value).startswith(f"localhost:{strict.options.port}: {words}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["source", "sink"])
async def test_what_was_renewed_in_place_counts_at_the_next_connection(
    strict: Reached, authority: Authority, tmp_path: Path, kind: str
) -> None:
    """As the daemon connects: with files that were changed since the last time, also while they are half changed."""
    scheme = "wss" if strict.options.path else "mqtts"
    table = '[sources.it]\ntopics = ["t"]\nprofile = "json-lines"' if kind == "source" else "[sinks.it]"
    configuration = tmp_path / "collector.toml"
    configuration.write_text(
        f"""
        [collector]
        id = "box"
        {table}
        type = "mqtt"
        url = "{scheme}://localhost:{strict.options.port}"
        ca_file = "ca.pem"
        cert_file = "our.pem"
        key_file = "our.key"
        """
    )

    def renew(by: Authority, days: int, key_too: bool = True) -> None:
        certificate, key = by.issue("client", days=days)
        shutil.copy(certificate, tmp_path / "our.pem")
        if key_too:
            shutil.copy(key, tmp_path / "our.key")

    renew(authority, days=-1)
    shutil.copy(Authority(tmp_path / "other").certificate, tmp_path / "ca.pem")
    loaded = load(configuration)
    section = (loaded.configuration.sources if kind == "source" else loaded.configuration.sinks)["it"]
    assert isinstance(section, MqttSource | MqttSink)
    connector = Connector(connection("it", section, loaded))

    with pytest.raises(SessionError, match="unknown authority"):
        await connector.connect(lambda messages: None)
    shutil.copy(authority.certificate, tmp_path / "ca.pem")
    with pytest.raises(SessionError, match="does not accept our certificate, cert_file: it has expired"):
        await connector.connect(lambda messages: None)
    renew(authority, days=2, key_too=False)
    with pytest.raises(ConfigurationError, match="is not the key of cert_file"):
        await connector.connect(lambda messages: None)
    renew(authority, days=2)
    await (await connector.connect(lambda messages: None)).close()
