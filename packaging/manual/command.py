"""edge-collector(1), from the parser and README's table of exit codes."""

import argparse
import re
from pathlib import Path

import parser
import roff

README = Path(__file__).parent.parent.parent / "README.md"

FILES = (
    ("/etc/edge-collector/collector.toml", "The configuration, see edge-collector.toml(5)."),
    ("/etc/edge-collector/conf.d/*.toml", "More of it, read after it in the order of their names."),
    ("/etc/edge-collector/credentials/", "Passwords, tokens and keys, for root and the service alone."),
    ("/etc/edge-collector/firmware_profiles/", "Profiles of your own; one of the same name takes the place of ours."),
    ("/var/lib/edge-collector/", "The spool."),
    ("/run/edge-collector/", "The tail journal, and the socket that the spool commands use."),
)

ENVIRONMENT = (
    ("CREDENTIALS_DIRECTORY", "Where secret files are looked up first, see systemd.exec(5)."),
    ("RUNTIME_DIRECTORY", "The place of the tail journal; without it, a directory below /dev/shm."),
    ("NO_COLOR", "Text on a terminal without colours."),
)


def page() -> str:
    main, *verbs = parser.commands()
    assert main.parser.description is not None
    lines = roff.header("edge-collector", 1, "brings every reading of its sensors to the cloud")
    lines += [".SH SYNOPSIS", ".B edge\\-collector", "\\fIVERB\\fR [\\fIoption\\fR ...]"]
    lines += [".SH DESCRIPTION", roff.escape(main.parser.description)]
    lines += roff.paragraph(
        "Nothing is lost and nothing comes twice, however often the uplink, the power or the process fails in between."
    )
    lines += [".SH COMMANDS"]
    for verb in verbs:
        lines += [".SS " + roff.escape(" ".join(verb.path)), *_command(verb)]
    lines += [".SH EXIT STATUS"]
    for code, meaning in exit_codes():
        lines += roff.term(code, meaning)
    for title, terms in (("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)):
        lines += [f".SH {title}"]
        for what, meaning in terms:
            lines += roff.term(what, meaning)
    lines += [".SH SEE ALSO", ".BR edge\\-collector.toml (5),", ".BR journalctl (1)"]
    lines += roff.paragraph("The README below /usr/share/doc/edge-collector tells what each failure costs.")
    return roff.page(lines)


def _command(command: parser.Command) -> list[str]:
    lines = [] if command.verbs else ["\\fB" + roff.escape(_usage(command.parser)) + "\\fR", ".PP"]
    description = command.parser.description or command.help[:1].upper() + command.help[1:].rstrip(".") + "."
    lines += [roff.escape(description)]
    for option in command.options:
        lines += roff.term(_forms(option), _meaning(option))
    return lines


def _usage(of: argparse.ArgumentParser) -> str:
    return " ".join(of.format_usage().removeprefix("usage: ").replace(" [-h]", "").split())


def _forms(option: argparse.Action) -> str:
    value = option.metavar or (option.dest.upper() if option.nargs != 0 else "")
    value = " ".join(value) if isinstance(value, tuple) else value
    if not option.option_strings:
        return f"\\fI{roff.escape(value)}\\fR"
    names = ", ".join(f"\\fB{roff.escape(name)}\\fR" for name in option.option_strings)
    return f"{names} \\fI{roff.escape(value)}\\fR" if option.nargs != 0 else names


def _meaning(option: argparse.Action) -> str:
    text = (option.help or "") % {"default": option.default, "prog": "edge-collector"}
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def exit_codes() -> list[tuple[str, str]]:
    """README's table."""
    table = re.search(r"^\| Exit code \| \|\n\|---\|---\|\n((?:\|.*\n)+)", README.read_text("utf-8"), re.MULTILINE)
    assert table is not None, "README has no table of exit codes"
    rows = (row.strip("| ").split(" | ", 1) for row in table[1].splitlines())
    return [(code, meaning[:1].upper() + meaning[1:] + ".") for code, meaning in rows]
