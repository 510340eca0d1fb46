"""What one command embeds: a text, a file or standard input."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from .options import Command, add_options, gather_options


@dataclass(frozen=True)
class ContentOptions:
    """What -c, -i and --binary say."""

    content: str | None
    input: str | None
    binary: bool

    @property
    def is_given(self) -> bool:
        """Whether an option names the content. Standard input has it otherwise."""
        return self.content is not None or self.input is not None

    def read(self) -> str | bytes:
        """Return what is to be embedded: a text, or what a file or standard input holds."""
        file = self.input or "-"
        value = _read_file(file, self.binary) if self.content is None else self.content
        if not value:
            raise click.ClickException("No content provided")
        return value


def add_content_options(command: Command) -> Command:
    """Add -c, -i and --binary to a command, which gets them as `content`, a ContentOptions."""
    options = (
        click.option("-c", "--content", metavar="TEXT", help="A text to embed."),
        click.option(
            "-i",
            "--input",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True),
            metavar="FILE",
            help="A file to embed; '-' is standard input.",
        ),
        click.option("--binary", is_flag=True, help="Read bytes, not text, from FILE or '-'."),
    )
    return add_options(gather_options(command, "content", ContentOptions), options)


def open_standard_input() -> BinaryIO:
    """Return the bytes of standard input, which a program that is started without it lacks."""
    if sys.stdin is None:
        raise click.UsageError("Standard input is closed: there is nothing to read")
    return sys.stdin.buffer


def _read_file(file: str, binary: bool) -> str | bytes:
    data = open_standard_input().read() if file == "-" else Path(file).read_bytes()
    if binary:
        return data
    try:
        # As text is read everywhere else, and by llm, whose hash of it then is the same.
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        name = "Standard input" if file == "-" else file
        raise click.ClickException(
            f"{name} is not UTF-8 text (byte {data[error.start]:#04x} at position {error.start}): "
            "convert it, or embed it as it is with --binary, if the model takes bytes"
        ) from None
