"""Options that several commands have, and how a command gets many of them as one object."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click_default_group import DefaultGroup

from ..postgres_url import is_url, refuse_misspelt
from ..settings import DatabaseName, default_database

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


class _Database(click.Path):
    """A SQLite file, as a Path, or the URL of a PostgreSQL database, as it is given."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        refuse_misspelt(value)
        return value if is_url(value) else super().convert(value, param, ctx)


DATABASE: Any = _Database()


class ListByDefault(DefaultGroup):  # type: ignore[misc]
    """A group whose command `list` is run where none is named."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, default="list", default_if_no_args=True, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # A shell that completes the command is still to be told all of them.
        self.default_if_no_args = not ctx.resilient_parsing
        rest: list[str] = super().parse_args(ctx, args)
        return rest


database_option = click.option(
    "-d",
    "--database",
    type=DATABASE,
    metavar="FILE",
    default=default_database,
    help="The SQLite file, or the URL of a PostgreSQL database, postgresql://...; by default "
    "$VECSTORE_DB or else that of 'vecstore collections path'.",
)

json_option = click.option("as_json", "--json", is_flag=True, help="Print JSON.")

model_option = click.option(
    "-m",
    "--model",
    metavar="MODEL",
    help="The id or alias of a model, by default $VECSTORE_EMBEDDING_MODEL or else that of "
    "'vecstore embed-models default'.",
)

key_option = click.option(
    "--key", metavar="KEY", help="The model's API key, in place of the one in the environment."
)

batch_size_option = click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="Entries that are embedded by one request, and written in one transaction.",
)

concurrency_option = click.option(
    "--concurrency",
    type=click.IntRange(1),
    metavar="N",
    help="Requests at once. By default what the model says: 8 for OpenAI's, 1 for local ones.",
)

store_option = click.option(
    "--store", is_flag=True, help="Store the content itself beside its vector."
)

condition_options = (
    click.option("--prefix", metavar="TEXT", help="Only ids that start with this text."),
    click.option(
        "--where",
        metavar="SQL",
        help="Only rows of the table embeddings that meet this condition.",
    ),
    click.option(
        "--param",
        "where_args",
        type=(str, str),
        multiple=True,
        callback=lambda _ctx, _param, pairs: dict(pairs),
        metavar="NAME VALUE",
        help="A text for :NAME in the condition; may be given many times.",
    ),
)


def add_options(command: Command, options: Sequence[Decorator]) -> Command:
    """Add options to a command, whose help lists them in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def gather_options(command: Command, parameter: str, kind: type[Any]) -> Command:
    """Give a command one object, of a dataclass, in place of the options named as its fields.

    :param parameter: that gets the object
    """
    names = [field.name for field in fields(kind)]

    @wraps(command)
    def call_with_object(**given: Any) -> None:
        gathered = kind(**{name: given.pop(name) for name in names})
        command(**given, **{parameter: gathered})

    return call_with_object


def add_database_argument(command: Command) -> Command:
    """Add the argument DB, which can be given as -d as well."""
    options = (
        click.argument(
            "database",
            metavar="[DB]",
            type=DATABASE,
            required=False,
            callback=_choose_database,
        ),
        click.option(
            "named",
            "-d",
            "--database",
            type=DATABASE,
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_remember_named,
            help="The SQLite file, or the URL of a PostgreSQL database, as DB; by default "
            "$VECSTORE_DB or else that of 'vecstore collections path'.",
        ),
    )
    return add_options(command, options)


def _remember_named(ctx: click.Context, param: click.Parameter, value: DatabaseName | None) -> None:
    ctx.meta[str(param.name)] = value


def _choose_database(
    ctx: click.Context, _param: click.Parameter, value: DatabaseName | None
) -> DatabaseName:
    named = ctx.meta["named"]
    if named and value:
        raise click.UsageError("Name the database once: as DB, or with -d")
    return value or named or default_database()
