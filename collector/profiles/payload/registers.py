"""Modbus registers: which there are, how to ask for them, and what a reply says."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from collector.errors import FrameError
from collector.profiles.modbus import adu, pdu
from collector.profiles.modbus.grouping import Span, group, split
from collector.profiles.modbus.pdu import FUNCTIONS, MOST_REGISTERS, RegisterTable, Request
from collector.profiles.payload.binary import BinaryField
from collector.profiles.payload.numbers import Number, NumberName
from collector.profiles.payload.value import Value, repeated
from collector.profiles.table import Table
from collector.reading import Decoded

Order = Literal["abcd", "cdab", "badc", "dcba"]
"""How the bytes of a number of several registers come, a being the most significant: word order and byte order."""
RegisterType = Literal["u16", "i16", "u32", "i32", "u64", "i64", "float32", "float64"]


class RegisterField(Value, frozen=True, kw_only=True):
    """A number in registers."""

    register: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    """The address in the request, from 0; a manual's 30001 or 40001 is 0."""
    type: RegisterType
    table: RegisterTable = "input"
    order: Order | None = None
    """Where it differs from the payload's."""
    poll: bool = True
    """False: asked for only where a source names it."""
    bits: tuple[int, int] | None = None

    @property
    def span(self) -> Span:
        return Span(FUNCTIONS[self.table], self.register, Number.named(self._number).size // 2)

    @property
    def number(self) -> BinaryField:
        """The same in a frame that holds its bytes alone, the most significant first."""
        shared = {key: getattr(self, key) for key in Value.__struct_fields__}
        return BinaryField(at=0, type=self._number, bits=self.bits, **shared)

    @property
    def _number(self) -> NumberName:
        name: Any = f"{self.type}be"
        return name  # type: ignore[no-any-return]

    def mistakes(self) -> Iterable[tuple[str, str]]:
        yield from self.number.mistakes()
        if self.span.end > 65536:
            yield "register", f"{self.type} at {self.register} goes beyond register 65535"


class RegistersPayload(Table, frozen=True, kw_only=True, tag="registers"):
    options: ClassVar[frozenset[str]] = frozenset()

    fields: list[RegisterField]
    order: Order = "abcd"
    max_registers: Annotated[int, msgspec.Meta(ge=1, le=MOST_REGISTERS)] = MOST_REGISTERS
    """The device answers no request for more."""
    max_gap: Annotated[int, msgspec.Meta(ge=0, le=MOST_REGISTERS)] = 0
    """Registers nobody wants that are asked for along, rather than making two requests of one."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.fields:
            yield "fields", "is empty: declare at least one [[payload.fields]]"
        yield from repeated((field.name for field in self.fields), "field")
        for field in self.fields:
            if field.span.quantity > self.max_registers:
                yield (
                    "max_registers",
                    f"{self.max_registers} cannot hold {field.name!r}, which has {field.span.quantity}",
                )

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        return {one.name: one.unit for one in self.fields if one.unit is not None and one.name in fields}

    def misfits(self, length: int) -> Iterable[str]:
        return ()

    def map(self, names: Collection[str] | None = None) -> "RegisterMap":
        """The fields of these names, by default those that are polled."""
        chosen = [one for one in self.fields if (one.poll if names is None else one.name in names)]
        return RegisterMap(chosen, self.order, self.max_registers, self.max_gap)

    def reader(self, request: Request | None = None) -> Callable[[bytes], list[Decoded]]:
        """Reads whole frames. Without a request it is the profile's first one with a reply of that length."""
        everything = self.map([field.name for field in self.fields])
        requests = self.requests()

        def read(frame: bytes) -> list[Decoded]:
            reply = adu.opened(frame).pdu
            if request is not None:
                return [everything.read(request, pdu.answer(request, reply))]
            function, data = pdu.registers(reply)
            for one in requests:
                if one.function == function and 2 * one.quantity == len(data):
                    return [everything.read(one, data)]
            what = f"function {function} and {len(data) // 2} registers"
            raise FrameError("request", f"this profile asks nothing that is answered by {what}; say --request")

        return read

    def requests(self) -> list[Request]:
        """Those that are sent and one for each field, in the order in which the fields are declared."""
        polled = self.map().requests
        ordered: dict[Request, None] = {}
        for field in self.fields:
            ordered |= dict.fromkeys(one for one in polled if field.span.within(one))
            ordered[field.span.request()] = None
        return list(ordered)


class RegisterMap:
    """Some fields of one kind of device, compiled."""

    def __init__(self, fields: Sequence[RegisterField], order: Order, max_registers: int, max_gap: int) -> None:
        self._spans = [field.span for field in fields]
        self._readers = [
            (field.name, field.span, _arranged(field.order or order), field.number.read_from(0), field.number.doubt())
            for field in fields
        ]
        self.requests = group(self._spans, max_registers, max_gap)
        """What to ask for to get all of them."""

    def split(self, request: Request) -> list[Request]:
        """What to ask instead where a device refuses a request for its addresses; empty where nothing is left."""
        return split(request, self._spans)

    def read(self, request: Request, data: bytes) -> Decoded:
        """Those fields that lie in the registers of a reply. Raises FrameError where none does."""
        fields: dict[str, Any] = {}
        suspect: list[str] | None = None
        for name, span, arranged, value_of, doubtful in self._readers:
            if span.within(request):
                at = 2 * (span.first - request.first)
                fields[name] = value = value_of(arranged(data[at : at + 2 * span.quantity]))
                if doubtful is not None and value is not None and doubtful(value):
                    suspect = [*(suspect or ()), name]
        if not fields:
            raise FrameError("request", f"no field of this profile lies in {request}")
        return Decoded(None, fields, None, suspect)


def _arranged(order: Order) -> Callable[[bytes], bytes]:
    """Puts the bytes of a number into the order of significance."""

    def swapped_words(data: bytes) -> bytes:
        return b"".join(data[at : at + 2] for at in range(len(data) - 2, -1, -2))

    if order == "abcd":
        return bytes
    if order == "cdab":
        return swapped_words
    if order == "dcba":
        return lambda data: data[::-1]
    return lambda data: swapped_words(data)[::-1]
