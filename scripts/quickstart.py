"""Semantic search over the documentation of Python's own standard library.

Embeds it into a collection in a SQLite file, PATH, with a model that runs on this machine and
needs no key, and searches it: from Python and in SQL, with the code shown. The file stays. Running
it again embeds only what has changed.
"""

import json
import shlex
import sys
import sysconfig
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import sqlite_vec

import vecstore
from stdlib_docs import Doc, read_docs

SECONDS_A_LINE = 1  # of progress, where the output is no terminal

# What is shown is what runs: run_snippet() prints a text and executes it.
OPEN = """
    import vecstore

    collection = vecstore.Collection("stdlib", {path})
"""

SEARCHES = [
    """
    # 1. A question
    for entry in collection.similar("list the files that match a pattern", number=3):
        print(f"    {entry.score:.3f}  {entry.id}")
    """,
    """
    # 2. A question to one module: only ids that start with a prefix
    for entry in collection.similar("wait until a thread ends", number=3, prefix="threading."):
        print(f"    {entry.score:.3f}  {entry.id}")
    """,
    """
    # 3. Metadata comes with the entries
    for entry in collection.similar("run a program and capture its output", number=3):
        print(f"    {entry.score:.3f}  {entry.id:28} {entry.metadata}")
    """,
    '''
    # 4. In plain SQL: what is like shutil.copytree?
    sql = """
      select e.id, 1 - vec_distance_cosine(e.embedding, source.embedding) as score
      from embeddings e
      join collections c on c.id = e.collection_id
      join embeddings source on source.collection_id = c.id
      where c.name = 'stdlib' and source.id = 'shutil.copytree' and e.id <> source.id
      order by score desc
      limit 3
    """
    for row in collection.db.query(sql):
        print(f"    {row['score']:.3f}  {row['id']}")
    ''',
]

NEXT = """\
{path} ({size:.0f} MB) is yours to play with. Ask it something else, in Python:

  {python} -i -c {open}
  stdlib.similar("draw a circle", number=3)

or in the sqlite3 shell, with the extension that computes the similarity (the SQL of 4 works there):

  sqlite3 -cmd ".load '{extension}'" {quoted_path}
  select id, content from embeddings where metadata ->> 'kind' = 'class' limit 3;"""


def embed(path: str, docs: list[Doc]) -> str:
    """Make the collection "stdlib" of a file equal to these entries; return what was done."""
    started = time.monotonic()
    db = vecstore.connect(path)
    try:
        collection = vecstore.Collection("stdlib", db, model_id="local")
        # What another version of Python had, and this one has not.
        deleted = collection.delete_ids(set(collection.ids()) - {doc.name for doc in docs})
        entries = (doc.entry() for doc in with_progress(docs))
        report = collection.embed_multi_with_metadata(entries, store=True)
    finally:
        db.close()
    return (
        f"{report.embedded + report.reused:,} embedded, {report.updated:,} updated, "
        f"{deleted:,} deleted, {report.unchanged:,} unchanged: "
        f"{time.monotonic() - started:.1f} seconds"
    )


def with_progress(docs: list[Doc]) -> Iterator[Doc]:
    """Yield the entries, and show how many there were, how many a second, and the time left."""
    started = time.monotonic()

    def rate(count: int) -> str:
        return f"{count / max(time.monotonic() - started, 0.001):>7,.0f} a second"

    if not sys.stdout.isatty():
        printed = started
        for count, doc in enumerate(docs, start=1):
            yield doc
            if time.monotonic() - printed > SECONDS_A_LINE:
                click.echo(f"  {count:>7,} of {len(docs):,} {rate(count)}")
                printed = time.monotonic()
        return
    with click.progressbar(length=len(docs), show_pos=True, update_min_steps=50) as bar:
        for count, doc in enumerate(docs, start=1):
            yield doc
            bar.label = rate(count)
            bar.update(1)


def run_snippet(code: str, names: dict[str, Any]) -> None:
    """Print code and run that very code."""
    code = textwrap.dedent(code).strip()
    click.secho(code, fg="cyan")
    exec(code, names)
    click.echo()


def what_next(path: str) -> str:
    opening = f'import vecstore; stdlib = vecstore.Collection("stdlib", {json.dumps(path)})'
    return NEXT.format(
        path=path,
        size=Path(path).stat().st_size / 1e6,
        python=shlex.quote(sys.executable),
        open=shlex.quote(opening),
        extension=sqlite_vec.loadable_path(),
        quoted_path=shlex.quote(path),
    )


def run(path: str, folder: Path) -> None:
    """Read, embed, search, and say what to try next."""
    version = ".".join(map(str, sys.version_info[:2]))
    click.echo(f"Reading the documentation of Python {version} in {folder} ...")
    docs = read_docs(folder)
    if not docs:
        raise click.ClickException(f"{folder} has no Python source: set PYTHON to another Python")
    click.echo(f"{len(docs):,} modules, classes and functions. Embedding them into {path} ...")
    click.echo(embed(path, docs) + "\n")
    names: dict[str, Any] = {}
    for code in [OPEN.format(path=json.dumps(path)), *SEARCHES]:
        run_snippet(code, names)
    names["collection"].db.close()
    click.echo(what_next(path))


@click.command(help=__doc__)
@click.argument("path", default="stdlib.db")
def main(path: str) -> None:
    try:
        run(path, Path(sysconfig.get_path("stdlib")))
    except vecstore.VecstoreError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        kept = f" {path} keeps what is done: run the same again." if Path(path).exists() else ""
        click.echo(f"\nStopped.{kept}")
        sys.exit(130)


if __name__ == "__main__":
    main()
