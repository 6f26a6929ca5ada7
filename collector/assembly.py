"""Sources and sinks as the configuration asks for them. What is not configured is not imported."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec

from collector import capture, check_modbus
from collector.backoff import Backoff
from collector.capture import Recorder
from collector.clock import Clock
from collector.config import model, port
from collector.config.credentials import tls_files
from collector.config.load import Loaded
from collector.config.secrets import locate, read_header_value, read_secret
from collector.contracts import Sink, Source
from collector.delivery import SinkDelivery
from collector.devices import BusDevices, Devices, SourceDevices
from collector.intake import SourceIntake
from collector.log import events
from collector.mqtt import address, topics
from collector.mqtt.connect import ConnectOptions
from collector.mqtt.connector import Connector
from collector.mqtt.packets import Will
from collector.mqtt.session import Session
from collector.profiles import library
from collector.profiles.options import Options
from collector.profiles.profile import Profile, SerialSettings
from collector.sinks import endpoint
from collector.spool.spool import Spool
from collector.tls import tls_context

Device = Callable[[str | None, str | None], str]
"""Names a device from the identity its frame carried and the topic it came on."""

COALESCE_ANSWERS = 0.002
"""Seconds for which a sink lets the PUBACKs of many small messages gather before it reads them."""

_PLACEHOLDER = re.compile(r"\{(\d+)\}")


def sources(loaded: Loaded, spool: Spool | None, clock: Clock, devices: Devices) -> list[SourceIntake]:
    """One intake for each configured source. Raises ConfigurationError."""
    return [
        _intake(name, section, loaded, spool, clock, devices) for name, section in loaded.configuration.sources.items()
    ]


def sinks(loaded: Loaded, spool: Spool, clock: Clock, devices: Devices) -> list[SinkDelivery]:
    """One delivery for each configured sink. Raises ConfigurationError."""
    return [
        SinkDelivery(name, _sink(name, section, loaded, devices), spool, _backoff(section.backoff, clock))
        for name, section in loaded.configuration.sinks.items()
    ]


def windows(configuration: model.Configuration) -> dict[str, int]:
    """How many messages of each acknowledging source can come again."""
    return {
        name: section.window
        for name, section in configuration.sources.items()
        if isinstance(section, model.MqttSource) and section.qos
    }


def _intake(
    name: str, section: model.Source, loaded: Loaded, spool: Spool | None, clock: Clock, devices: Devices
) -> SourceIntake:
    source: Source
    profile: Profile | None = None

    def described(profile: Profile, interval: float = 0.0) -> SourceDevices:
        return SourceDevices(devices, name, profile.id, profile.name, interval, profile.units_of)

    match section:
        case model.MqttSource():
            from collector.sources.mqtt import MqttSource

            profile = _profile(section, loaded)
            source = MqttSource(
                Connector(connection(name, section, loaded), section.protocol, _tell_of_3_1_1("source", name)),
                section.topics,
                section.qos,
                section.window,
            )
            device, seen = _topic_device(name, section), described(profile)
            backoff = section.backoff
        case model.SerialSource():
            profile = _profile(section, loaded)
            source, seen = _serial_source(section, profile), described(profile)
            device = _fixed_device(section.device or name, identity=section.device_field is not None)
            backoff = section.backoff
        case model.ModbusSource():
            profiles = [_load_profile(one.profile, loaded) for one in section.devices]
            source = _modbus_source(name, section, profiles)
            slaves = zip(section.devices, profiles, strict=True)
            seen = BusDevices(
                devices, name, {_slave_name(name, one): described(kind, one.interval) for one, kind in slaves}
            )
            device = _fixed_device(name, identity=True)
            backoff = section.backoff
        case model.ReplaySource():
            from collector.sources.replay import ReplaySource

            profile = _profile(section, loaded)
            messages = capture.read_head(section.path).messages
            source = ReplaySource(section.path, None if messages else profile.framer, section.speed)
            seen = described(profile)
            device = (
                _topic_device(name, section)
                if messages
                else _fixed_device(section.device or name, identity=section.device_field is not None)
            )
            backoff = section.backoff
        case model.HostSource():
            from collector.sources import host

            source = host.HostSource(section.interval)
            seen = SourceDevices(devices, name, "", "host", section.interval, lambda one: host.units(one.fields))
            device = _fixed_device(section.device or name, identity=False)
            backoff = model.BackoffRange()
    recorder = _recorder(name, section, loaded.record, clock)
    return SourceIntake(name, source, profile, device, spool, clock, _backoff(backoff, clock), seen, recorder)


def _recorder(name: str, section: model.Source, folder: Path | None, clock: Clock) -> Recorder | None:
    """Raises ConfigurationError for a directory in which nothing can be recorded."""
    if folder is None:
        return None
    if not isinstance(section, model.SerialSource | model.MqttSource):
        said = "source %s: %s sources are not recorded: they have answers, not bytes that come by themselves"
        events.RECORDING_ENDED.log(said, name, section.__struct_config__.tag, source=name)
        return None
    return Recorder(folder, name, section.profile, isinstance(section, model.MqttSource), clock.monotonic())


def _serial_source(section: model.SerialSource, profile: Profile) -> Source:
    where, line = port.parse(section.port), _line(section, profile)
    polling = profile.polling
    interval = section.interval or (polling.interval if polling is not None else None)
    if polling is None or interval is None:
        from collector.sources.serial import SerialSource

        return SerialSource(where, line, profile.framer, polling.wake if polling is not None else ())
    from collector.sources.polled import PolledSource

    if section.warm_up is not None:
        polling = msgspec.structs.replace(polling, warm_up=section.warm_up)
    return PolledSource(where, line, profile.framer, polling, interval)


def _slave_name(source: str, device: model.ModbusDevice) -> str:
    return device.name or f"{source}-{device.address}"


def _modbus_source(name: str, section: model.ModbusSource, profiles: Sequence[Profile]) -> Source:
    from collector.sources.bus import Bus, RtuBus, TcpBus
    from collector.sources.line import open_line
    from collector.sources.modbus import ModbusSource, Slave

    devices: list[Slave] = []
    for one, profile in zip(section.devices, profiles, strict=True):
        assert profile.registers is not None
        devices.append(Slave(_slave_name(name, one), one.address, profile.registers.map(one.fields), one.interval))
    line = check_modbus.line_of(section, profiles)

    async def open_bus() -> Bus:
        bus: RtuBus | TcpBus
        if section.url is not None:
            where: port.Port = port.parse_tcp(section.url)
            bus = TcpBus(str(where), section.timeout)
        else:
            where = port.parse(section.port or "")
            bus = RtuBus(line.character, line.baudrate, section.timeout, section.turnaround)
        bus.on(await open_line(where, line, bus.receive))
        return bus

    return ModbusSource(open_bus, devices, section.retries)


def _load_profile(id: str, loaded: Loaded) -> Profile:
    return library.load(id, library.searched(loaded.folder))


def _profile(section: model.MqttSource | model.SerialSource | model.ReplaySource, loaded: Loaded) -> Profile:
    profile = _load_profile(section.profile, loaded)
    return profile.with_options(Options(**{name: getattr(section, name) for name in Options.__struct_fields__}))


def _line(section: model.SerialSource, profile: Profile) -> SerialSettings:
    """The profile's line settings with the source's own put over them."""
    said = {key: getattr(section, key) for key in ("baudrate", "bytesize", "parity", "stopbits", "dtr", "rts")}
    said = {key: value for key, value in said.items() if value is not None}
    if profile.serial is not None:
        return msgspec.structs.replace(profile.serial, **said)
    return SerialSettings(**said)


def _fixed_device(name: str, *, identity: bool) -> Device:
    """A line or a host is one device; the frame's identity counts where the source asks for it."""
    return lambda carried, topic: carried if identity and carried is not None else name


