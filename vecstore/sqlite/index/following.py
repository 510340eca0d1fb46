"""Brings the index beside a file into step with the table: it follows the journal of changes.

A connection of its own does that (beside_writing.py), a portion in each transaction. So a search
that comes meanwhile, and a program that writes, wait for no more than a commit, and a process that
is killed has lost one portion.

How far it has come is noted by a transaction of its own, after that of the portion. So an index
that was copied, or lost its journal, in the middle of a commit does not take what is half there
for done: the portion is followed once more, which mends it.
"""

import errno
import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import NamedTuple

from ...errors import DatabaseError, DiskFullError, VecstoreError
from .. import journal
from ..connection import file_status, filenames, guard, locks, opening, rights, sqlite_errors
from ..connection.database import Database
from ..index_names import BESIDE, IndexNames, KeywordNames, names_of, number_of
from . import beside, beside_writing, building, filling, keyword_building, keyword_tables, tables
from .beside import DIMENSIONS, FOLLOWED
from .beside_writing import LEAST_PATIENCE, PATIENCE, ReplacedError, UnusableError, Work
from .build_progress import BuildProgress
from .keyword_tables import DEFAULT_TOKENIZER

_MOST_ROWS = 5000  # of a transaction
_MOST_BYTES = 16_000_000
_KEPT_BY_READERS, _KEPT_BY_WRITERS = 100_000, 1_000  # changes that were followed
_TRIES = 5  # at a file that another process deletes, or puts in the place of ours
_BEFORE_ALL = -1e19  # less than any integer of SQLite

_Names = IndexNames | KeywordNames  # of an index of a dimension, or of keywords

_log = logging.getLogger("vecstore")


class _Wanted(NamedTuple):
    """What is to be built if there is none; KEYWORDS may be among the dimensions."""

    dimensions: set[int]
    tokenizer: str


def follow(
    db: Database,
    dimensions: Iterable[int] = (),
    *,
    kept_changes: int = _KEPT_BY_READERS,
    tokenizer: str = DEFAULT_TOKENIZER,
) -> bool:
    """Bring the index beside a file into step, and return whether that is done.

    False where it cannot be written now: the connection is for reading, or has a transaction open,
    another process is at it, a disk is full. Then the index is as far as it was, and a search
    compares what it does not have.

    :param dimensions: those of which an index is built, if there is none; KEYWORDS among them
    :param kept_changes: of those that were followed, how many stay in the journal. To remove some
      writes to the file itself: for a search only where they are very many
    :param tokenizer: of a keyword index, if there is none
    """
    if not _may_write(db):
        return False
    try:
        follow_or_fail(db, dimensions, kept_changes=kept_changes, tokenizer=tokenizer)
    except (OSError, VecstoreError) as error:
        if isinstance(error, DiskFullError) or getattr(error, "errno", None) == errno.ENOSPC:
            _warn_once(opening.name_of(db), str(error))
        return False
    except db.conn.Error as error:
        if not beside_writing.is_refusal(error):
            raise
        if issubclass(sqlite_errors.error_class(error), DiskFullError):
            _warn_once(opening.name_of(db), str(error))
        return False
    return True


def follow_or_fail(
    db: Database,
    dimensions: Iterable[int] = (),
    *,
    kept_changes: int = _KEPT_BY_WRITERS,
    tokenizer: str = DEFAULT_TOKENIZER,
) -> None:
    """As follow(), and raise what keeps it from that: an error of ours, of the driver, or OSError.

    :raises DatabaseError: the journal is not whole, or the file is another program's
    """
    wanted = _Wanted({d for d in dimensions if 0 <= d <= tables.MAX_DIMENSIONS}, tokenizer)
    path = beside.file_of(db)
    cause: BaseException | None = None
    for _ in range(_TRIES):
        found = file_status.identity_of(path)
        try:
            _follow(db, wanted, kept_changes)
        except UnusableError as error:
            cause = error.__cause__
            beside.detach(db)
            # Another process may have put a new one in its place meanwhile.
            if found == file_status.identity_of(path) and not beside.discard(db):
                raise DatabaseError(f"{path} is not an index of vecstore's: rename it") from None
        except ReplacedError:
            continue
        except db.conn.Error as error:
            # SQLite calls a file that was deleted under it "readonly".
            if found == file_status.identity_of(path):
                raise
            cause = error
        else:
            return
    error_class = DatabaseError if cause is None else sqlite_errors.error_class(cause)
    raise error_class(
        f"{path} cannot be made now ({cause or 'another program changes it'}): has the disk room, "
        "and does it work?"
    ) from cause


