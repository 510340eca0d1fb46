"""`vecstore check`, `compact` and `backup`: the health of a file, its size, and copies of it."""

import json
import sys
from pathlib import Path

import click

from ..sqlite import maintenance
from ..sqlite.maintenance import CheckReport, Finding
from ..values import describe_count, quote
from .databases import open_file_for_maintenance
from .options import DATABASE_FILE, add_database_argument
from .progress import show_progress


@click.command()
@add_database_argument
@click.option(
    "--model",
    is_flag=True,
    help="Also embed up to 20 entries of each collection again, by its model, and compare.",
)
@click.option("as_json", "--json", is_flag=True, help="Print the report as JSON.")
def check(database: Path, model: bool, as_json: bool) -> None:
    """Look for damage in a database.

    \b
      vecstore check
      vecstore check pets.db
      vecstore check pets.db --json
      vecstore check pets.db --model

    The file, its schema, each row, and the index against the rows, both ways. The file is opened
    for reading, and others may write to it meanwhile. The exit code is 0 if there is no problem.
    Notes, such as rows that cannot be compared, are no problems.
    """
    with (
        open_file_for_maintenance(database, read_only=True) as db,
        show_progress("Checking") as progress,
    ):
        report = maintenance.check(db, progress=progress, model=model)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=4))
    else:
        _print_report(report, database)
    if not report.ok:
        sys.exit(1)


@click.command()
@add_database_argument
def compact(database: Path) -> None:
    """Make a file as small as what it holds.

    \b
      vecstore compact
      vecstore compact pets.db

    After entries were deleted, sqlite-vec and SQLite keep their space for new ones. This builds the
    index anew, inside the file or beside it, and writes the file anew (VACUUM). A crash at any
    moment loses nothing. It needs free space, and other programs wait to write.
    """
    with open_file_for_maintenance(database) as db:
        done = maintenance.compact(db)
    click.echo(f"{database}: {_describe_size(done.before)}, now {_describe_size(done.after)}")
    if done.is_pending:
        click.echo("The file shrinks when the programs that read it now are done", err=True)


@click.command()
@click.argument("database", metavar="DB", type=DATABASE_FILE)
@click.argument("target", type=DATABASE_FILE)
@click.option(
    "--plain",
    is_flag=True,
    help="Leave out the index, triggers and views: any program with SQLite can write to the copy.",
)
def backup(database: Path, target: Path, plain: bool) -> None:
    """Copy a database into a file, while others write to it.

    \b
      vecstore backup pets.db pets-backup.db
      vecstore backup pets.db for-llm.db --plain

    The copy is of one moment. It is checked, and on the disk, before it takes the place of an older
    one; if anything fails, the older one stays. An index beside the file is not copied: the first
    search in the copy builds it.
    """
    with open_file_for_maintenance(database, read_only=True) as db:
        done = maintenance.backup(db, target, plain=plain)
    contents = _describe_contents(done.collections, done.embeddings)
    click.echo(f"{target}: {contents}, {_describe_size(done.bytes)}")


def _print_report(report: CheckReport, database: Path) -> None:
    contents = _describe_contents(report.collections, report.embeddings)
    click.echo(f"{database}: {contents}, index {report.form} the file")
    for title, findings in (("Problem", report.problems), ("Note", report.notes)):
        for finding in findings:
            click.echo(f"{title}: {finding.message}{_describe_examples(finding)}")
            if finding.remedy:
                click.echo(f"  {finding.remedy}")
    problems = len(report.problems)
    click.echo(describe_count(problems, "problem") if problems else "No problems")


def _describe_examples(finding: Finding) -> str:
    if not any(id for _, id in finding.examples):
        return ""
    examples = ", ".join(
        f"{quote(id)}{'' if name is None else f' of {quote(name)}'}"
        for name, id in finding.examples
    )
    return f" ({examples}{', ...' * (finding.count > len(finding.examples))})"


def _describe_contents(collections: int, embeddings: int) -> str:
    return (
        f"{describe_count(embeddings, 'embedding')} in {describe_count(collections, 'collection')}"
    )


def _describe_size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
