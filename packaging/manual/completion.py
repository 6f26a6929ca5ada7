"""Completion for bash, from the parser."""

import parser

SCRIPT = """\
# bash completion for edge-collector, written from its parser
_edge_collector() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} path="" word words
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$path/$word" in
            {paths}) path="$path/$word" ;;
        esac
    done
    case "$path" in
{cases}
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _edge_collector edge-collector
"""


def script() -> str:
    """What is no verb and no option falls to bash's own completion of file names."""
    commands = list(parser.commands())
    paths = " | ".join("/" + "/".join(command.path) for command in commands if command.path)
    cases = "\n".join(
        f'        "{"".join("/" + verb for verb in command.path)}") words="{" ".join(_words(command))}" ;;'
        for command in commands
    )
    return SCRIPT.format(paths=paths, cases=cases)


def _words(command: parser.Command) -> list[str]:
    return [*command.verbs, *(name for option in command.options for name in option.option_strings), "--help"]
