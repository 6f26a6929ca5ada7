"""Modbus sources judged against the profiles of their devices."""

from collections.abc import Sequence

from collector.config.findings import Findings, Key, quoted
from collector.config.model import ModbusSource
from collector.profiles.framing.modbus import ModbusFraming
from collector.profiles.modbus import adu
from collector.profiles.profile import Profile, SerialSettings

LAST_ADDRESS = 247
"""Those beyond are reserved (Modbus over Serial Line V1.02, 2.2)."""

_REQUEST = 8
"""Bytes of a request on the line."""


def source(source: ModbusSource, profiles: Sequence[Profile | None], key: Key, findings: Findings) -> None:
    """`profiles`: of each device, None where it has none."""
    for place, profile in enumerate(profiles):
        if profile is not None:
            _device(source, place, profile, (*key, "devices", place), findings)
    known = [profile for profile in profiles if profile is not None]
    if source.port is None or not known:
        return
    rates = sorted({profile.serial.baudrate for profile in known if profile.serial is not None})
    if source.baudrate is None and len(rates) != 1:
        fault = f"missing, and the profiles say {', '.join(map(str, rates)) or 'none'}"
        findings.mistake((*key, "baudrate"), f"{fault}; give what all devices are set to")
    else:
        _load(source, profiles, line_of(source, known), key, findings)


def line_of(source: ModbusSource, profiles: Sequence[Profile]) -> SerialSettings:
    """What the line is set to: what the source says, else what the first profile does."""
    said = {key: getattr(source, key) for key in ("baudrate", "bytesize", "parity", "stopbits", "dtr", "rts")}
    said = {key: value for key, value in said.items() if value is not None}
    declared = next((profile.serial for profile in profiles if profile.serial is not None), None)
    shared = {key: getattr(declared, key) for key in declared.__struct_fields__} if declared is not None else {}
    return SerialSettings(**({"baudrate": 9600} | shared | said))


def _device(source: ModbusSource, place: int, profile: Profile, key: Key, findings: Findings) -> None:
    device, registers = source.devices[place], profile.registers
    if registers is None:
        fault = f"{quoted(device.profile)} is not one of a Modbus device"
        findings.mistake((*key, "profile"), f"{fault}; profiles list shows which are")
        return
    names = {field.name for field in registers.fields}
    for at, name in enumerate(device.fields or ()):
        if name not in names:
            known = f"edge-collector profiles show {profile.id} names them"
            findings.mistake((*key, "fields", at), f"no field {quoted(name)} in profile {quoted(profile.id)}; {known}")
    if source.url is None and not 1 <= device.address <= LAST_ADDRESS:
        framing = profile.declaration.framing
        if not isinstance(framing, ModbusFraming) or device.address != framing.any_address:
            findings.mistake((*key, "address"), f"{device.address} is no device's; give 1 to {LAST_ADDRESS}")
        elif len(source.devices) > 1:
            fault = f"{device.address} means any device, and there are {len(source.devices)} on this line"
            findings.mistake((*key, "address"), f"{fault}; give its own")


def _load(
    source: ModbusSource, profiles: Sequence[Profile | None], line: SerialSettings, key: Key, findings: Findings
) -> None:
    """Warns where the line cannot carry what is asked: beats are skipped then."""
    share = 0.0
    for device, profile in zip(source.devices, profiles, strict=True):
        if profile is not None and profile.registers is not None:
            for request in profile.registers.map(device.fields).requests:
                characters = _REQUEST + adu.RTU_AROUND + request.reply_size + 2 * 3.5
                share += (characters * line.character + source.turnaround) / device.interval
    if share > 1:
        fault = f"take {share:.0%} of the line's time at {line.baudrate} baud, so some are skipped"
        findings.warn((*key, "devices"), f"their intervals {fault}; lengthen them, or ask for fewer fields")
