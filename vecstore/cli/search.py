"""`vecstore search`: by keywords and meaning, as JSON, as text, or as a table."""

import shutil
import sys
from dataclasses import asdict

import click

from ..collection import Collection
from ..entries import SearchResult
from ..query import MODES, SearchMode
from ..settings import DatabaseName
from .content import ContentOptions
from .databases import open_existing_collection
from .options import database_option, key_option
from .progress import show_index_builds
from .search_options import (
    OutputOptions,
    SearchOptions,
    add_output_options,
    add_search_options,
    print_json,
    print_plain,
)
from .tables import BOLD, around_bold, count_columns, cut_text, pad_text, show_bold

_MARKS = ("**", "**")
_RANKINGS = ("similar", "keywords")


@click.command()
@click.argument("collection")
@click.option("-c", "--content", metavar="TEXT", help="What to search for.")
@click.option(
    "-i",
    "--input",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="A file with what to search for; '-' is standard input.",
)
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default=MODES[0],
    show_default=True,
    help="By keywords and meaning, by keywords, or by meaning alone.",
)
@click.option(
    "--weights",
    type=(float, float),
    default=(1.0, 1.0),
    metavar="SIMILAR KEYWORDS",
    help="How much each of the two rankings counts.  [default: 1 1]",
)
@add_search_options
@add_output_options
@key_option
@database_option
def search(
    collection: str,
    content: str | None,
    input: str | None,
    mode: SearchMode,
    weights: tuple[float, float],
    search: SearchOptions,
    form: OutputOptions,
    key: str | None,
    database: DatabaseName,
) -> None:
    """Find entries by keywords and meaning.

    \b
      vecstore search pets -c "happy dog"
      vecstore search pets -c '"happy hound" -cat' --table
      vecstore search pets -c "dissat*" --mode keywords
      vecstore search pets -c "a dog in a good mood" --weights 2 1 -n 3

    In TEXT, "quotes" make a phrase, a * at the end finds words that begin so, and -word leaves out
    what has the word. All else are words, any of which may be found.

    One JSON object a line, the best first: id, score, content, metadata, the rank and the score in
    each of the two rankings, and a snippet with **marked** words. The score is made of both ranks.
    --min-score is of the similarity. With --mode keywords, no model is needed.
    """
    given = ContentOptions(content, input, binary=False)
    if not given.is_given:
        raise click.UsageError("Say what to search for: -c TEXT, or -i FILE")
    text = str(given.read())
    options = asdict(search)
    if mode == "keywords" and search.min_score is not None:
        raise click.UsageError("--min-score is of the similarity: --mode keywords has none")
    with open_existing_collection(database, collection) as opened:
        with show_index_builds():
            if form.explain:
                click.echo(opened.explain(text, mode=mode, weights=weights, key=key, **options))
            else:
                found = opened.search(
                    text,
                    mode=mode,
                    weights=weights,
                    marks=BOLD if form.table else _MARKS,
                    key=key,
                    **options,
                )
        note = None if mode == "similar" else _note_without_text(opened)
    if form.table:
        _print_table(found, mode)
    elif not form.explain:
        for result in found:
            print_plain(result, _reason(result)) if form.plain else print_json(result)
    if note:
        click.echo(note, err=True)


def _note_without_text(collection: Collection) -> str | None:
    number = collection.count_without_text()
    if not number:
        return None
    have, them = ("has", "it") if number == 1 else ("have", "them")
    return (
        f"{number:,} of {collection.count():,} entries {have} no stored text, and keywords cannot "
        f"find {them}: store it with embed-multi --store"
    )


def _reason(result: SearchResult) -> str:
    ranks = {"similar": result.similar_rank, "keywords": result.keyword_rank}
    return "".join(f", {name} {rank}" for name, rank in ranks.items() if rank)


def _print_table(results: list[SearchResult], mode: SearchMode) -> None:
    if not results:
        return
    width = shutil.get_terminal_size().columns
    ids = [cut_text(result.id, width // 3) for result in results]
    id_width = max(map(count_columns, ["id", *ids]))
    rankings = [name for name in _RANKINGS if mode in ("hybrid", name)]
    heading = "  ".join([" score", *rankings, ""])
    click.echo(f"{heading}{pad_text('id', id_width)}  text")
    columns = width - len(heading) - id_width - 2
    for result, id in zip(results, ids, strict=True):
        ranks = {"similar": result.similar_rank, "keywords": result.keyword_rank}
        places = [f"{ranks[name] or '':>{len(name)}}" for name in rankings]
        row = "  ".join([f"{result.score:.4f}", *places, pad_text(id, id_width), ""])
        click.echo((row + _shown(result, columns)).rstrip())


def _shown(result: SearchResult, columns: int) -> str:
    """Return the part of the text that was found, or else its beginning, in so many columns."""
    text = around_bold(result.snippet or result.content or "", columns)
    if sys.stdout is not None and sys.stdout.isatty():
        return show_bold(cut_text(text, columns, keeps_bold=True))
    for bold, mark in zip(BOLD, _MARKS, strict=True):
        text = text.replace(bold, mark)
    return cut_text(text, columns)
