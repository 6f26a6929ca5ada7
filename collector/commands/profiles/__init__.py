"""`edge-collector profiles ...`: look into firmware profiles, and try them on captured and on live bytes."""

import argparse

from collector.commands.profiles import catalogue, decode, new, show, sniff, trial


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the verb; each verb below it sets `func`: the arguments in, the exit code out."""
    verbs = subparsers.add_parser("profiles", help="firmware profiles").add_subparsers(metavar="COMMAND", required=True)
    for module in (catalogue, show, trial, decode, sniff, new):
        module.add_to(verbs)
