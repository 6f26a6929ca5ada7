"""What can be judged from the configuration's values alone, key against key."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from collector.config import port
from collector.config.findings import Findings, Key, matches, quoted
from collector.config.listen import ListenAddress
from collector.config.model import (
    NOT_BUILT_KEYS,
    BackoffRange,
    Configuration,
    FileSink,
    HostSource,
    HttpSink,
    ModbusDevice,
    ModbusSource,
    MqttSink,
    MqttSource,
    ReplaySource,
    SerialSource,
    Sink,
    Source,
    SpoolSection,
    StatusSection,
)

_STOCK_NAMES = {"raspberrypi", "localhost", "debian", "raspbian", "ubuntu", "armbian", "dietpi"}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = {
    *("accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect"),
    *("host", "idempotency-key", "transfer-encoding"),
}


def judge(configuration: Configuration, tables: dict[str, Any], findings: Findings) -> None:
    """`tables`: what the files say, so that a key that was set can be told from a default."""
    _not_built(tables, (), findings)
    _identity(configuration, findings)
    _spool(configuration.spool, findings)
    if not configuration.sources:
        findings.warn(
            ("sources",), 'there is none, so nothing is collected; add one, such as sources.host.type = "host"'
        )
    for name, source in configuration.sources.items():
        _source(source, ("sources", name), findings)
    _ports(configuration, findings)
    for name, sink in configuration.sinks.items():
        _sink(sink, ("sinks", name), findings)
    _files(configuration, findings)
    _status(configuration.status, findings)
    if configuration.sandbox.mode == "off":
        fault = "off, so a hole in the process opens all that its user may do"
        findings.warn(("sandbox", "mode"), f"{fault}; remove this")


def placeholders(template: str) -> tuple[list[str], bool]:
    """The names in braces, and whether a brace stands alone."""
    return _PLACEHOLDER.findall(template), bool(set("{}") & set(_PLACEHOLDER.sub("", template)))


def _not_built(table: dict[str, Any], at: Key, findings: Findings) -> None:
    for name, value in table.items():
        key = (*at, name)
        for entry in NOT_BUILT_KEYS:
            if matches(entry.key, key) and not findings.is_malformed(key) and entry.concerns(value):
                findings.warn(key, f"not built yet; {entry.meanwhile}")
        if isinstance(value, dict):
            _not_built(value, key, findings)


def _identity(configuration: Configuration, findings: Findings) -> None:
    key = ("collector", "id")
    name = configuration.collector.id
    if not name or name != name.strip():
        findings.mistake(key, f"{quoted(name)} begins or ends with a blank, or is empty; give a plain name")
    elif any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") for character in name):
        findings.mistake(key, f"{quoted(name)} holds an invisible character; remove it")
    elif name.lower() in _STOCK_NAMES:
        findings.warn(key, f"{quoted(name)} is what every new system is called; give this one its own name")
    if set(name) & set("+#/"):
        findings.warn(key, f"{quoted(name)} holds + # or /, which topics show escaped; prefer a plain name")
    if not configuration.collector.data_dir.is_absolute():
        findings.mistake(("collector", "data_dir"), "is relative; give an absolute path")


def _spool(spool: SpoolSection, findings: Findings) -> None:
    for name, limit in (("hold", spool.hold), ("commit_after", spool.commit_after)):
        if spool.linger > limit:
            fault = f"linger ({spool.linger.text()}) is longer than {name} ({limit.text()})"
            findings.mistake(("spool",), f"{fault}; shorten it")


def _source(source: Source, key: Key, findings: Findings) -> None:
    if not isinstance(source, HostSource):
        _backoff(source.backoff, key, findings)
    if isinstance(source, ModbusSource):
        _modbus(source, key, findings)
        return
    if (
        isinstance(source, SerialSource | MqttSource | ReplaySource)
        and source.time_field is None
        and source.time_unit != "s"
    ):
        findings.mistake((*key, "time_unit"), "means nothing without time_field; add that or remove this")
    if isinstance(source, SerialSource):
        _place(source.port, port.parse, (*key, "port"), findings)
    if isinstance(source, ReplaySource) and not source.path.is_absolute():
        findings.mistake((*key, "path"), "is relative; give an absolute path")
    if source.device is not None:
        topics = source.topics if isinstance(source, MqttSource | ReplaySource) else []
        _device(source.device, topics, (*key, "device"), findings)


def _backoff(backoff: BackoffRange, key: Key, findings: Findings) -> None:
    if backoff.min > backoff.max:
        fault = f"min ({backoff.min.text()}) is longer than max ({backoff.max.text()})"
        findings.mistake((*key, "backoff"), f"{fault}; exchange them")


def _place(text: str, parse: Callable[[str], port.Port], key: Key, findings: Findings) -> None:
    try:
        parse(text)
    except ValueError as error:
        findings.mistake(key, str(error))


def _modbus(source: ModbusSource, key: Key, findings: Findings) -> None:
    if source.port is None and source.url is None:
        findings.mistake((*key, "port"), "missing; give the line, such as /dev/ttyUSB0, or url for Modbus TCP")
    elif source.port is not None and source.url is not None:
        findings.mistake((*key, "url"), "stands beside port; keep one of the two")
    elif source.port is not None:
        _place(source.port, port.parse, (*key, "port"), findings)
    elif source.url is not None:
        _place(source.url, port.parse_tcp, (*key, "url"), findings)
        for name in ("baudrate", "bytesize", "parity", "stopbits", "dtr", "rts"):
            if getattr(source, name) is not None:
                findings.mistake((*key, name), "means nothing over TCP; remove it")
    _unlike(source.devices, "address", lambda one: one.address, key, findings)
    _unlike(source.devices, "name", lambda one: one.name, key, findings)


def _unlike(
    devices: Sequence[ModbusDevice], name: str, of: Callable[[ModbusDevice], object], key: Key, findings: Findings
) -> None:
    taken: dict[object, int] = {}
    for place, device in enumerate(devices):
        value = of(device)
        if value is not None and (first := taken.setdefault(value, place)) != place:
            fault = f"{value!r} is that of device {first + 1} already".replace("'", '"')
            findings.mistake((*key, "devices", place, name), f"{fault}; every device needs its own")


def _ports(configuration: Configuration, findings: Findings) -> None:
    taken: dict[str, str] = {}
    for name, source in configuration.sources.items():
        if isinstance(source, SerialSource | ModbusSource) and source.port is not None:
            first = taken.setdefault(source.port, name)
            if first != name:
                fault = f"{quoted(source.port)} is read by source {quoted(first)} already"
                findings.mistake(("sources", name, "port"), f"{fault}; one port, one source")


def _device(template: str, topics: Sequence[str], key: Key, findings: Findings) -> None:
    names, stray = placeholders(template)
    if stray:
        findings.mistake(key, 'a brace stands alone; write placeholders as "{1}"')
    for name in names:
        if not topics:
            findings.mistake(key, f"{quoted('{' + name + '}')} needs a topic; only MQTT sources have one")
        elif not re.fullmatch("[1-9][0-9]?", name):
            advice = "use {1} for what the first wildcard matched, and so on"
            findings.mistake(key, f"{quoted('{' + name + '}')} is no placeholder; {advice}")
        else:
            for topic in topics:
                count = sum(level in ("+", "#") for level in topic.split("/"))
                if int(name) > count:
                    fault = f"{{{name}}} is more than the {count} wildcards of {quoted(topic)}"
                    findings.mistake(key, f"{fault}; use fewer, or make it a source of its own")


def _sink(sink: Sink, key: Key, findings: Findings) -> None:
    _backoff(sink.backoff, key, findings)
    match sink:
        case MqttSink():
            _urls(sink, "the broker's address, such as mqtts://broker.example:8883", key, findings)
            if sink.topic is not None:
                _topic(sink, sink.topic, (*key, "topic"), findings)
            _discovery(sink, key, findings)
        case HttpSink():
            _urls(sink, "the server's address, such as https://ingest.example/readings", key, findings)
            _header(sink, key, findings)
        case FileSink():
            if not sink.path.is_absolute():
                findings.mistake((*key, "path"), "is relative; give an absolute path")


def _urls(sink: MqttSink | HttpSink, wanted: str, key: Key, findings: Findings) -> None:
    if sink.url is None and sink.urls is None:
        findings.mistake((*key, "url"), f"missing; give {wanted}")
    elif sink.url is not None and sink.urls is not None:
        findings.mistake((*key, "urls"), "stands beside url; keep one of the two")


def _header(sink: HttpSink, key: Key, findings: Findings) -> None:
    if sink.header is None:
        if sink.header_file is not None:
            findings.mistake((*key, "header_file"), 'needs a header beside it; add one, such as "X-Api-Key"')
        return
    if sink.header_file is None:
        findings.mistake((*key, "header"), "needs a header_file beside it; add one")
    if not _HEADER.fullmatch(sink.header):
        findings.mistake((*key, "header"), f"{quoted(sink.header)} is no header's name; give one such as X-Api-Key")
    elif sink.header.lower() in _OWN_HEADERS:
        findings.mistake((*key, "header"), f"{quoted(sink.header)} is set by the collector itself; choose another")
    elif sink.header.lower() == "authorization" and sink.token_file is not None:
        findings.mistake((*key, "header"), "is what token_file sets already; keep one of the two")


def _files(configuration: Configuration, findings: Findings) -> None:
    taken: dict[str, str] = {}
    for name, sink in configuration.sinks.items():
        if isinstance(sink, FileSink):
            first = taken.setdefault(str(sink.path), name)
            if first != name:
                fault = f"{quoted(str(sink.path))} is written by sink {quoted(first)} already"
                findings.mistake(("sinks", name, "path"), f"{fault}; one file, one sink")


def _topic(sink: MqttSink, template: str, key: Key, findings: Findings) -> None:
    allowed = ["collector"] if sink.format == "batch" else ["collector", "source", "device"]
    listed = ", ".join(f"{{{name}}}" for name in allowed)
    names, stray = placeholders(template)
    for name in names:
        if name in ("source", "device") and name not in allowed:
            findings.mistake(key, f"{{{name}}} has no one value in a batch; use {listed}")
        elif name not in allowed:
            findings.mistake(key, f"{quoted('{' + name + '}')} is no placeholder; use {listed}")
    if stray:
        findings.mistake(key, f"a brace stands alone; use {listed}")
    if set("+#") & set(template):
        findings.mistake(key, "holds a wildcard; a message is published to one topic")
    if template.startswith("$"):
        findings.mistake(key, "begins with $, which is the broker's own; choose another")
    if len(template.encode()) > 1024:
        findings.mistake(key, "is longer than 1024 bytes; shorten it")


def _discovery(sink: MqttSink, key: Key, findings: Findings) -> None:
    if sink.discovery_prefix is None:
        if sink.expire_after is not None:
            findings.mistake((*key, "expire_after"), "means nothing without discovery_prefix; add that or remove this")
        return
    key = (*key, "discovery_prefix")
    if sink.format == "batch":
        findings.mistake(key, 'Home Assistant reads no batches; set format = "reading" or remove this')
    elif "{device}" not in sink.topic_template:
        findings.mistake(key, "needs a topic for each device; put {device} into the sink's topic")
    if set("+#") & set(sink.discovery_prefix) or sink.discovery_prefix.startswith(("/", "$")):
        findings.mistake(key, f"{quoted(sink.discovery_prefix)} is no prefix of topics; homeassistant is the usual one")


def _status(status: StatusSection, findings: Findings) -> None:
    key = ("status", "listen")
    if status.listen is None:
        return
    try:
        address = ListenAddress.parse(status.listen)
    except ValueError as error:
        findings.mistake(key, str(error))
        return
    if address.host is not None and address.port == 0:
        findings.mistake(key, "port 0 is another port at each start, where nobody finds it; name one, such as 8080")
    if not address.private and status.token_file is None:
        findings.mistake(key, "others can reach this address; add token_file, or listen on 127.0.0.1")
