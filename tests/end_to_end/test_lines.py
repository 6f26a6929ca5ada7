"""Lines as the daemon has them in the field, its sandbox closed: meters on a bus, and an adapter that comes back."""

import asyncio
import contextlib
import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

from tests.end_to_end.rig import Rig, until
from tests.sources.modbus_slaves import floats, rtu_slaves, tcp_slaves


class Adapter:
    """A pseudo-terminal under the name that udev would give it, whatever the kernel calls it."""

    def __init__(self, link: Path) -> None:
        self.device, slave = os.openpty()
        tty.setraw(slave)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        os.close(slave)

    def unplug(self) -> None:
        os.close(self.device)


def test_an_adapter_that_comes_back_under_another_name_is_read_on(tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    adapter = Adapter(link)
    source = f"""
    [sources.line]
    type = "serial"
    port = "{link}"
    profile = "json-lines"
    backoff = {{ min = "100ms", max = "200ms" }}
    """
    with Rig(tmp_path, extra=source) as rig:
        for turn in range(3):
            until(lambda: rig.status()["sources"]["line"]["connected"], "the line")
            os.write(adapter.device, b'{"turn": %d}\n' % turn)
            until(lambda turn=turn: rig.status()["sources"]["line"]["readings"] == turn + 1, "the reading")
            adapter.unplug()
            until(lambda: not rig.status()["sources"]["line"]["connected"], "the loss")
            adapter = Adapter(link)
        adapter.unplug()


@contextlib.contextmanager
def slaves() -> Iterator[tuple[str, int]]:
    """A line with slave 1 and none with address 2, and the TCP port of unit 1."""
    places: Queue[tuple[str, int]] = Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        meter = {1: floats([230.5, 0, 0, 1.5])}
        async with rtu_slaves(meter) as cable, tcp_slaves(meter) as port:
            places.put((cable.port, port))
            await stop.wait()

    serving = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    serving.start()
    try:
        yield places.get(timeout=10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        serving.join(10)
        loop.close()


def test_meters_on_a_bus_and_behind_tcp(tmp_path: Path) -> None:
    meter = 'profile = "eastron-sdm120", interval = "200ms", fields = ["voltage", "current"]'
    with slaves() as (line, port):
        sources = f"""
        [sources.bus]
        type = "modbus"
        port = "{line}"
        baudrate = 9600
        timeout = "100ms"
        devices = [{{ address = 1, name = "house", {meter} }}, {{ address = 2, name = "cellar", {meter} }}]
        [sources.gateway]
        type = "modbus"
        url = "tcp://127.0.0.1:{port}"
        devices = [{{ address = 1, {meter} }}]
        """
        with Rig(tmp_path, extra=sources) as rig:
            until(lambda: rig.status()["sources"]["bus"]["readings"] >= 5, "readings of the bus")
            until(lambda: rig.status()["sources"]["gateway"]["readings"] >= 5, "readings of the gateway")
            bus, gateway = (rig.status()["sources"][name] for name in ("bus", "gateway"))
            _, metrics = rig.get("/metrics")
            log = rig.daemon.log.read_text()
    assert bus["latest"]["device"] == "house" and bus["latest"]["fields"] == {"voltage": 230.5, "current": 1.5}
    assert gateway["latest"]["device"] == "gateway-1"
    assert bus["devices"]["house"] is None and "no answer in 0.1 s; asked 3 times" in bus["devices"]["cellar"]
    assert 'edge_collector_device_answering{device="cellar",source="bus"} 0.0' in metrics
    assert 'edge_collector_device_answering{device="house",source="bus"} 1.0' in metrics
    assert 'edge_collector_frames_invalid_total{reason="timeout",source="bus"} 3.0' in metrics
    assert log.count("source bus: device cellar: no answer") == 1
