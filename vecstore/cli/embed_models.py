"""`vecstore embed-models`: the models that are installed, and which is the default."""

import click

from ..models import get_embedding_model, get_embedding_models_with_aliases
from ..settings import default_model, set_default_embedding_model
from .options import ListByDefault


@click.group("embed-models", cls=ListByDefault)
def embed_models() -> None:
    """List the embedding models, and choose the default.

    \b
      vecstore embed-models
      vecstore embed-models default local
    """


@click.command("list")
@click.option(
    "-q",
    "--query",
    metavar="TERM",
    multiple=True,
    help="Only models whose name or alias contains this; again for more.",
)
def list_(query: tuple[str, ...]) -> None:
    """List the installed models, with their aliases.

    \b
      vecstore embed-models list
      vecstore embed-models list -q openai -q small

    Not listed, but there as well: openai/NAME, any model of an OpenAI-compatible server, and
    llm/NAME, any model of llm's plugins.
    """
    for entry in get_embedding_models_with_aliases():
        if all(map(entry.matches, query)):
            aliases = ", ".join(sorted(entry.aliases))
            click.echo(f"{entry.model} (aliases: {aliases})" if aliases else str(entry.model))


@click.command()
@click.argument("model", required=False)
@click.option("--remove-default", is_flag=True, help="Have no default model.")
def default(model: str | None, remove_default: bool) -> None:
    """Show or set the default model.

    \b
      vecstore embed-models default local
      vecstore embed-models default
      vecstore embed-models default --remove-default

    It is the model of new collections and of vectors that are printed. The environment variable
    VECSTORE_EMBEDDING_MODEL comes before what is set here.
    """
    if remove_default and model:
        raise click.UsageError("MODEL and --remove-default cannot be used together")
    if remove_default:
        set_default_embedding_model(None)
    elif model:
        set_default_embedding_model(get_embedding_model(model).model_id)
    else:
        shown = default_model()
        click.echo(shown or "<No default embedding model set>", err=not shown)


for command in (list_, default):
    embed_models.add_command(command)
