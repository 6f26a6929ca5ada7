"""What README.md shows of the profiles is what is there."""

import re
from pathlib import Path

from collector.commands.profiles.catalogue import markdown, table
from collector.profiles import builtin_folder

README = Path(__file__).parent.parent / "README.md"


def test_the_table_of_profiles_is_the_folder() -> None:
    """Renew it with: edge-collector profiles list --markdown"""
    shown = re.findall(r"<!-- profiles[^>]*-->\n(.*?)<!-- /profiles -->", README.read_text("utf-8"), re.DOTALL)
    rows, mistakes = table([builtin_folder()])
    assert mistakes == []
    assert shown == [markdown(rows)]
