"""The schema, a step a file: `1.sql` makes it, each later one takes it a version further."""

from importlib import resources


def scripts() -> list[str]:
    """The steps in order; a database of version N has seen the first N."""
    files = {
        int(file.name.removesuffix(".sql")): file
        for file in resources.files(__name__).iterdir()
        if file.name.endswith(".sql")
    }
    return [files[version].read_text() for version in sorted(files)]
