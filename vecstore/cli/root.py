"""The command `vecstore`: all commands together, and one way out for errors."""

import importlib
import io
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import VecstoreError
from ..standard_sqlite import sqlite3
from .load_interrupts import INTERRUPTED

# Where each command is. Only that one is imported: all of them take as long as a search.
_MODULES = {
    "backup": "maintenance",
    "check": "maintenance",
    "collections": "collections",
    "compact": "maintenance",
    "delete": "delete",
    "embed": "embed",
    "embed-models": "embed_models",
    "embed-multi": "embed_multi",
    "extension-path": "shell",
    "index": "index",
    "pull": "push_pull",
    "push": "push_pull",
    "postgres": "postgres",
    "related": "related",
    "search": "search",
    "shell": "shell",
    "similar": "similar",
    "sync": "sync",
}


class ErrorsInOneLine(click.Group):
    """A group in which what goes wrong is one line on stderr, and the exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # What a database holds may be more than the terminal's encoding can show.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except (KeyboardInterrupt, click.Abort) as error:
            # click makes an Abort of ^C at a prompt, and of a plain "no" as well.
            cause = error.__context__ if isinstance(error, click.Abort) else error
            if not isinstance(cause, KeyboardInterrupt):
                raise
            on_terminal = sys.stderr is not None and sys.stderr.isatty()  # which has shown "^C"
            click.echo("\n" * on_terminal + "Interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            raise click.ClickException(" ".join(_describe_error(error).split())) from error


class _Commands(ErrorsInOneLine):
    """The commands of vecstore, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the name is click's
        return [*_MODULES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(f".{_MODULES[cmd_name]}", __package__)
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


def _describe_error(error: Exception) -> str:
    if isinstance(error, VecstoreError | sqlite3.Error):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    # Not foreseen: where it was raised, so that it can be reported.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"({Path(frame.filename).name}, line {frame.lineno})"
    return f"{type(error).__name__}: {error} {place}"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vecstore")
def cli() -> None:
    """Embeddings in a SQLite file or in PostgreSQL, and semantic search in them.

    \b
      vecstore embed-models default local
      vecstore embed pets hound --store -c "my happy hound"
      vecstore embed pets cat --store -c "my dissatisfied cat"
      vecstore similar pets -c "a dog in a good mood"

    \b
    Environment variables:
      VECSTORE_DB               the file or postgresql:// URL, instead of -d
      VECSTORE_EMBEDDING_MODEL  the default model
      VECSTORE_USER_PATH        the folder of the default file and of settings
    """


def main() -> None:
    """Run the command."""
    cli(prog_name="vecstore")
