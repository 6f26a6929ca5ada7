"""Messages: each is a frame as it comes."""

from collector.profiles.checksum import Checksum
from collector.profiles.framing.message import MessageFraming


def test_each_message_is_a_frame() -> None:
    messages = MessageFraming().framer(None)
    assert messages.feed(b"a\nb") == [b"a\nb"]
    assert messages.feed(b"") == [b""]
    assert messages.end() == []


def test_checksum() -> None:
    messages = MessageFraming().framer(Checksum(type="sum8", over=(0, -1), at=-1).verifier())
    assert messages.feed(b"\x01\x02\x03") == [b"\x01\x02\x03"]
    assert messages.feed(b"\x01\x02\x04") == []
    assert messages.refused == {"checksum": 1}
    assert messages.garbage_bytes == 3
