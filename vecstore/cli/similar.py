"""`vecstore similar`: a search, as JSON, as text, or as a table."""

import json
import shutil
import textwrap
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from ..entries import Entry
from .content import ContentOptions, add_content_options
from .databases import open_existing_collection
from .options import Command, add_options, database_option, gather_options, key_option


@dataclass(frozen=True)
class _SearchOptions:
    """The options that become parameters of `Collection.explain()`."""

    number: int
    prefix: str | None
    where: str | None
    where_args: dict[str, str]
    min_score: float | None
    exact: bool


def _add_search_options(command: Command) -> Command:
    """Add the options to a command, which gets them as `search`."""
    options = (
        click.option(
            "-n",
            "--number",
            type=int,
            default=10,
            show_default=True,
            help="How many entries to return.",
        ),
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
        click.option("--min-score", type=float, help="Only entries with at least this score."),
        click.option("--exact", is_flag=True, help="Miss nothing in a large collection; slower."),
    )
    return add_options(gather_options(command, "search", _SearchOptions), options)


@click.command()
@click.argument("collection")
@click.argument("id", required=False)
@add_content_options
@_add_search_options
@click.option("-p", "--plain", is_flag=True, help="Print text, not JSON.")
@click.option("--table", is_flag=True, help="Print a table as wide as the terminal.")
@click.option("--explain", is_flag=True, help="Print how the search was done: plan, times, SQL.")
@key_option
@database_option
def similar(
    collection: str,
    id: str | None,
    content: ContentOptions,
    search: _SearchOptions,
    plain: bool,
    table: bool,
    explain: bool,
    key: str | None,
    database: Path,
) -> None:
    """Find what is most similar to a text, a file or an entry.

    \b
      vecstore similar pets -c "a dog in a good mood" -n 3
      vecstore similar pets hound --table
      vecstore similar pets -i letter.txt --prefix c
      vecstore similar pets hound --where "length(content) > 10" --exact

    One JSON object a line: id, score, content and metadata, the most similar first. The score is
    the cosine similarity, up to 1.0. A search needs the model of the collection; a search for the
    entries like one that is stored, by its ID, needs none.
    """
    if plain + table + explain > 1:
        raise click.UsageError("--plain, --table and --explain cannot be used together")
    if id and content.is_given:
        raise click.UsageError("Search for an ID or for content (-c, -i), not both")
    if not id and not content.is_given:
        raise click.ClickException("Must provide content or an ID for the comparison")
    with open_existing_collection(database, collection) as opened:
        value = None if id else content.read()
        vector = None if value is None else opened.model().embed(value, key=key)
        found = opened.explain(vector, id=id, **asdict(search))
    if explain:
        click.echo(found)
    elif table:
        _print_table(found.entries)
    else:
        for entry in found.entries:
            _print_plain(entry) if plain else click.echo(json.dumps(asdict(entry)))


def _print_plain(entry: Entry) -> None:
    click.echo(f"{entry.id} ({entry.score})\n")
    if entry.content:
        click.echo(textwrap.indent(entry.content, "  "))
    if entry.metadata:
        click.echo(textwrap.indent(json.dumps(entry.metadata), "  "))
    click.echo("")


def _print_table(entries: list[Entry]) -> None:
    if not entries:
        return
    width = shutil.get_terminal_size().columns
    ids = [_cut_text(entry.id, width // 2) for entry in entries]
    id_width = max(map(_count_columns, ["id", *ids]))
    click.echo(f"score  {_pad_text('id', id_width)}  content")
    for entry, id in zip(entries, ids, strict=True):
        row = f"{entry.score:5.2f}  {_pad_text(id, id_width)}  "
        click.echo((row + _cut_text(entry.content or "", width - 9 - id_width)).rstrip())


def _cut_text(text: str, width: int) -> str:
    """Return text as one line of at most that many columns."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(shown.split())
    if _count_columns(line) <= width:
        return line
    while line and _count_columns(line) >= width:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _pad_text(text: str, width: int) -> str:
    return text + " " * (width - _count_columns(text))


def _count_columns(text: str) -> int:
    """Return how many columns a terminal needs: two for characters that are wide."""
    return sum(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in text)
