"""Modbus devices by an independent library (pymodbus), on a bus of pseudo-terminals or behind TCP."""

import asyncio
import contextlib
import os
import struct
import tty
from collections.abc import AsyncIterator, Sequence

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

Slaves = dict[int, dict[int, float]]
"""Address -> input register -> the float32 that begins there; registers beside them are not there."""


def floats(values: Sequence[float], first: int = 0) -> dict[int, float]:
    return {first + 2 * at: value for at, value in enumerate(values)}


def context(slaves: Slaves) -> ModbusServerContext:
    return ModbusServerContext(slaves={address: _slave(values) for address, values in slaves.items()}, single=False)


def _slave(values: dict[int, float]) -> ModbusSlaveContext:
    words = {}
    for register, value in values.items():
        # pymodbus counts registers from 1.
        words[register + 1], words[register + 2] = struct.unpack(">HH", struct.pack(">f", value))
    return ModbusSlaveContext(ir=ModbusSparseDataBlock(words), hr=ModbusSparseDataBlock(words))


class Cable:
    """Two pseudo-terminals, joined: `port` is the collector's end, `far` the devices'."""

    def __init__(self) -> None:
        self._masters, self._slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
        for descriptor in (*self._masters, *self._slaves):
            tty.setraw(descriptor)
            os.set_blocking(descriptor, False)
        self.port, self.far = (os.ttyname(slave) for slave in self._slaves)
        self._closed = False
        self.sent: list[bytes] = []
        """What the collector has sent, piece by piece."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._masters[0], self._outward)
        loop.add_reader(self._masters[1], self._inward)

    def _outward(self) -> None:
        with contextlib.suppress(OSError):
            data = os.read(self._masters[0], 4096)
            self.sent.append(data)
            os.write(self._masters[1], data)

    def _inward(self) -> None:
        with contextlib.suppress(OSError):
            self.answer(os.read(self._masters[1], 4096))

    def answer(self, data: bytes) -> None:
        """What the collector is to receive."""
        os.write(self._masters[0], data)

    def close(self) -> None:
        """Pulls it out; may be called again."""
        if self._closed:
            return
        self._closed = True
        for master in self._masters:
            asyncio.get_running_loop().remove_reader(master)
        for descriptor in (*self._masters, *self._slaves):
            os.close(descriptor)


@contextlib.asynccontextmanager
async def rtu_slaves(slaves: Slaves, baudrate: int = 9600) -> AsyncIterator[Cable]:
    cable = Cable()
    server = ModbusSerialServer(
        context(slaves), framer=FramerType.RTU, port=cable.far, baudrate=baudrate, ignore_missing_slaves=True
    )
    await server.serve_forever(background=True)
    try:
        yield cable
    finally:
        await server.shutdown()
        cable.close()


@contextlib.asynccontextmanager
async def tcp_slaves(slaves: Slaves, framer: FramerType = FramerType.SOCKET) -> AsyncIterator[int]:
    """Yields the port. With the RTU framer: RTU frames over TCP."""
    server = ModbusTcpServer(context(slaves), framer=framer, address=("127.0.0.1", 0), ignore_missing_slaves=True)
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()
