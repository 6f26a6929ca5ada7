"""The configuration judged against the world: profiles, brokers, topics, certificates and secrets."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from collector.config.decode import nearest
from collector.config.findings import Findings, Key, quoted
from collector.config.load import Loaded, conclude, read
from collector.config.model import Configuration, HostSource, MqttSink, MqttSource, SerialSource
from collector.config.secrets import locate, open_to_others, read_regular_file, read_secret
from collector.errors import ConfigurationError
from collector.mqtt import address, topics
from collector.profiles import library
from collector.profiles.profile import Profile

_MOST_PEM_BYTES = 16 * 1024 * 1024
_LOCAL_NAMES = {"localhost", "localhost.localdomain", "ip6-localhost", "127.0.0.1", "::1"}


class _Connection(NamedTuple):
    """One URL of a source or sink."""

    key: Key
    settings: MqttSource | MqttSink
    broker: address.Address | None
    """None where the URL is wrong."""


def load_checked(path: Path) -> Loaded:
    """What `run` and `check` start from. Raises ConfigurationError with every mistake of every kind."""
    configuration, findings = read(path)
    connections = list(_connections(configuration, findings))
    for connection in connections:
        _credentials(connection, path.parent, findings)
    if configuration.status.token_file is not None:
        _secret(configuration.status.token_file, ("status", "token_file"), path.parent, findings)
    _profiles(configuration, [path.parent / "firmware_profiles", library.builtin_folder()], findings)
    for name, source in configuration.sources.items():
        if isinstance(source, MqttSource):
            _filters(source, ("sources", name, "topics"), findings)
    _echoes(connections, configuration, findings)
    return conclude(configuration, findings, path)


def _connections(configuration: Configuration, findings: Findings) -> Iterator[_Connection]:
    for name, source in configuration.sources.items():
        if isinstance(source, MqttSource):
            key: Key = ("sources", name)
            yield _Connection(key, source, _broker(source.url, (*key, "url"), findings))
    for name, sink in configuration.sinks.items():
        key = ("sinks", name)
        if sink.url is not None:
            yield _Connection(key, sink, _broker(sink.url, (*key, "url"), findings))
        for place, url in enumerate(sink.urls or ()):
            yield _Connection(key, sink, _broker(url, (*key, "urls", place), findings))


def _broker(url: str, key: Key, findings: Findings) -> address.Address | None:
    if set("@?#") & set(url):
        # Not shown: this is where passwords and tokens stand.
        findings.mistake(key, "holds more than scheme, host and port; use username and password_file")
        return None
    try:
        return address.parse(url)
    except ValueError as error:
        findings.mistake(key, str(error))
        return None


def _credentials(connection: _Connection, folder: Path, findings: Findings) -> None:
    at, settings, broker = connection
    if settings.password_file is not None:
        key = (*at, "password_file")
        _secret(settings.password_file, key, folder, findings)
        if settings.username is None:
            findings.mistake(key, "needs a username beside it; add one")
        if broker is not None and not broker.tls and broker.host not in _LOCAL_NAMES:
            findings.warn(key, f"crosses the network in the clear to {broker}; use mqtts://")
    files = {
        name: locate(value, base=folder)
        for name in ("ca_file", "cert_file", "key_file")
        if (value := getattr(settings, name)) is not None
    }
    if files and broker is not None and not broker.tls:
        findings.mistake((*at, min(files)), "needs an mqtts:// URL; correct that or remove this")
    else:
        _certificates(files, at, findings)


def _certificates(files: dict[str, Path], at: Key, findings: Findings) -> None:
    usable = bool(files)
    for name, file in files.items():
        try:
            read_regular_file(file, limit=_MOST_PEM_BYTES)
        except ConfigurationError as error:
            findings.mistake((*at, name), str(error))
            usable = False
    if usable:
        try:
            address.tls_context(**files)
        except ConfigurationError as error:
            for mistake in error.mistakes:
                name, _, fault = mistake.partition(" ")
                findings.mistake((*at, name), f"{fault}; give PEM files that belong together")


def _secret(name: str, key: Key, folder: Path, findings: Findings) -> None:
    path = locate(name, base=folder)
    try:
        read_secret(name, base=folder)
    except ConfigurationError as error:
        findings.mistake(key, str(error))
    else:
        if open_to_others(path):
            findings.warn(key, f"every user may read {path}; give it to the collector's user and chmod 600")


def _profiles(configuration: Configuration, folders: list[Path], findings: Findings) -> None:
    known = library.available(folders)
    for name, source in configuration.sources.items():
        if isinstance(source, HostSource):
            continue
        key: Key = ("sources", name)
        if source.profile not in known:
            advice = nearest(source.profile, known, otherwise="available")
            findings.mistake((*key, "profile"), f"no profile {quoted(source.profile)}; {advice}")
            continue
        try:
            profile = library.load(source.profile, folders)
        except ConfigurationError as error:
            for mistake in error.mistakes:
                findings.mistake((*key, "profile"), mistake)
            continue
        if isinstance(source, SerialSource) and source.baudrate is None and profile.serial is None:
            fault = f"missing, and profile {quoted(source.profile)} names none"
            findings.mistake((*key, "baudrate"), f"{fault}; give the device's, such as 9600")
        _options(source, profile, key, findings)


def _options(source: SerialSource | MqttSource, profile: Profile, at: Key, findings: Findings) -> None:
    """Only open profiles, which keep every key they meet, let a source name the time and device fields."""
    try:
        profile.with_options(time_field=source.time_field, time_unit=source.time_unit, device_field=source.device_field)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            name, _, fault = mistake.partition(": ")
            findings.mistake((*at, name), fault)


def _filters(source: MqttSource, key: Key, findings: Findings) -> None:
    valid: list[str] = []
    for place, topic in enumerate(source.topics):
        if not topics.valid_filter(topic):
            advice = "+ stands for one whole level, # at the end for all that follow"
            findings.mistake((*key, place), f"{quoted(topic)} is no topic filter; {advice}")
            continue
        for other in valid:
            if topics.overlap(topic, other):
                fault = f"{quoted(topic)} overlaps with {quoted(other)}, so messages would come twice"
                findings.mistake((*key, place), f"{fault}; keep the wider one")
        valid.append(topic)


def _echoes(connections: list[_Connection], configuration: Configuration, findings: Findings) -> None:
    """A source that reads what our own sink writes would feed every reading back to itself, for ever."""
    for reader in connections:
        for writer in connections:
            source, sink = reader.settings, writer.settings
            if not isinstance(source, MqttSource) or not isinstance(sink, MqttSink):
                continue
            if not _same(reader.broker, writer.broker):
                continue
            written = list(_written(sink, configuration))
            for place, topic in enumerate(source.topics):
                echo = next((own for own in written if _overlap(topic, own)), None)
                if echo is not None:
                    fault = f"{quoted(topic)} reads what sink {quoted(writer.key[1])} writes to {quoted(echo)}"
                    advice = "narrow the filter or choose another topic for the sink"
                    findings.mistake((*reader.key, "topics", place), f"{fault} on the same broker; {advice}")


def _same(one: address.Address | None, other: address.Address | None) -> bool:
    if one is None or other is None or one.port != other.port:
        return False
    return one.host == other.host or {one.host, other.host} <= _LOCAL_NAMES


def _overlap(topic: str, own: str) -> bool:
    return topics.valid_filter(topic) and topics.overlap(topic, own)


def _written(sink: MqttSink, configuration: Configuration) -> Iterator[str]:
    """Filters for everything a sink can write to; devices are not known yet, so they stand as `+`."""
    collector = topics.escape_level(configuration.collector.id)
    yield f"edge/{collector}/status"
    if topics.valid_topic(sink.topic_template):
        levels = sink.topic_template.replace("{collector}", collector).split("/")
        for source in configuration.sources:
            filled = ["+" if "{device}" in level else level.replace("{source}", source) for level in levels]
            yield "/".join(filled)
