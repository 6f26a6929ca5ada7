"""Where a line is, as it is written and as it is meant."""

import pytest

from collector.config.port import NetworkPort, Port, UsbPort, parse, parse_tcp


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("/dev/serial/by-id/usb-x-if00", "/dev/serial/by-id/usb-x-if00"),
        ("usb:1A86:7523", UsbPort("1a86", "7523", None)),
        ("usb:0403:6001:A50285BI", UsbPort("0403", "6001", "A50285BI")),
        ("socket://gateway:4001", NetworkPort("socket", "gateway", 4001)),
        ("rfc2217://[fe80::1]:2217", NetworkPort("rfc2217", "fe80::1", 2217)),
    ],
)
def test_a_line(text: str, port: Port) -> None:
    assert parse(text) == port
    assert parse(str(port)) == port


def test_modbus_tcp_has_a_port_of_its_own() -> None:
    assert parse_tcp("tcp://inverter") == NetworkPort("tcp", "inverter", 502)
    assert str(parse_tcp("tcp://inverter:1502")) == "tcp://inverter:1502"


@pytest.mark.parametrize("text", ["", "ttyUSB0", "usb:", "usb:xyz:1", "socket://h", "socket://u@h:1", "http://h:1"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|give"):
        parse(text)
