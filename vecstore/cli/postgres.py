"""`vecstore postgres`: what is done to a PostgreSQL database as a whole."""

import click

from ..errors import InvalidInputError
from ..postgres_url import is_url, refuse_misspelt, without_password
from ..stores import import_postgres, opened_store
from ..values import describe_count


@click.group()
def postgres() -> None:
    """Spread a PostgreSQL database over many machines.

    \b
      vecstore postgres distribute postgresql://user@host/name
    """


@postgres.command()
@click.argument("url")
def distribute(url: str) -> None:
    """Spread the entries over the nodes of a Citus cluster.

    \b
      vecstore postgres distribute postgresql://user@host/name

    URL names the database on the coordinator. The entries are spread by their ids, and the small
    tables are copied to all nodes; a database without tables gets them. All commands work on it as
    before. What is distributed already stays, so it can be run again.

    HNSW indexes slow this down: drop them first, and build them again afterwards.

    This was written from the documentation of Citus, and not tried on a cluster.
    """
    refuse_misspelt(url)
    if not is_url(url):
        raise InvalidInputError(f"{url} is no URL of PostgreSQL: postgresql://user@host/name")
    distribution = import_postgres("postgres.distribution")
    with opened_store(url) as store:
        tables = distribution.distribute(store.db)  # type: ignore[attr-defined]
    for table in tables:
        where = "spread over the nodes by id" if table.is_spread else "on all nodes"
        click.echo(f"{table.name}: {where}{'' if table.is_new else ', as before'}")
    number = sum(table.is_new for table in tables)
    click.echo(f"{describe_count(number, 'table')} of {without_password(url)} distributed")
