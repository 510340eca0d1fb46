"""The command `vecstore`: one file for each group of commands, and one way out for errors."""

import sys

import click
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]

from .. import __version__
from ..errors import VecstoreError
from .collections import collections


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vecstore")
def cli() -> None:
    """Embeddings in a SQLite file, and semantic search in them."""


cli.add_command(collections)


def main() -> None:
    """Run the command; what goes wrong is one line on stderr, and the exit status 1."""
    try:
        cli(prog_name="vecstore")
    except (VecstoreError, sqlite3.Error) as error:
        click.echo(f"Error: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
