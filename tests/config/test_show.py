from pathlib import Path

from collector.config.load import load
from collector.config.model import Configuration, MqttSource
from collector.config.show import show

from .files import loaded
from .test_load import DESIGN_EXAMPLE


def test_what_is_shown_loads_to_the_same_configuration(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, DESIGN_EXAMPLE).configuration
    shown = tmp_path / "shown.toml"
    shown.write_text(show(configuration))
    assert load(shown).configuration == configuration


def test_defaults_are_shown_in_human_units() -> None:
    text = show(Configuration())
    for line in ('max_bytes = "256 MiB"', 'linger = "20ms"', 'clock_wait = "2m"', 'listen = "127.0.0.1:8080"'):
        assert line in text.splitlines()


def test_strings_are_escaped(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, "[collector]\nid = 'a\"b\\c é'").configuration
    shown = tmp_path / "shown.toml"
    shown.write_text(show(configuration))
    assert load(shown).configuration.collector.id == 'a"b\\c é'


def test_a_password_in_a_url_is_masked_even_where_nothing_checked_it() -> None:
    source = MqttSource(url="mqtt://u:hun@ter2@h:1", topics=["a"], profile="json-lines", password_file="pw")
    text = show(Configuration(sources={"a": source}))
    assert 'url = "mqtt://***@h:1"' in text
    assert 'password_file = "pw"' in text
    assert "hun" not in text and "ter2" not in text
