"""What SQLite refuses is an error of ours, by its code, and one of sqlite3 as well."""

import io
import pickle
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest
from sqlite_utils.utils import sqlite3 as driver_module

import vecstore
from tests.support.failing_disk import FailingDisk
from tests.support.models import WordLengths
from vecstore import (
    Collection,
    ConstraintError,
    DatabaseBusyError,
    DatabaseDamagedError,
    DatabaseError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DiskError,
    DiskFullError,
    RejectedInputError,
    VecstoreError,
)
from vecstore.sqlite.connection import dbapi_translation, locks, sqlite_errors
from vecstore.stores import open_store

CODES = {name: code for name, code in apsw.mapping_result_codes.items() if isinstance(name, str)}
# Nothing can be done about these but by who wrote the statement: they are a DatabaseError.
LEFT_ALONE = {
    "SQLITE_AUTH",  # an authorizer of the user's
    "SQLITE_EMPTY",  # not used
    "SQLITE_ERROR",  # all that has no code
    "SQLITE_INTERNAL",
    "SQLITE_MISMATCH",
    "SQLITE_MISUSE",
    "SQLITE_NOMEM",  # a MemoryError
    "SQLITE_NOTFOUND",
    "SQLITE_RANGE",
    "SQLITE_SCHEMA",
    "SQLITE_TOOBIG",
    # No errors.
    "SQLITE_DONE",
    "SQLITE_NOTICE",
    "SQLITE_OK",
    "SQLITE_ROW",
    "SQLITE_WARNING",
}

READING = {
    "similar": lambda c: c.similar("some words"),
    "similar-where": lambda c: c.similar("some words", where="content is not null"),
    "similar_by_id": lambda c: c.similar_by_id("id 1"),
    "get": lambda c: c.get("id 1"),
    "count": lambda c: c.count(),
    "iteration": list,
    "export": lambda c: vecstore.export_collection(c.db, c.name, io.BytesIO()),
    "check": lambda c: vecstore.check(c.db),
}
WRITING = {
    "embed": lambda c: c.embed("new", "text"),
    "metadata": lambda c: c.embed_multi_with_metadata([("id 1", "text 1", {"a": 1})]),
    "delete_ids": lambda c: c.delete_ids(["id 1"]),
    "delete": lambda c: c.delete(),
    "import": lambda c: vecstore.import_collection(c.db, exported()),
    "build_index": lambda c: vecstore.build_index(c.db),
    "drop_index": lambda c: vecstore.drop_index(c.db),
}
COMPACT = {"compact": lambda c: vecstore.compact(c.db)}
ALL = {**READING, **WRITING, **COMPACT}


def each(operations):
    return pytest.mark.parametrize("call", operations.values(), ids=list(operations))


def exported(name="other"):
    with closing(vecstore.connect()) as db:
        Collection(name, db, model=WordLengths()).embed_multi([("a", "b c"), ("d", "e")])
        stream = io.BytesIO()
        vecstore.export_collection(db, name, stream)
        stream.seek(0)
        return stream


def filled(db):
    collection = Collection("test", db, model=WordLengths())
    collection.embed_multi(((f"id {n}", f"text {n}") for n in range(20)), store=True)
    return collection


def assert_ours(error, ours, name):
    """Assert that an error is of both trees, and says what the one of the driver said."""
    driver = error.__cause__
    assert isinstance(error, ours)
    assert type(error).__name__ == ours.__name__
    assert not isinstance(driver, VecstoreError)
    assert isinstance(error, type(driver))
    assert str(driver) in str(error)
    code = getattr(driver, "sqlite_errorcode", None)
    assert getattr(error, "sqlite_errorcode", None) == code
    if code is not None:
        assert code & 0xFF == CODES[name]
        assert error.sqlite_errorname.startswith(name)
    without_code = type(driver)(str(driver))
    assert sqlite_errors.error_code(without_code) == CODES[name]


@contextmanager
def raises(ours, name):
    with pytest.raises(ours) as caught:
        yield
    assert_ours(caught.value, ours, name)


# The table


@pytest.mark.parametrize("name", CODES)
def test_every_code_is_in_the_table_or_left_alone(name):
    assert (CODES[name] in sqlite_errors.CLASSES) != (name in LEFT_ALONE)


# A constraint is told by the class that Python's module gives its error.
WITHOUT_WORDS = {apsw.SQLITE_FORMAT, apsw.SQLITE_CONSTRAINT}


def test_only_what_sqlite_has_is_in_the_table():
    assert {*sqlite_errors.CLASSES, *sqlite_errors.MESSAGES} <= set(CODES.values())
    assert CODES.keys() >= LEFT_ALONE
    assert sqlite_errors.CLASSES.keys() <= sqlite_errors.MESSAGES.keys() | WITHOUT_WORDS


