"""The commands as argparse knows them."""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from collector.cli import command_line


class Command(NamedTuple):
    path: tuple[str, ...]
    """Empty for the command itself."""
    help: str
    """The line in the list of commands."""
    parser: argparse.ArgumentParser

    @property
    def options(self) -> list[argparse.Action]:
        """Options, then positional arguments; --help left out."""
        actions = [
            a for a in self.parser._actions if not isinstance(a, (argparse._HelpAction, argparse._SubParsersAction))
        ]
        return sorted(actions, key=lambda action: not action.option_strings)

    @property
    def verbs(self) -> list[str]:
        return [name for action in _subparsers(self.parser) for name in action.choices]


def commands() -> Iterator[Command]:
    """In the order of --help, each before those below it."""
    yield from _below((), "", command_line())


def _below(path: tuple[str, ...], help: str, parser: argparse.ArgumentParser) -> Iterator[Command]:
    yield Command(path, help, parser)
    for action in _subparsers(parser):
        helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, child in action.choices.items():
            yield from _below((*path, name), helps.get(name, ""), child)


def _subparsers(parser: argparse.ArgumentParser) -> Iterator["argparse._SubParsersAction[argparse.ArgumentParser]"]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield action