def _topic_device(name: str, section: model.MqttSource | model.ReplaySource) -> Device:
    """The source's own rule, else the profile's identity, else what the wildcards matched, else the source's name."""

    def device(carried: str | None, topic: str | None) -> str:
        if carried is not None and section.device is None:
            return carried
        levels: list[str] = []
        for topic_filter in section.topics:
            if topic is not None and topics.matches(topic_filter, topic):
                levels = topics.captures(topic_filter, topic)
                break
        if section.device is None:
            return "-".join(levels) or name
        return _PLACEHOLDER.sub(lambda match: levels[int(match[1]) - 1], section.device)

    return device


def _sink(name: str, section: model.Sink, loaded: Loaded, devices: Devices) -> Sink:
    match section:
        case model.MqttSink():
            return _mqtt_sink(name, section, loaded, devices)
        case model.HttpSink():
            return _http_sink(section, loaded)
        case model.FileSink():
            return _file_sink(section, loaded)


def _http_sink(section: model.HttpSink, loaded: Loaded) -> Sink:
    from collector.sinks.http import HttpOptions, HttpSink

    server = endpoint.parse(section.url or (section.urls or [""])[0])
    folder = loaded.folder

    def options() -> HttpOptions:
        headers = {}
        if section.token_file is not None:
            headers["Authorization"] = f"Bearer {read_header_value(section.token_file, base=folder)}"
        if section.header is not None and section.header_file is not None:
            headers[section.header] = read_header_value(section.header_file, base=folder)
        context = tls_context(**tls_files(section, folder)) if server.tls else None
        return HttpOptions(server, headers, context, section.proxy, section.timeout)

    return HttpSink(options, loaded.configuration.collector.id)