@pytest.mark.parametrize(
    ("name", "code"),
    [item for item in apsw.mapping_extended_result_codes.items() if isinstance(item[0], str)],
)
def test_an_extended_code_is_of_the_class_of_its_primary_one(name, code):
    error = sqlite3.OperationalError("what happened")
    error.sqlite_errorcode = code
    primary = sqlite_errors.CLASSES.get(code & 0xFF, DatabaseError)
    assert sqlite_errors.error_class(error) is primary


@pytest.mark.parametrize("code", sqlite_errors.CLASSES)
def test_an_error_of_the_face_is_told_as_one_of_sqlite3(code):
    with (
        pytest.raises(driver_module.Error) as caught,
        sqlite_errors.RAISING_OUR_ERRORS,
        dbapi_translation.RAISING_SQLITE3_ERRORS,
    ):
        raise apsw.exception_for(code)
    error = caught.value
    assert type(error).__bases__ == (sqlite_errors.CLASSES[code], type(error.__cause__))
    assert error.sqlite_errorcode == code


def test_a_condition_that_only_speaks_of_a_lock_is_at_fault(collection):
    collection.embed("a", "b")
    with pytest.raises(vecstore.InvalidInputError, match="no such column: is locked"):
        collection.similar("b", where="[is locked] = 1")


def test_an_error_can_be_pickled_and_copied():
    original = sqlite3.OperationalError("database is locked")
    original.sqlite_errorcode, original.sqlite_errorname = 261, "SQLITE_BUSY_RECOVERY"
    ours = sqlite_errors.to_ours(original)
    again = pickle.loads(pickle.dumps(ours))
    assert (type(again), again.args, vars(again)) == (type(ours), ours.args, vars(ours))
    assert str(again) == "database is locked"
    assert type(again).__bases__ == (DatabaseBusyError, sqlite3.OperationalError)


# Faults


@each({**READING, **{k: v for k, v in WRITING.items() if k != "import"}})
def test_a_lock_of_another_connection(db, closing, path, call):
    collection = filled(db)
    db.execute("pragma journal_mode = delete").fetchall()
    other = closing(vecstore.connect(path))
    other.conn.execute("begin exclusive")
    locks.set_busy_timeout(db.conn, 0)
    with raises(DatabaseBusyError, "SQLITE_BUSY"):
        call(collection)
    other.conn.execute("rollback")
    call(collection)


def test_a_lock_while_a_collection_is_opened(db, closing, path):
    filled(db)
    db.execute("pragma journal_mode = delete").fetchall()
    other = closing(vecstore.connect(path))
    other.conn.execute("begin exclusive")
    locks.set_busy_timeout(db.conn, 0)
    with raises(DatabaseBusyError, "SQLITE_BUSY"):
        Collection("test", db)
    with pytest.raises(DatabaseBusyError):
        Collection.exists(db, "test")


@each(COMPACT)
def test_maintenance_over_a_lock_says_what_to_do(db, closing, path, call):
    collection = filled(db)
    other = closing(vecstore.connect(path))
    other.conn.execute("begin immediate")
    locks.set_busy_timeout(db.conn, 0)
    with pytest.raises(DatabaseBusyError, match="try again when no other program uses it"):
        call(collection)


def test_no_room(db):
    collection = filled(db)
    [pages] = db.execute("pragma page_count").fetchone()
    db.execute(f"pragma max_page_count = {pages}").fetchall()
    with raises(DiskFullError, "SQLITE_FULL"):
        collection.embed("new", "text " * 1_000_000, store=True)
    with raises(DiskFullError, "SQLITE_FULL"):
        for n in range(1000):
            Collection(f"another {n} {'with a long name' * 500}", db, model=WordLengths())
    assert collection.count() == 20


@each(WRITING)
def test_a_connection_for_reading(db, call):
    collection = filled(db)
    db.execute("pragma query_only = on").fetchall()
    with raises(DatabaseReadOnlyError, "SQLITE_READONLY"):
        call(collection)
    assert collection.count() == 20


def test_a_transaction_of_the_users_is_explained_once(db):
    collection = filled(db)
    db.conn.execute("begin")
    db.execute("pragma query_only = on").fetchall()
    with raises(DatabaseReadOnlyError, "SQLITE_READONLY"):
        collection.embed("new", "text")
    db.execute("pragma query_only = off").fetchall()
    db.conn.execute("rollback")


