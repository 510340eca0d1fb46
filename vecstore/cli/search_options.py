"""Options of the commands that search, and how they print what they have found."""

import json
import textwrap
from dataclasses import asdict, dataclass

import click

from ..entries import Entry
from .options import Command, add_options, condition_options, gather_options


@dataclass(frozen=True)
class SearchOptions:
    """The options that become parameters of a search."""

    number: int
    prefix: str | None
    where: str | None
    where_args: dict[str, str]
    min_score: float | None
    exact: bool
    per_document: bool


def add_search_options(command: Command) -> Command:
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
        *condition_options,
        click.option("--min-score", type=float, help="Only entries with at least this similarity."),
        click.option("--exact", is_flag=True, help="Miss nothing in a large collection; slower."),
        click.option("--per-document", is_flag=True, help="Only the best chunk of each document."),
    )
    return add_options(gather_options(command, "search", SearchOptions), options)


@dataclass(frozen=True)
class OutputOptions:
    """In which form a search is printed: JSON, but for one of these."""

    plain: bool
    table: bool
    explain: bool

    def __post_init__(self) -> None:
        if self.plain + self.table + self.explain > 1:
            raise click.UsageError("--plain, --table and --explain cannot be used together")


def add_output_options(command: Command) -> Command:
    """Add -p, --table and --explain to a command, which gets them as `form`."""
    options = (
        click.option("-p", "--plain", is_flag=True, help="Print text, not JSON."),
        click.option("--table", is_flag=True, help="Print a table as wide as the terminal."),
        click.option(
            "--explain", is_flag=True, help="Print how the search was done: plan, times, SQL."
        ),
    )
    return add_options(gather_options(command, "form", OutputOptions), options)


def print_json(entry: Entry) -> None:
    """Print an entry with all its fields, in a line."""
    click.echo(json.dumps(asdict(entry)))


def print_plain(entry: Entry, reason: str = "") -> None:
    """Print an entry as llm does; the reason that it was found goes behind the score."""
    click.echo(f"{entry.id} ({entry.score}{reason})\n")
    if entry.content:
        click.echo(textwrap.indent(entry.content, "  "))
    if entry.metadata:
        click.echo(textwrap.indent(json.dumps(entry.metadata), "  "))
    click.echo("")