def _may_write(db: Database) -> bool:
    path = filenames.main_file(db.conn)
    return not (
        not path
        or db.conn.in_transaction
        or not rights.is_writable(path)
        or guard.is_open_read_only(path)
        or db.conn.execute("pragma query_only").fetchone()[0]
    )


def _follow(db: Database, wanted: _Wanted, kept_changes: int) -> None:
    try:
        with beside_writing.opened(db) as work:
            try:
                _bring_into_step(work, wanted, kept_changes)
            except work.conn.Error as error:
                if beside_writing.hides_full_disk(work, error):
                    raise DiskFullError(f"The disk seems to be full ({error})") from error
                raise
    except db.conn.Error as error:
        if sqlite_errors.is_settled(error) or beside_writing.is_refusal(error):
            raise
        raise UnusableError from error


def _bring_into_step(work: Work, wanted: _Wanted, kept_changes: int) -> None:
    goal = journal.last_change(work)
    progress = BuildProgress(work)
    is_done = goal is None
    while goal is not None and not is_done:
        with beside_writing.writing(work):
            started = time.monotonic()
            locks.set_busy_timeout(work.conn, PATIENCE)
            followed = _follow_portion(work)
            built = _build_portion(work, wanted, progress) if followed.seq >= goal.seq else None
            _note_reached(work)
            # Who has a transaction open, or rows to fetch, may read for long: no longer a wait for
            # the commit than what it would lose has taken.
            patience = max(LEAST_PATIENCE, min(time.monotonic() - started, PATIENCE))
            locks.set_busy_timeout(work.conn, patience)
        _note(work, followed, built)
        is_done = followed.seq >= goal.seq and built is None
        locks.set_busy_timeout(work.conn, 0)
    if goal is not None:
        with suppress(work.conn.OperationalError):  # a writer is at it: next time
            journal.forget(work, followed, kept_changes)


def _note_reached(work: Work) -> None:
    """Note of which state the rows are that a portion has read: not every search sees it yet."""
    work.execute(
        f"""
        update {FOLLOWED}
        set reached = max(reached, (
          select coalesce(max(seq), 0)
          from main.{journal.TABLE}
        ))
        """
    )


def _note(work: Work, followed: journal.Change, built: _Names | None) -> None:
    """Note how far the index has come, unless another process has brought it farther meanwhile."""
    if built is None:
        row = work.execute(f"select seq from {FOLLOWED}").fetchone()
        if row is not None and row[0] >= followed.seq:
            return
    # What is lost with the power is noted again.
    work.execute(f"pragma {BESIDE}.synchronous = off")
    with beside_writing.writing(work):
        work.execute(
            f"update {FOLLOWED} set seq = ?1, token = ?2 where seq < ?1",
            followed,
        )
        if built is not None:
            _note_portion(work, built)
    work.execute(f"pragma {BESIDE}.synchronous = normal")


def _follow_portion(work: Database) -> journal.Change:
    """Follow some of the changes that the index has not; return the last that it has then."""
    row = work.execute(f"select seq, token from {FOLLOWED}").fetchone()
    if row is None:
        raise UnusableError
    first, indexes = journal.Change(*row), _indexes(work)
    portion = min(map(_portion, indexes), default=_MOST_ROWS)
    last = journal.changes_after(work, first, portion)
    if last is None:
        raise UnusableError
    if last != first:
        keys = journal.changed_keys_sql("?", "?")
        for names in indexes:
            _fill(work, names, keys, [first.seq, last.seq])
    return last


