"""`vecstore collections`: what a database holds."""

import json

import click
from sqlite_utils import Database

from ..connection import connect


@click.group()
def collections() -> None:
    """View the collections of a database."""


@collections.command("list")
@click.option("-d", "--database", required=True, metavar="DB", help="The SQLite file.")
@click.option("as_json", "--json", is_flag=True, help="Output as JSON.")
def list_(database: str, as_json: bool) -> None:
    """List the collections: name, model and number of embeddings."""
    db = connect(database, driver="apsw", read_only=True)
    try:
        found = _collections(db)
    finally:
        db.close()
    if not found and not as_json:
        click.echo(f"No collections in {database}", err=True)
    if as_json:
        click.echo(json.dumps(found, indent=4))
        return
    for row in found:
        click.echo(f"{row['name']}: {row['model']}")
        plural = "" if row["num_embeddings"] == 1 else "s"
        click.echo(f"  {row['num_embeddings']} embedding{plural}")


def _collections(db: Database) -> list[dict[str, object]]:
    """Return the rows that the command shows; none for a file that has never had a collection."""
    if not {"collections", "embeddings"} <= set(db.table_names()):
        return []
    sql = """
        select c.name, c.model, count(e.collection_id) as num_embeddings
        from collections c
        left join embeddings e on e.collection_id = c.id
        group by c.id
        order by c.name
    """
    return list(db.query(sql))