def _file_sink(section: model.FileSink, loaded: Loaded) -> Sink:
    from collector.sinks.file import FileSink
    from collector.sinks.json_lines import JsonLines

    collector = loaded.configuration.collector.id
    lines = JsonLines(section.path, collector, max_bytes=section.max_bytes, max_age=section.max_age, keep=section.keep)
    return FileSink(lines, collector)


def _mqtt_sink(name: str, section: model.MqttSink, loaded: Loaded, devices: Devices) -> Sink:
    from collector.sinks.announcer import Discovery
    from collector.sinks.mqtt import MqttSink

    collector = loaded.configuration.collector.id
    status_topic = f"edge/{topics.escape_level(collector)}/status"
    options = connection(name, section, loaded)

    def with_will() -> ConnectOptions:
        return replace(
            options(), coalesce=COALESCE_ANSWERS, will=Will(status_topic, b'{"state":"offline"}', qos=1, retain=True)
        )

    connector = Connector(with_will, section.protocol, _tell_of_3_1_1("sink", name))
    discovery = Discovery(section.discovery_prefix, section.expire_after) if section.discovery_prefix else None
    return MqttSink(connector, collector, section.format, section.topic_template, status_topic, devices, discovery)


def _tell_of_3_1_1(kind: Literal["source", "sink"], name: str) -> Callable[[Session], None]:
    def tell(session: Session) -> None:
        line = "%s %s: %s speaks MQTT 3.1.1: %s"
        if kind == "source":
            cost = "it, not `window`, decides how many messages may be unacknowledged"
            events.MQTT_3_1_1.log(line, kind, name, session.address, cost, source=name)
        else:
            cost = "a message that it refuses looks like one that it took"
            events.MQTT_3_1_1.log(line, kind, name, session.address, cost, sink=name)

    return tell


def connection(name: str, section: model.MqttSource | model.MqttSink, loaded: Loaded) -> Callable[[], ConnectOptions]:
    """Reads secrets and certificates at every call: a connection made later sees what was rotated."""
    url = section.url if isinstance(section, model.MqttSource) else section.url or (section.urls or [""])[0]
    broker = address.parse(url or "")
    folder = loaded.folder
    client_id = address.client_id(loaded.configuration.collector.id, name, address.machine_id())

    def path(file: str | None) -> Path | None:
        return locate(file, base=folder) if file is not None else None

    def options() -> ConnectOptions:
        common = ConnectOptions(
            broker.host,
            broker.port,
            client_id,
            path=broker.path,
            ssl=tls_context(path(section.ca_file), path(section.cert_file), path(section.key_file))
            if broker.tls
            else None,
            username=section.username,
            password=read_secret(section.password_file, base=folder) if section.password_file else None,
            keepalive=max(1, round(section.keepalive)),
        )
        if not isinstance(section, model.MqttSource):
            return common
        return replace(
            common,
            clean_start=False,
            session_expiry=round(section.session_expiry),
            receive_maximum=section.window,
            max_payload=section.max_payload,
            coalesce=section.coalesce,
        )

    return options


def _backoff(section: model.BackoffRange, clock: Clock) -> Backoff:
    return Backoff(section.min, section.max, now=clock.monotonic)