@each({k: v for k, v in ALL.items() if k not in ("check", "drop_index", "metadata", "import")})
def test_damaged_pages(open_db, path, call):
    db = open_db(path)
    filled(db)
    db.execute("pragma wal_checkpoint(truncate)").fetchall()
    [size] = db.execute("pragma page_size").fetchone()
    roots = db.execute(
        "select rootpage from sqlite_master where tbl_name in ('embeddings') and rootpage > 0"
    ).fetchall()
    db.close()
    with Path(path).open("r+b") as file:
        for (root,) in roots:
            file.seek((root - 1) * size)
            file.write(b"\xff" * size)
    collection = Collection("test", open_db(path), model=WordLengths())
    with raises(DatabaseDamagedError, "SQLITE_CORRUPT"):
        call(collection)
    assert vecstore.check(collection.db).problems


def test_what_is_no_database(open_db, path):
    Path(path).write_bytes(b"no database at all" * 1000)
    with pytest.raises(DatabaseDamagedError, match="file is not a database"):
        Collection("test", open_db(path), model=WordLengths())


@each({k: v for k, v in ALL.items() if k not in ("check", "compact")})
def test_an_interrupted_statement(db, call):
    collection = filled(db)
    db.conn.set_progress_handler(lambda: 1, 1)
    with raises(DatabaseInterruptedError, "SQLITE_INTERRUPT"):
        call(collection)
    db.conn.set_progress_handler(None, 1)
    assert collection.count() == 20


@each({**READING, **WRITING})
def test_a_disk_that_fails(path, call):
    with FailingDisk() as disk, closing(vecstore.connect(path, driver="apsw")) as db:
        db.execute("pragma journal_mode = delete").fetchall()
        collection = filled(db)
        with disk.failing("io-error", 1, forever=True), raises(DiskError, "SQLITE_IOERR"):
            call(collection)
        call(collection)


def test_what_has_no_code_of_sqlite_stays_as_it_is(db):
    """As the mistake to use what was closed: that is the Python module's."""
    collection = filled(db)
    db.close()
    for call in (lambda: collection.get("id 1"), lambda: collection.embed("new", "text")):
        with pytest.raises(db.conn.ProgrammingError, match="closed database") as caught:
            call()
        assert not isinstance(caught.value, vecstore.VecstoreError)


def test_a_trigger_that_refuses_a_row(db):
    """As before, what was asked for at the same time behind it is not written either."""
    collection = filled(db)
    db.execute(
        """
        create trigger refusing before insert on embeddings
        when new.id = 'b1'
        begin select raise(abort, 'no more'); end
        """
    )
    entries = [(f"b{n}", f"text {n}") for n in range(1, 5)]
    before = collection.ids()
    with pytest.raises(ConstraintError) as caught:
        collection.embed_multi(entries, batch_size=1, concurrency=3)
    assert str(caught.value) == "no more"
    assert isinstance(caught.value, db.conn.IntegrityError)
    assert collection.ids() == before


def test_a_table_that_is_gone(db):
    collection = filled(db)
    db.conn.execute("drop table embeddings")
    with pytest.raises(DatabaseError, match="no such table: embeddings") as caught:
        collection.get("id 1")
    assert isinstance(caught.value, db.conn.OperationalError)
    assert type(caught.value).__bases__[0] is DatabaseError


# What is not of the collection's database


def test_sql_of_the_users_own_raises_what_sqlite3_does(collection):
    with pytest.raises(collection.db.conn.OperationalError) as caught:
        collection.db.execute("select * from nowhere")
    assert type(caught.value) is collection.db.conn.OperationalError


def fail(*_args):
    raise sqlite3.DatabaseError("database is locked")


class Unwritable(io.BytesIO):
    """A stream to which nothing can be written."""

    write = fail


class Unreadable(io.BytesIO):
    """A stream that fails after its first line."""

    __next__ = fail


class Cached(WordLengths):
    """A model with a database of its own, which is locked."""

    embed_batch = fail


def fail_while_writing(collection):
    with open_store(collection.db).writing():
        fail()


OTHERS = {
    "entries": lambda c: c.embed_multi(iter(fail, None)),
    "progress": lambda c: c.embed_multi([("a", "b")], progress=fail),
    "export": lambda c: vecstore.export_collection(c.db, c.name, Unwritable()),
    "import": lambda c: vecstore.import_collection(c.db, Unreadable(exported().getvalue())),
    "check": lambda c: vecstore.check(c.db, progress=fail),
    "write": fail_while_writing,
    "model": lambda c: Collection("another", c.db, model=Cached()).similar("a"),
}


@each(OTHERS)
def test_an_error_of_another_database_stays_what_it_is(db, call):
    collection = filled(db)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        call(collection)
    assert (type(caught.value), str(caught.value)) == (sqlite3.DatabaseError, "database is locked")
    assert not db.conn.in_transaction
    assert collection.count() >= 20


def test_an_error_of_a_models_database_is_the_cause_of_ours(db):
    with pytest.raises(RejectedInputError, match="database is locked") as caught:
        Collection("another", db, model=Cached()).embed("a", "b")
    assert type(caught.value.__cause__) is sqlite3.DatabaseError
