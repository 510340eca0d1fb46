"""`vecstore collections set`: what is put before the queries and the documents of a collection."""

import click

from ..collection import Collection
from ..models import get_embedding_model
from ..prefixes import require_prefix
from ..settings import DatabaseName
from ..values import quote
from .databases import open_store_for_maintenance, show_name
from .options import Command, add_options, database_option

PREFIX_OPTIONS = (
    click.option("--query-prefix", metavar="TEXT", help="Put this before what is searched for."),
    click.option("--no-query-prefix", is_flag=True, help="Go by the model for queries."),
    click.option("--document-prefix", metavar="TEXT", help="Put this before what is stored."),
    click.option("--no-document-prefix", is_flag=True, help="Go by the model for documents."),
)


def _add_options(command: Command) -> Command:
    return add_options(command, PREFIX_OPTIONS)


@click.command("set")
@click.argument("collection")
@_add_options
@click.option("-m", "--model", metavar="MODEL", help="Make the collection, with this model.")
@database_option
def set_(
    collection: str,
    query_prefix: str | None,
    no_query_prefix: bool,
    document_prefix: str | None,
    no_document_prefix: bool,
    model: str | None,
    database: DatabaseName,
) -> None:
    """Set what the model gets before the queries and the documents of a collection.

    \b
      vecstore collections set notes -m local --document-prefix "passage: "
      vecstore collections set pets --query-prefix "query: "
      vecstore collections set pets --no-query-prefix

    The database remembers it, in place of what the model says; an empty TEXT is no prefix at all.
    What is stored of a text stays the text itself. The document prefix is set before there are
    entries: after that, 'vecstore collections reembed' changes it.
    """
    changes = {
        **prefix_change("query", query_prefix, unset=no_query_prefix),
        **prefix_change("document", document_prefix, unset=no_document_prefix),
    }
    if not changes:
        raise click.UsageError("Nothing to set: give --query-prefix, --document-prefix or both")
    made_with = get_embedding_model(model) if model else None
    with open_store_for_maintenance(database, create=made_with is not None) as store:
        if made_with is None and not Collection.exists(store, collection):
            raise click.ClickException(
                f"Collection does not exist: {quote(collection)} in {show_name(database)} (-m "
                "MODEL makes it)"
            )
        Collection(collection, store, model=made_with).set_prefixes(**changes)


def prefix_change(mode: str, prefix: str | None, *, unset: bool) -> dict[str, str | None]:
    """Return a prefix by its mode, as Collection.set_prefixes() takes it; {} if none was given."""
    if prefix is not None and unset:
        raise click.UsageError(f"--{mode}-prefix and --no-{mode}-prefix exclude each other")
    if prefix is None and not unset:
        return {}
    return {mode: require_prefix(f"--{mode}-prefix", prefix)}
