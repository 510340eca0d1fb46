"""`vecstore check`, `compact` and `backup`: the health of a file, its size, and copies of it."""

import json
import sys
from pathlib import Path

import click

from ..checking.report import CheckProgress, CheckReport, Finding
from ..postgres_url import is_url
from ..settings import DatabaseName
from ..sqlite import maintenance
from ..stores import import_postgres
from ..values import describe_count, quote
from .databases import open_file_for_maintenance, require_file, show_name
from .options import DATABASE, add_database_argument
from .progress import show_progress


@click.command()
@add_database_argument
@click.option(
    "--model",
    is_flag=True,
    help="Also embed up to 20 entries of each collection again, by its model, and compare.",
)
@click.option("as_json", "--json", is_flag=True, help="Print the report as JSON.")
def check(database: DatabaseName, model: bool, as_json: bool) -> None:
    """Look for damage in a database.

    \b
      vecstore check
      vecstore check pets.db
      vecstore check pets.db --json
      vecstore check pets.db --model

    The file, its schema, each row, and the index against the rows, both ways. The file is opened
    for reading, and others may write to it meanwhile. The exit code is 0 if there is no problem.
    Notes, such as rows that cannot be compared, are no problems.

    Of a PostgreSQL database, its migrations, each row, and the indexes: that what is stored can be
    read back is the server's concern.
    """
    with show_progress("Checking") as progress:
        report = _check(database, progress, model=model)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=4))
    else:
        _print_report(report, database)
    if not report.ok:
        sys.exit(1)


def _check(database: DatabaseName, progress: CheckProgress, *, model: bool) -> CheckReport:
    if is_url(database):
        upkeep = import_postgres("cli.server_upkeep")
        report: CheckReport = upkeep.check(database, progress, model=model)
        return report
    with open_file_for_maintenance(Path(database), read_only=True) as db:
        return maintenance.check(db, progress=progress, model=model)


@click.command()
@add_database_argument
def compact(database: DatabaseName) -> None:
    """Make a file as small as what it holds.

    \b
      vecstore compact
      vecstore compact pets.db

    After entries were deleted, sqlite-vec and SQLite keep their space for new ones. This builds the
    index anew, inside the file or beside it, and writes the file anew (VACUUM). A crash at any
    moment loses nothing. It needs free space, and other programs wait to write.

    A PostgreSQL database gives such space to new rows by itself.
    """
    path = require_file(database, "VACUUM FULL, in psql, makes it small")
    with open_file_for_maintenance(path) as db:
        done = maintenance.compact(db)
    click.echo(f"{path}: {_describe_size(done.before)}, now {_describe_size(done.after)}")
    if done.is_pending:
        click.echo("The file shrinks when the programs that read it now are done", err=True)


@click.command()
@click.argument("database", metavar="DB", type=DATABASE)
@click.argument("target", type=DATABASE)
@click.option(
    "--plain",
    is_flag=True,
    help="Leave out the index, triggers and views: any program with SQLite can write to the copy.",
)
def backup(database: DatabaseName, target: DatabaseName, plain: bool) -> None:
    """Copy a database into a file, while others write to it.

    \b
      vecstore backup pets.db pets-backup.db
      vecstore backup pets.db for-llm.db --plain

    The copy is of one moment. It is checked, and on the disk, before it takes the place of an older
    one; if anything fails, the older one stays. An index beside the file is not copied: the first
    search in the copy builds it.
    """
    path = require_file(database, "pg_dump backs it up, and 'vecstore pull' copies it to a file")
    target = require_file(target, "'vecstore push' copies a file to it")
    with open_file_for_maintenance(path, read_only=True) as db:
        done = maintenance.backup(db, target, plain=plain)
    contents = _describe_contents(done.collections, done.embeddings)
    click.echo(f"{target}: {contents}, {_describe_size(done.bytes)}")


def _print_report(report: CheckReport, database: DatabaseName) -> None:
    contents = _describe_contents(report.collections, report.embeddings)
    place = f", index {report.form} the file" if report.form else ""
    click.echo(f"{show_name(database)}: {contents}{place}")
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
