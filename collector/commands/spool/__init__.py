"""`edge-collector spool ...`: what waits for the sinks, what they refused, and what to do about it."""

import argparse

from collector.commands.spool import dead, export, forget, requeue, stats


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the verb; each verb below it sets `func`: the arguments in, the exit code out."""
    verbs = subparsers.add_parser(
        "spool",
        help="what waits for the sinks, what they refused, and what to do about it",
        description="Asks the running collector; while none runs, opens its spool, and none can start meanwhile.",
    ).add_subparsers(metavar="COMMAND", required=True)
    for module in (stats, export, dead, requeue, forget):
        module.add_to(verbs)
