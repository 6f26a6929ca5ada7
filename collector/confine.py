"""The walls as the configuration asks for them: what it needs is loaded and made first, and stays within reach."""

import contextlib
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from collector.config import model, port
from collector.config.listen import ListenAddress
from collector.config.load import Loaded
from collector.config.secrets import locate
from collector.log import events
from collector.mqtt import address
from collector.profiles import library
from collector.sandbox import wall
from collector.sandbox.reach import Reach
from collector.sandbox.wall import Wall
from collector.sinks import endpoint
from collector.spool.place import earlier_journals, journal_directory

DNS = 53
"""Over TCP where an answer is long; Landlock does not restrict UDP."""

REMOVABLE = (Path("/mnt"), Path("/media"), Path("/run/media"))
"""Where disks come and go; a rule for what lies on one of them would go with it."""

MODULES: dict[type, str] = {
    model.MqttSource: "collector.sources.mqtt",
    model.SerialSource: "collector.sources.serial",
    model.ModbusSource: "collector.sources.modbus",
    model.HostSource: "collector.sources.host",
    model.ReplaySource: "collector.sources.replay",
    model.MqttSink: "collector.sinks.mqtt",
    model.HttpSink: "collector.sinks.http",
    model.FileSink: "collector.sinks.file",
}
"""What each kind of source and sink is imported from."""

_POLLED, _TTY = "collector.sources.polled", "collector.sources.tty"

_LATER = ("concurrent.futures.thread", "encodings.idna", "importlib.resources.readers")
"""What Python itself imports only when it needs it, and what has a shared library below it."""


def confine(loaded: Loaded) -> Wall:
    """Loads everything, then shuts this process in for good. To be called before any other thread is started."""
    mode = loaded.configuration.sandbox.mode
    if mode == "off":
        return Wall("off")
    _load_modules(loaded.configuration)
    closed = wall.close(mode, _reach(loaded))
    for missing in closed.missing:
        events.SANDBOX_INCOMPLETE.log("sandbox: %s; collecting goes on without this wall", missing)
    return closed


def _load_modules(configuration: model.Configuration) -> None:
    sections = [*configuration.sources.values(), *configuration.sinks.values()]
    for name in {MODULES[type(section)] for section in sections}.union(_LATER):
        import_module(name)
    for section in sections:
        if isinstance(section, model.SerialSource | model.ModbusSource):
            import_module("collector.sources.bus" if isinstance(section, model.ModbusSource) else _POLLED)
            import_module("collector.sources.stream" if isinstance(_line(section), port.NetworkPort) else _TTY)
    if any(url.startswith("ws") for section in sections for url in _urls(section)):
        import_module("collector.mqtt.websocket_dial")
    if configuration.status.listen is not None:
        import_module("collector.status.app")
        import_module("collector.status.server")


def _reach(loaded: Loaded) -> Reach:
    configuration = loaded.configuration
    reach = Reach(connect={DNS})
    reach.read.update(_configuration_files(loaded))
    for section in (*configuration.sources.values(), *configuration.sinks.values()):
        reach.connect.update(_ports(section))
        if isinstance(section, model.SerialSource | model.ModbusSource):
            line = _line(section)
            if not isinstance(line, port.NetworkPort):
                # The whole of /dev, so that a device that is plugged in later is there.
                reach.devices.add(Path("/dev"))
            if isinstance(line, str):
                reach.devices.add(Path(line))
        elif isinstance(section, model.ReplaySource):
            reach.read.add(section.path)
        elif isinstance(section, model.FileSink):
            reach.write.update(_there(section.path.parent))
    if loaded.record is not None:
        reach.write.add(loaded.record)
    if configuration.sinks:
        reach.write.update(_spool(configuration.collector.data_dir))
    if configuration.status.listen is not None:
        listen = ListenAddress.parse(configuration.status.listen)
        if listen.path is not None:
            reach.sockets.add(listen.path.parent)
        else:
            reach.bind.add(listen.port)
    return reach


def _configuration_files(loaded: Loaded) -> Iterator[Path]:
    """All that is read again while we run: what is renewed mostly comes as a new file under the old name."""
    folder = loaded.folder.absolute()
    yield from _around(loaded.path.absolute())
    yield from (folder / "conf.d", *library.searched(folder))
    yield Path(library.__file__).parents[1]
    if credentials := os.environ.get("CREDENTIALS_DIRECTORY"):
        yield Path(credentials)
    configuration = loaded.configuration
    for section in (*configuration.sources.values(), *configuration.sinks.values(), configuration.status):
        for key in section.__struct_fields__:
            if key.endswith("_file") and (name := getattr(section, key)) is not None:
                yield from _around(locate(name, base=folder))


def _around(file: Path) -> Iterator[Path]:
    """The directory of a file and of what it links to, but none so wide as /etc: there the file alone."""
    for path in (file, file.resolve()):
        yield path.parent if len(path.parent.parts) > 2 else path


def _there(directory: Path) -> Iterator[Path]:
    """The directory, or while it is not there yet what it will be made in; never all there is."""
    directory = directory.resolve()
    yield from (place for place in REMOVABLE if directory.is_relative_to(place))
    while not directory.exists():
        directory = directory.parent
    if directory != Path(directory.anchor):
        yield directory


def _spool(data_dir: Path) -> Iterator[Path]:
    """Made now: a rule needs something that is there. What cannot be made, opening the spool tells and tries again."""
    with contextlib.suppress(OSError):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield from _there(data_dir)
    journal, _ = journal_directory(data_dir, quietly=True)
    yield journal
    yield from earlier_journals(data_dir, journal)
    yield from map(Path, filter(None, os.environ.get("RUNTIME_DIRECTORY", "").split(":")))


def _ports(section: model.Source | model.Sink) -> Iterator[int]:
    """TCP ports of far ends."""
    match section:
        case model.MqttSource() | model.MqttSink():
            yield from (address.parse(url).port for url in _urls(section))
        case model.SerialSource() | model.ModbusSource():
            line = _line(section)
            if isinstance(line, port.NetworkPort):
                yield line.port
        case model.HttpSink(proxy=str(proxy)):
            yield endpoint.parse_proxy(proxy).port
        case model.HttpSink():
            yield from (endpoint.parse(url).port for url in _urls(section))


def _line(section: model.SerialSource | model.ModbusSource) -> port.Port:
    if isinstance(section, model.ModbusSource) and section.url is not None:
        return port.parse_tcp(section.url)
    return port.parse(section.port or "")


def _urls(section: model.Source | model.Sink) -> list[str]:
    match section:
        case model.MqttSource():
            return [section.url]
        case model.MqttSink() | model.HttpSink():
            return [section.url] if section.url is not None else list(section.urls or ())
    return []
