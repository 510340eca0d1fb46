"""Puts the help of every command into docs/cli.md, as click prints it for 80 columns."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from vecstore.cli import cli

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
BLOCK = re.compile(r"(<!-- help: ([^>]+) -->\n\n```text\n).*?(^```$)", re.DOTALL | re.MULTILINE)


def helps(
    command: click.Command = cli, name: str = "vecstore", parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Yield each command, as it is typed, with its help."""
    ctx = click.Context(
        command, parent, info_name=name, terminal_width=80, **command.context_settings
    )
    yield ctx.command_path, command.get_help(ctx)
    if isinstance(command, click.Group):
        for child in command.list_commands(ctx):
            found = command.get_command(ctx, child)
            assert found is not None
            yield from helps(found, child, ctx)


def with_helps(page: str) -> str:
    """Return a page with the help of a command in each block that is marked for it."""
    texts = dict(helps())
    return BLOCK.sub(lambda block: f"{block[1]}{texts[block[2]].strip()}\n{block[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(with_helps(PAGE.read_text("utf-8")), "utf-8")
