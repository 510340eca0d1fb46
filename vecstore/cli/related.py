"""`vecstore related`: what is nearest to each entry, in a table that any program reads."""

import click

from ..collection import Collection
from ..related import RelatedReport
from ..settings import DatabaseName
from ..sqlite.related import proposals
from ..values import describe_count
from .databases import open_existing_collection_to_write
from .options import database_option
from .progress import show_progress


@click.command()
@click.argument("collection")
@click.option(
    "-n",
    "--number",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Related entries of each.",
)
@database_option
def related(collection: str, number: int, database: DatabaseName) -> None:
    """Write which entries are nearest to each into the table vecstore_related.

    \b
      vecstore related pets
      vecstore related pets -n 10 -d pets.db
      sqlite3 pets.db "select id, related_id from vecstore_related where rank = 1"

    The table is read without an extension or a model: by Datasette Lite, for instance, or the maker
    of a static site. Run it again after changes: it computes what they concern.
    """
    with open_existing_collection_to_write(database, collection) as opened:
        report = _compute(opened, number)
    click.echo(
        f"{describe_count(report.items, 'entry')}: {report.computed:,} computed, "
        f"{report.unchanged:,} unchanged, {describe_count(report.rows, 'row')} written"
    )


def _compute(collection: Collection, number: int) -> RelatedReport:
    with show_progress("Comparing") as show:

        def show_or_advise(done: int, total: int) -> None:
            if not done and not proposals.is_installed():
                click.echo(
                    "With NumPy (pip install numpy) this takes a fraction of the time", err=True
                )
            show(done, total)

        return collection.related_table(number, progress=show_or_advise)
