"""`vecstore delete`: entries and documents of a collection, by their ids or by conditions."""

import sys
from dataclasses import dataclass

import click

from ..collection import Collection, store_of
from ..settings import DatabaseName
from ..values import describe_count, quote
from .databases import open_existing_collection, show_name
from .options import Command, add_options, condition_options, database_option, gather_options


@dataclass(frozen=True)
class _Chosen:
    """Which entries are meant: all that is given must fit."""

    ids: tuple[str, ...]
    prefix: str | None
    where: str | None
    where_args: dict[str, str]

    def refuse_what_is_none(self) -> None:
        """Raise UsageError where nothing is given, or what is empty: a shell's variable may be."""
        for name, value in (("--prefix", self.prefix), ("--where", self.where)):
            if value is not None and not value.strip():
                raise click.UsageError(f"{name} is empty: leave it out, or give it a value")
        if not (self.ids or self.prefix or self.where):
            raise click.UsageError(
                "Which entries? Give their ids, --prefix or --where; 'vecstore collections delete' "
                "deletes a collection with all its entries"
            )

    def find_missing(self, collection: Collection) -> list[str]:
        """Return those of the ids that are of no entry, and of no document."""
        return [id for id in dict.fromkeys(self.ids) if not _find_entries(collection, id)]

    def find(self, collection: Collection) -> list[str]:
        """Return the ids of the entries that there are now."""
        named = {entry for id in self.ids for entry in _find_entries(collection, id)}
        if not (self.prefix or self.where or self.where_args):
            return sorted(named)
        found = collection.ids(self.prefix, self.where, self.where_args)
        return [id for id in found if id in named] if self.ids else found


def _find_entries(collection: Collection, id: str) -> list[str]:
    """Return the ids of the entry and of the chunks of the document that have this one."""
    chunks = store_of(collection).chunk_ids(collection.row, id)
    return [id, *chunks] if id in collection else chunks


def _add_conditions(command: Command) -> Command:
    ids = click.argument("ids", metavar="[ID]...", nargs=-1)
    return add_options(gather_options(command, "chosen", _Chosen), (ids, *condition_options))


@click.command()
@click.argument("collection")
@_add_conditions
@click.option("--dry-run", is_flag=True, help="Print the ids, one a line, and delete nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@database_option
def delete(
    collection: str, chosen: _Chosen, dry_run: bool, yes: bool, database: DatabaseName
) -> None:
    """Delete entries or documents of a collection.

    \b
      vecstore delete pets cat hound --yes
      vecstore delete pets --prefix drafts/ --dry-run
      vecstore delete pets --where "content like :text" --param text "%dog%"

    An ID is that of an entry, or of a document with all its chunks. Where IDs and conditions are
    given, what meets all of them is deleted. Asks first, unless standard input is no terminal. An
    ID that is not there is an error, when the others are deleted.
    """
    chosen.refuse_what_is_none()
    with open_existing_collection(database, collection) as opened:
        missing = chosen.find_missing(opened)
        found = chosen.find(opened)
        if dry_run:
            click.echo("".join(f"{id}\n" for id in found), nl=False)
            click.echo(f"{describe_count(len(found), 'entry')} to delete", err=True)
        else:
            if found and not yes and sys.stdin is not None and sys.stdin.isatty():
                entries = describe_count(len(found), "entry")
                place = show_name(database)
                question = f"Delete {entries} of {quote(collection)} from {place}?"
                click.confirm(question, abort=True, err=True)
            click.echo(f"{_delete(opened, chosen, found):,} deleted")
    if missing:
        raise click.ClickException(_describe_missing(collection, missing))


def _delete(collection: Collection, chosen: _Chosen, found: list[str]) -> int:
    """Delete, of what was found, what is still meant, as one transaction; return how many."""
    if not found:
        return 0
    with store_of(collection).writing():
        return collection.delete_ids(set(found).intersection(chosen.find(collection)))


def _describe_missing(collection: str, missing: list[str]) -> str:
    more = f" and {len(missing) - 1:,} more" * (len(missing) > 1)
    return f"{quote(collection)} has no entry or document {quote(missing[0])}{more}"
