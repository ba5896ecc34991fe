"""`linpot completion`: what a shell needs to complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from linpot.cli.options import verbosity_options
from linpot.errors import InputError

SHELLS = ("bash", "zsh", "fish")
_WHERE = {
    "bash": 'eval "$(linpot completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(linpot completion zsh)" in ~/.zshrc',
    "fish": "linpot completion fish > ~/.config/fish/completions/linpot.fish",
}


@click.command(
    help="Print the script that makes SHELL complete linpot's commands, options and files.\n\n\b\n"
    + "\n".join(_WHERE.values())
)
@click.argument("shell", type=click.Choice(SHELLS))
@verbosity_options
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script of a shell."""
    made = get_completion_class(shell)
    if made is None:
        raise InputError(f"`shell` must be one of {', '.join(SHELLS)}, got {shell!r}")
    click.echo(made(ctx.find_root().command, {}, "linpot", "_LINPOT_COMPLETE").source())