def _fill(work: Database, names: _Names, keys: str, args: Sequence[object] = ()) -> None:
    if isinstance(names, KeywordNames):
        keyword_building.fill(work, names, keys, args)
    else:
        filling.fill(work, names, keys, args)


def _portion(names: _Names) -> int:
    """Return how many rows are a transaction, whose vectors are all in memory."""
    if isinstance(names, KeywordNames):
        return _MOST_ROWS
    return max(min(_MOST_ROWS, _MOST_BYTES // (4 * names.dimensions)), 1)


def _indexes(work: Database) -> list[_Names]:
    found = work.execute(f"select dimensions, layout from {DIMENSIONS}").fetchall()
    if any(layout != beside.layout_of(dimensions) for dimensions, layout in found):
        raise UnusableError
    return [names_of(dimensions, BESIDE) for dimensions, _ in found]


def _build_portion(work: Database, wanted: _Wanted, progress: BuildProgress) -> _Names | None:
    """Build a part of an index that is wanted, or was begun; None if all are complete."""
    for d in wanted.dimensions.difference(map(number_of, _indexes(work))):
        _begin_index(work, names_of(d, BESIDE), wanted.tokenizer)
    row = work.execute(
        f"select dimensions from {DIMENSIONS} where not is_complete limit 1"
    ).fetchone()
    if row is None:
        return None
    names = names_of(row[0], BESIDE)
    progress.add(_choose_portion(work, names))
    _fill(work, names, "select collection_id, id from temp.portion")
    return names


def _note_portion(work: Database, names: _Names) -> None:
    work.execute(
        f"""
        update {DIMENSIONS}
        set (collection_id, id, is_complete) = (
          select collection_id, id, false
          from (
            select collection_id, id
            from temp.portion
            order by collection_id desc, id desc
            limit 1
          )
          union all
          select null, null, true
          limit 1
        )
        where dimensions = ?
          and not is_complete
          and not exists (
            select 1
            from temp.portion
            where (portion.collection_id, portion.id)
              < ({DIMENSIONS}.collection_id, {DIMENSIONS}.id)
          )
        """,
        [number_of(names)],
    )


def _begin_index(work: Database, names: _Names, tokenizer: str) -> None:
    if isinstance(names, KeywordNames):
        for sql in keyword_tables.keyword_tables(names, tokenizer):
            work.execute(sql)
    else:
        for sql in tables.index_tables(names):
            work.execute(sql)
        building.choose_partitions(work, names)
    number = number_of(names)
    work.execute(
        f"""
        insert into {DIMENSIONS} (dimensions, layout, is_complete, collection_id, id)
        values (?, ?, false, ?, '')
        """,
        [number, beside.layout_of(number), _BEFORE_ALL],
    )


def _choose_portion(work: Database, names: _Names) -> int:
    """Put the keys of the next rows into a table, and return how many there are.

    By the primary key, as VACUUM may change rowids between two portions; in two parts, as SQLite
    does not find `(collection_id, id) > (?, ?)` by the index of both.
    """
    work.execute("CREATE TEMP TABLE IF NOT EXISTS portion (collection_id, id)")
    work.execute("delete from temp.portion")
    work.execute(
        f"""
        insert into temp.portion
        select *
        from (
          select embeddings.collection_id, embeddings.id
          from {DIMENSIONS} as built
          cross join embeddings
            on embeddings.collection_id = built.collection_id
            and embeddings.id > built.id
          where built.dimensions = ?1
          order by embeddings.id
          limit ?2
        )
        union all
        select *
        from (
          select embeddings.collection_id, embeddings.id
          from {DIMENSIONS} as built
          cross join embeddings on embeddings.collection_id > built.collection_id
          where built.dimensions = ?1
            and typeof(embeddings.collection_id) = 'integer'
            and embeddings.id is not null
          order by embeddings.collection_id, embeddings.id
          limit ?2
        )
        limit ?2
        """,
        [number_of(names), _portion(names)],
    )
    [number] = work.execute("select count(*) from temp.portion").fetchone()
    return int(number)


@cache
def _warn_once(name: str, reason: str) -> None:
    _log.warning("The index beside %s cannot be written, and searches go without: %s", name, reason)
