"""Text as man(7) wants it."""

import re
from collections.abc import Sequence

from collector import __version__


def escape(text: str) -> str:
    """`code` becomes bold. A line that begins with a control character is shielded."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def header(name: str, section: int, what: str) -> list[str]:
    return [
        f'.TH {name.upper()} {section} "" "Edge Collector {__version__}" "Edge Collector"',
        ".SH NAME",
        f"{name} \\- {what}",
    ]


def paragraph(text: str) -> list[str]:
    return [".PP", escape(text)]


def term(what: str, *lines: str) -> list[str]:
    """A definition: `what` in bold unless it brings its own fonts, then what it is."""
    return [".TP", what if "\\f" in what else f"\\fB{escape(what)}\\fR", *map(escape, lines)]


def page(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
