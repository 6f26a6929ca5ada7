"""The configuration judged against the world: profiles, brokers, topics, certificates and secrets."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from collector import capture, check_modbus, check_sinks
from collector.config import credentials
from collector.config.credentials import LOCAL_NAMES
from collector.config.decode import nearest
from collector.config.findings import Findings, Key, quoted
from collector.config.load import Loaded, conclude, read
from collector.config.model import (
    Configuration,
    FileSink,
    HttpSink,
    ModbusSource,
    MqttSink,
    MqttSource,
    ReplaySource,
    SerialSource,
)
from collector.errors import ConfigurationError
from collector.mqtt import address, topics
from collector.profiles import library
from collector.profiles.options import Options
from collector.profiles.payload import CsvPayload
from collector.profiles.profile import Profile


class _Connection(NamedTuple):
    """One URL of a source or sink."""

    key: Key
    settings: MqttSource | MqttSink
    broker: address.Address | None
    """None where the URL is wrong."""


def load_checked(path: Path) -> Loaded:
    """What `run` and `check` start from. Raises ConfigurationError with every mistake of every kind."""
    configuration, findings = _examine(path)
    return conclude(configuration, findings, path)


def load_anyway(path: Path) -> Loaded:
    """As `load_checked`, with the mistakes beside what could be read: for whoever is to help with them."""
    configuration, findings = _examine(path)
    mistakes, findings.mistakes = findings.mistakes, []
    return conclude(configuration, findings, path)._replace(mistakes=[str(mistake) for mistake in mistakes])


def _examine(path: Path) -> tuple[Configuration, Findings]:
    configuration, findings = read(path)
    connections = list(_connections(configuration, findings))
    for connection in connections:
        _credentials(connection, path.parent, findings)
    if configuration.status.token_file is not None:
        credentials.secret(configuration.status.token_file, ("status", "token_file"), path.parent, findings)
    _profiles(configuration, library.searched(path.parent), findings)
    for name, source in configuration.sources.items():
        if isinstance(source, MqttSource):
            _filters(source, ("sources", name, "topics"), findings)
    _echoes(connections, configuration, findings)
    for name, sink in configuration.sinks.items():
        if isinstance(sink, HttpSink):
            check_sinks.http(sink, ("sinks", name), path.parent, findings)
        elif isinstance(sink, FileSink):
            check_sinks.file(sink, ("sinks", name), findings)
    return configuration, findings


def _connections(configuration: Configuration, findings: Findings) -> Iterator[_Connection]:
    for name, source in configuration.sources.items():
        if isinstance(source, MqttSource):
            key: Key = ("sources", name)
            yield _Connection(key, source, _broker(source.url, (*key, "url"), findings))
    for name, sink in configuration.sinks.items():
        if not isinstance(sink, MqttSink):
            continue
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
        credentials.secret(settings.password_file, key, folder, findings)
        if settings.username is None:
            findings.mistake(key, "needs a username beside it; add one")
        if broker is not None and not broker.tls and broker.host not in LOCAL_NAMES:
            findings.warn(key, f"crosses the network in the clear to {broker}; use mqtts:// or wss://")
    files = credentials.tls_files(settings, folder)
    if files and broker is not None and not broker.tls:
        findings.mistake((*at, min(files)), "needs an mqtts:// or wss:// URL; correct that or remove this")
    else:
        credentials.certificates(files, at, findings)


def _profiles(configuration: Configuration, folders: list[Path], findings: Findings) -> None:
    known = library.available(folders)
    for name, source in configuration.sources.items():
        key: Key = ("sources", name)
        if isinstance(source, ModbusSource):
            places = [(*key, "devices", place, "profile") for place in range(len(source.devices))]
            profiles = [
                _profile(device.profile, folders, known, place, findings)
                for device, place in zip(source.devices, places, strict=True)
            ]
            check_modbus.source(source, profiles, key, findings)
            continue
        if not isinstance(source, SerialSource | MqttSource | ReplaySource):
            continue
        profile = _profile(source.profile, folders, known, (*key, "profile"), findings)
        if profile is None:
            continue
        if isinstance(source, SerialSource):
            _serial(source, profile, key, findings)
        if isinstance(source, ReplaySource):
            _capture(source, profile, key, findings)
        _options(source, profile, key, findings)
        if (
            isinstance(profile.declaration.payload, CsvPayload)
            and source.columns is None
            and _shipped(known[profile.id])
        ):
            said = ", ".join(column.name for column in profile.declaration.payload.columns)
            findings.warn((*key, "columns"), f"missing, so they are taken to be {said}; name the device's own")
        if isinstance(source, MqttSource):
            _readable(source, profile, (*key, "topics"), findings)


def _profile(id: str, folders: list[Path], known: dict[str, Path], key: Key, findings: Findings) -> Profile | None:
    if id not in known:
        advice = nearest(id, known, otherwise="available")
        findings.mistake(key, f"no profile {quoted(id)}; {advice}")
        return None
    try:
        return library.load(id, folders)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            findings.mistake(key, mistake)
        return None


def _serial(source: SerialSource, profile: Profile, key: Key, findings: Findings) -> None:
    if profile.registers is not None:
        fault = f"{quoted(source.profile)} is one of a Modbus device, which must be asked"
        findings.mistake((*key, "profile"), f'{fault}; give the source type = "modbus"')
    elif source.baudrate is None and profile.serial is None:
        fault = f"missing, and profile {quoted(source.profile)} names none"
        findings.mistake((*key, "baudrate"), f"{fault}; give the device's, such as 9600")
    for name in ("interval", "warm_up"):
        if getattr(source, name) is not None and profile.polling is None:
            fault = f"profile {quoted(source.profile)} knows nothing to ask, for its device speaks by itself"
            findings.mistake((*key, name), f"{fault}; remove this")


def _capture(source: ReplaySource, profile: Profile, key: Key, findings: Findings) -> None:
    try:
        head = capture.read_head(source.path)
    except ConfigurationError as error:
        findings.mistake((*key, "path"), f"{error}; name a capture of run --record")
        return
    if not head.messages and not profile.cuts_a_stream:
        fault = f"{quoted(profile.id)} reads messages, and {quoted(source.path.name)} holds what a line brought"
        findings.mistake((*key, "profile"), f"{fault}; name a profile such as {quoted(head.profile)}")


def _options(source: SerialSource | MqttSource | ReplaySource, profile: Profile, at: Key, findings: Findings) -> None:
    """Only open profiles, which keep every key they meet, let a source name the time and device fields."""
    try:
        profile.with_options(Options(**{name: getattr(source, name) for name in Options.__struct_fields__}))
    except ConfigurationError as error:
        for mistake in error.mistakes:
            name, _, fault = mistake.partition(": ")
            findings.mistake((*at, name), fault)


def _readable(source: MqttSource, profile: Profile, key: Key, findings: Findings) -> None:
    """A filter that brings only what the profile ignores or refuses looks like a device that is silent."""
    patterns = [pattern for rule in profile.declaration.topics if not rule.ignore for pattern in rule.patterns]
    for place, topic in enumerate(source.topics):
        if topics.valid_filter(topic) and not profile.reads(topics.unshared(topic)):
            fault = f"{quoted(topic)} brings nothing that profile {quoted(profile.id)} reads"
            findings.warn((*key, place), f"{fault}; it reads {', '.join(patterns)}")


def _shipped(folder: Path) -> bool:
    return folder.parent == library.builtin_folder()


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
    return one.host == other.host or {one.host, other.host} <= LOCAL_NAMES


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
