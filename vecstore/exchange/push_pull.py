"""Moves collections from a file to a PostgreSQL database, and back."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from ..errors import InvalidInputError
from ..postgres_url import is_url, refuse_misspelt, without_password
from ..store import Store
from ..stores import Database, opened_store
from ..values import quote
from .copies import Copy, CopyReport, Progress, Unstorable, choose_collections, refuse_unstorable

GRAPH_FROM = 10_000  # entries; fewer are compared one by one as fast


def push_collections(
    db: Database | Store | str | Path,
    url: str | Store,
    names: Iterable[str] | None = None,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    on_unstorable: Unstorable | None = None,
    build_graph: bool | None = None,
    progress: Progress | None = None,
) -> list[CopyReport]:
    """Copy collections of a file, as they are at this moment, to a PostgreSQL database.

    A collection that is not there is created, with its prefixes. In one that is, entries of the
    file take the place of those of the same id, in all columns, and others stay. Some thousand
    entries at most are a transaction: after an error or a crash those that were sent are there, and
    the same call goes on. What is there already is not sent again. At the end all columns of all
    entries are compared in both places. Memory does not grow with a collection, and nothing is
    embedded.

    Metadata becomes jsonb: the same value, in which keys have another order, a key that is there
    twice has its last value, and numbers have no exponent.

    :param db: the path of a file, a sqlite_utils.Database, or a store
    :param url: of the database, `postgresql://user@host/name`; its tables are made if need be
    :param names: of collections; None for all
    :param on_error: what to do about entries that PostgreSQL cannot hold, as with a NUL in text, a
      NaN in a vector, or more than 16,000 dimensions: "stop" before anything is sent, or "skip"
    :param on_unstorable: is called with the id and the error of each of these, in both cases
    :param build_graph: build what makes searches in a large collection fast, once all is there;
      None does so for more than 10,000 entries
    :param progress: is called with what is done, how many entries of it are, and of how many
    :raises MissingFileError, DoesNotExist: there is no such file, or collection in it
    :raises ModelMismatchError: a collection is there with another model or document prefix; nothing
      was sent
    :raises InvalidInputError: PostgreSQL cannot hold an entry, and it is not to be skipped; nothing
      was sent
    :raises DimensionError: a collection there has vectors of another dimension
    :raises DatabaseError: the two are not the same at the end, as another program has written to
      one of them; or as of a store
    :raises MissingPackageError: it needs psycopg
    """
    _check_on_error(on_error)
    _check_places(db, url, "push_collections(FILE, URL)")
    skips = on_error == "skip"
    with opened_store(db, read_only=True) as source, source.reading():
        chosen = choose_collections(source, names)
        with opened_store(url) as target:
            target.ensure_schema()
            copies = [Copy(source, target, row, skips=skips, progress=progress) for row in chosen]
            refuse_unstorable(copies, skips=skips, on_unstorable=on_unstorable)
            reports = _run(target, copies)
    # When nothing is read any more: a build waits for all who read the same database.
    with opened_store(url) as target:
        for report in reports:
            _build_after_load(target, report, build_graph, progress)
    return reports


def pull_collections(
    url: str | Store,
    db: Database | Store | str | Path,
    names: Iterable[str] | None = None,
    *,
    progress: Progress | None = None,
) -> list[CopyReport]:
    """Copy collections of a PostgreSQL database, as they are at this moment, to a file.

    It does what push_collections() does, the other way. A file that is not there is created, when
    the collections were found. Metadata is stored as the text that PostgreSQL makes of its jsonb.

    :param url: of the database, `postgresql://user@host/name`
    :param db: the path of a file, a sqlite_utils.Database, or a store
    :param names: of collections; None for all
    :param progress: is called with what is done, how many entries of it are, and of how many
    :raises DoesNotExist: there is no such collection
    :raises ModelMismatchError: a collection is in the file with another model or document prefix;
      nothing was written
    :raises DimensionError: a collection in the file has vectors of another dimension
    :raises DatabaseError: the two are not the same at the end, as another program has written to
      one of them; or as of a store
    :raises MissingPackageError: it needs psycopg
    """
    _check_places(db, url, "pull_collections(URL, FILE)")
    with opened_store(url) as source, source.reading():
        chosen = choose_collections(source, names)
        with opened_store(db, create=True) as target:
            target.ensure_schema()
            return _run(target, [Copy(source, target, row, progress=progress) for row in chosen])


def _run(target: Store, copies: list[Copy]) -> list[CopyReport]:
    rows = target.write(lambda: [copy.create() for copy in copies])
    return [copy.run(row) for copy, row in zip(copies, rows, strict=True)]


def _build_after_load(
    target: Store, report: CopyReport, wanted: bool | None, progress: Progress | None
) -> None:
    number = report.entries + report.only_there
    row = target.find(report.collection)
    if row is None or not (wanted or (wanted is None and number > GRAPH_FROM)):
        return
    if target.dimensions(row, 0) is None:
        return  # there are no vectors

    def show(phase: str, done: int, total: int) -> None:
        if progress and total:
            progress(f"Indexing {report.collection}: {phase}", done, total)

    target.build_graph(row, show)


def _check_on_error(on_error: object) -> None:
    if on_error not in ("stop", "skip"):
        raise InvalidInputError(f"on_error is {quote(on_error)}: it must be 'stop' or 'skip'")


def _check_places(db: object, url: object, call: str) -> None:
    """Raise InvalidInputError where the file is given as the URL, or the other way round."""
    if is_url(db):
        shown = without_password(str(db))
        raise InvalidInputError(f"{shown} is given for the file: it is {call}")
    refuse_misspelt(db)
    refuse_misspelt(url)
    if not is_url(url) and not isinstance(url, Store):
        raise InvalidInputError(
            f"{quote(str(url))} is given for the URL, which begins with postgresql://: it is {call}"
        )
